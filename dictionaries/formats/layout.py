"""The one layout that every loader gives, and how a dictionary is made of it.

W_enc (d, F), W_dec (F, d), b_enc (F), b_dec (d) and what the architecture adds. The lengths of the biases say
what d and F are, so that matrices which are transposed, and metadata which state other sizes, are told apart.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from dictionaries.architectures import find_architecture
from dictionaries.config import DictionaryConfig
from dictionaries.dictionary import Dictionary
from dictionaries.formats.tensors import AGAIN
from dictionaries.model.sites import Site
from dictionaries.training.normalisation import InputNorm
from policies.errors import DictionaryError


@dataclass(kw_only=True)
class Layout:
    """The content of one published dictionary.

    Attributes:
        source: file of the tensors, for messages.
        format: name of the format.
        architecture: name in `ARCHITECTURES`.
        site: the site that the dictionary reads.
        tensors: tensors in float32, by the architecture's own names.
        subtracts: whether `b_dec` is subtracted before encoding.
        width: d as the metadata state it, or None where they do not.
        features: F as the metadata state it, or None where they do not.
        input_scale: s, the factor on activations.
        input_norm: the norm put on each token.
        model: name of the model that the dictionary was trained on.
        notes: further entries of the provenance.
    """

    source: Path
    format: str
    architecture: str
    site: Site
    tensors: dict[str, Tensor]
    subtracts: bool
    width: int | None = None
    features: int | None = None
    input_scale: float = 1.0
    input_norm: InputNorm = "none"
    model: str = ""
    notes: dict[str, str | int | float] = field(default_factory=dict)


def build(layout: Layout) -> Dictionary:
    """Make the dictionary of a layout, frozen.

    Where the source subtracts `b_dec` and the architecture does not, or the other way round, the difference
    b_dec W_enc goes into the encoder's biases: the function is the same.

    Raises:
        DictionaryError: a tensor is missing, unknown, transposed or of another shape, or metadata contradict it.
    """
    width, features = _sizes(layout)
    kind = find_architecture(layout.architecture)
    config = DictionaryConfig(
        site=layout.site,
        width=width,
        features=features,
        model=layout.model,
        provenance={"format": layout.format, **layout.notes},
    )
    with torch.device("meta"):
        dictionary = kind(config, input_scale=layout.input_scale)
    dictionary.input_norm = layout.input_norm
    check_tensors(dictionary, layout.tensors, layout.source)
    if layout.subtracts != kind.subtract_decoder_bias:
        _move_decoder_bias(layout.tensors, 1.0 if kind.subtract_decoder_bias else -1.0)
    return fill(dictionary, layout.tensors)


def fill(dictionary: Dictionary, tensors: dict[str, Tensor]) -> Dictionary:
    """Give a dictionary its tensors and return it, frozen. Assigning keeps the peak at one copy of them."""
    dictionary.load_state_dict(tensors, assign=True)
    return dictionary.requires_grad_(False).eval()


def check_tensors(dictionary: Dictionary, tensors: dict[str, Tensor], source: Path) -> None:
    """Check names and shapes against the architecture's.

    Raises:
        DictionaryError: one is missing, unknown, transposed or of another shape; k is no number of features.
    """
    expected = dictionary.state_dict()
    if missing := sorted(expected.keys() - tensors.keys()):
        raise DictionaryError(f"{source} lacks {', '.join(missing)}", AGAIN)
    if unknown := sorted(tensors.keys() - expected.keys()):
        raise DictionaryError(
            f"{source} holds {', '.join(unknown)}, unknown to {dictionary.architecture}", AGAIN
        )
    for name, tensor in tensors.items():
        found, wanted = tuple(tensor.shape), tuple(expected[name].shape)
        if found != wanted and found == wanted[::-1]:
            raise DictionaryError(
                f"{name} in {source} is transposed: {found} for {wanted}", "Store its transpose"
            )
        if found != wanted:
            raise DictionaryError(f"{name} in {source} has shape {found}, its metadata state {wanted}", AGAIN)
    if "k" in tensors and not float(tensors["k"]) > 0:
        raise DictionaryError(f"{source} keeps k = {float(tensors['k']):g} features per token", AGAIN)


def check_scale(scale: float, source: Path) -> float:
    """Return the scale, once it is checked.

    Raises:
        DictionaryError: it is not above 0 and finite.
    """
    if not 0 < scale < math.inf:
        raise DictionaryError(
            f"{source} has an input_scale of {scale}", "Give one above 0, such as √d / E‖x‖"
        )
    return scale


@torch.no_grad()
def fold_decoder_norms(tensors: dict[str, Tensor]) -> None:
    """Make decoder rows unit norm, in place, and strengths as much larger: W_enc·n, b_enc·n, W_dec/n.

    For dictionaries that choose features by strength times norm: thresholds and k then act on the strengths.
    """
    norms = torch.linalg.vector_norm(tensors["W_dec"], dim=1)
    norms = norms.clamp_min(torch.finfo(norms.dtype).tiny)
    tensors["W_enc"].mul_(norms)
    tensors["b_enc"].mul_(norms)
    tensors["W_dec"].div_(norms[:, None])


def _sizes(layout: Layout) -> tuple[int, int]:
    """Return (d, F) by the biases, checked against the metadata."""
    found: list[int] = []
    for name, stated, what in (("b_dec", layout.width, "width"), ("b_enc", layout.features, "features")):
        if name not in layout.tensors:
            raise DictionaryError(f"{layout.source} lacks {name}", AGAIN)
        bias = layout.tensors[name]
        if bias.dim() != 1:
            raise DictionaryError(
                f"{name} in {layout.source} has shape {tuple(bias.shape)}", "A bias has one dimension"
            )
        if stated is not None and stated != len(bias):
            raise DictionaryError(
                f"The metadata of {layout.source} state {what} {stated}, its {name} has {len(bias)} entries",
                AGAIN,
            )
        found.append(len(bias))
    return found[0], found[1]


@torch.no_grad()
def _move_decoder_bias(tensors: dict[str, Tensor], sign: float) -> None:
    moved = sign * (tensors["b_dec"] @ tensors["W_enc"])  # ±b_dec W_enc
    if "b_mag" in tensors:
        tensors["b_mag"] = tensors["b_mag"] + tensors["r_mag"].exp() * moved
    tensors["b_enc"] = tensors["b_enc"] + moved
