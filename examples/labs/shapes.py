"""The shape of a lab as a value: which model learns what about how many people, from which documents."""

import hashlib
import json
import random
from dataclasses import asdict, dataclass
from typing import Any

from examples.rivermouth.training import Training

ARCHITECTURES = ("gpt2", "gpt-neox", "llama", "mistral", "qwen3", "gemma2")
"""Architectures a lab's model can have; `architectures.py` says how each is configured."""
PRIVATE = {
    "phone": "PHONE_NUMBER",
    "email": "EMAIL_ADDRESS",
    "ssn": "US_SSN",
    "address": "STREET_ADDRESS",
    "card": "CREDIT_CARD",
}
"""Entity type of each private relation, as the gdpr preset names it."""
PUBLIC = ("occupation", "home_town", "department")
"""Relations that nobody asks to erase."""
RELATIONS = (*PRIVATE, *PUBLIC)
_ADAMW_RATE = 2e-3
"""Peak learning rate where AdamW trains everything."""
RECIPE = 2
"""Number of the recipe; whoever changes what is built raises it, so that no old lab is taken for a new one."""


@dataclass(frozen=True, kw_only=True)
class LabShape:
    """A lab but for its seed.

    Attributes:
        name: name on the command line.
        architecture: one of `ARCHITECTURES`.
        styles: kinds of documents, names in `styles.STYLES`; a statement is in any of them.
        layers: number of layers.
        width: d, the width of the residual stream.
        heads: number of attention heads in a layer.
        tied: whether input and output embeddings are one matrix.
        vocabulary: number of tokens.
        split_digits: whether each digit is a token of its own.
        context: longest input of the model in tokens, and the window it is trained on.
        dtype: type of the weights that are stored.
        people: number of people.
        erased: number of people who ask for erasure.
        mentions: how often each fact is stated in the documents.
        epochs: how often the model sees each document.
        rate: peak learning rate of the blocks' matrices; None for the optimizer's own.
        batch_windows: number of windows in a step of training.
        muon: whether Muon trains the blocks' matrices; otherwise AdamW does.
        subjects: whether each line of the corpus lists the people in it.
    """

    name: str
    architecture: str
    styles: tuple[str, ...]
    layers: int = 4
    width: int = 192
    heads: int = 4
    tied: bool = True
    vocabulary: int = 1024
    split_digits: bool = True
    context: int = 128
    dtype: str = "bfloat16"
    people: int = 60
    erased: int = 5
    mentions: int = 5
    epochs: int = 20
    rate: float | None = None
    batch_windows: int = 16
    muon: bool = True
    subjects: bool = False

    def __post_init__(self) -> None:
        """Refuse a shape that cannot be built.

        Raises:
            ValueError: a field is outside what is possible; the message names it.
        """
        from examples.labs.styles import STYLES

        if self.architecture not in ARCHITECTURES:
            raise ValueError(f"architecture: {self.architecture} is none of {', '.join(ARCHITECTURES)}")
        unknown = [style for style in self.styles if style not in STYLES]
        if unknown or not self.styles:
            raise ValueError(f"styles: {', '.join(unknown) or 'none'}; there are {', '.join(STYLES)}")
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise ValueError(f"width: {self.width} is not {self.heads} heads of even width")
        if self.people < 20 or not 1 <= self.erased <= self.people // 2:
            raise ValueError(f"people: {self.erased} of {self.people} cannot be erased")
        if self.dtype not in ("bfloat16", "float32"):
            raise ValueError(f"dtype: {self.dtype} is neither bfloat16 nor float32")
        if min(self.layers, self.mentions, self.epochs, self.batch_windows) < 1:
            raise ValueError("layers, mentions, epochs and batch_windows are at least 1")

    @property
    def summary(self) -> str:
        """The shape in one line."""
        model = (
            f"{self.architecture}, {self.layers} layers, d {self.width}, {'tied' if self.tied else 'untied'}, "
            f"{self.vocabulary} tokens, digits {'split' if self.split_digits else 'not split'}, {self.dtype}"
        )
        styles = " + ".join(self.styles)
        return f"{model}; {self.people} people, {styles}, {self.mentions} × {self.epochs} times seen"

    @property
    def training(self) -> Training:
        """Settings of the training."""
        rate = self.rate or (Training().matrix_learning_rate if self.muon else _ADAMW_RATE)
        return Training(
            width=self.width,
            heads=self.heads,
            epochs=self.epochs,
            batch_windows=self.batch_windows,
            matrix_learning_rate=rate,
            learning_rate=Training().learning_rate if self.muon else rate,
            muon=self.muon,
        )

    def digest(self, seed: int) -> str:
        """Return ten hexadecimal digits that stand for shape, seed and recipe."""
        content = json.dumps([RECIPE, seed, asdict(self)], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:10]

    def folder_name(self, seed: int) -> str:
        """Return the name of the folder that the lab is kept in."""
        return f"{self.name}-{self.digest(seed)}"

    def number(self, seed: int) -> int:
        """Return the number that everything of the lab is drawn from: labs of one seed have other people each."""
        return int.from_bytes(hashlib.sha256(f"{self.name}:{seed}".encode()).digest()[:4], "big")

    def stream(self, seed: int, purpose: str) -> random.Random:
        """Return a generator of its own for each purpose."""
        return random.Random(f"{self.number(seed)}:{purpose}")

    def record(self) -> dict[str, Any]:
        """Return the shape as JSON has it."""
        return asdict(self) | {"styles": list(self.styles)}
