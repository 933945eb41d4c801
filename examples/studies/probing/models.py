"""Models of the lab in several sizes: the one that is embedded, and others trained by its builder's recipe."""

import sys
from pathlib import Path

import torch

from editor.lab import find_lab
from editor.model.loading import LoadedModel, load_model
from policies.errors import ModelError

RIVERMOUTH = Path(__file__).resolve().parents[2] / "rivermouth"
EMBEDDED_WIDTH = 192
HEAD_WIDTH = 48


def model_of_width(width: int, work: Path) -> LoadedModel:
    """Load the embedded model, or train one of another width on the same corpus, once.

    Args:
        width: of the residual stream; a multiple of a head's 48.
        work: where models that were trained are kept.

    Raises:
        ModelError: no whole number of heads is that wide.
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
        ModelError: it is none; the nearest that is one is named.
    """
    if width < HEAD_WIDTH or width % HEAD_WIDTH:
        nearest = max(1, round(width / HEAD_WIDTH)) * HEAD_WIDTH
        raise ModelError(
            f"A model of width {width} cannot be made: its heads are {HEAD_WIDTH} wide",
            f"Give a multiple of {HEAD_WIDTH}, such as {nearest}",
        )


def _train(width: int, folder: Path) -> None:
    """The lab's own recipe and seed at another width."""
    sys.path.insert(0, str(RIVERMOUTH))
    try:
        import training
        from lab import make_lab
        from stages import SEED
        from transformers import PreTrainedTokenizerFast
    finally:
        sys.path.remove(str(RIVERMOUTH))
    torch.set_num_threads(1)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(RIVERMOUTH / "model")
    sizes = training.Training(width=width, heads=width // HEAD_WIDTH)
    model = training.train(make_lab(SEED).documents, tokenizer, sizes, SEED, label=f"width {width}")
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
