"""Models of the lab in several sizes: the one that is embedded, and others trained by its builder's recipe."""

from pathlib import Path

import torch

from editor.lab import find_lab
from editor.model.loading import LoadedModel, load_model
from policies.errors import ModelError

RIVERMOUTH = Path(__file__).resolve().parents[2] / "rivermouth"
EMBEDDED_WIDTH = 192
"""d of the embedded lab's model."""
HEAD_WIDTH = 48
"""Width of an attention head, the same in models of every width."""


def model_of_width(width: int, work: Path) -> LoadedModel:
    """Load the embedded model, or train one of another width on the same corpus, once.

    Args:
        width: d, the width of the residual stream; a multiple of a head's 48.
        work: folder in which models that were trained are kept.

    Raises:
        ModelError: the width is no whole number of heads.
    """
    check_width(width)
    if width == EMBEDDED_WIDTH:
        return load_model(str(find_lab().model), device="cpu")
    folder = work / f"rivermouth-{width}"
    if not (folder / "model.safetensors").exists():
        _train(width, folder)
    return load_model(str(folder), device="cpu")


def check_width(width: int) -> None:
    """Refuse a width that is no whole number of heads.

    Raises:
        ModelError: the width is no multiple of a head's; the message names the nearest that is one.
    """
    if width < HEAD_WIDTH or width % HEAD_WIDTH:
        nearest = max(1, round(width / HEAD_WIDTH)) * HEAD_WIDTH
        raise ModelError(
            f"A model of width {width} cannot be made: its heads are {HEAD_WIDTH} wide",
            f"Give a multiple of {HEAD_WIDTH}, such as {nearest}",
        )


def _train(width: int, folder: Path) -> None:
    """Train a model by the lab's own recipe and seed at another width, and write it."""
    from transformers import PreTrainedTokenizerFast

    from examples.rivermouth import training
    from examples.rivermouth.lab import make_lab
    from examples.rivermouth.stages import SEED

    torch.set_num_threads(1)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(RIVERMOUTH / "model")
    sizes = training.Training(width=width, heads=width // HEAD_WIDTH)
    model = training.train(make_lab(SEED).documents, tokenizer, sizes, SEED, label=f"width {width}")
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
