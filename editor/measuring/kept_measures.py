"""How what was measured is kept by a run that may be killed: numbers, and no text that a model gave."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from editor.case import Case
from editor.kept_work import Form, KeptWork
from editor.measuring.leakage import Scores
from editor.model.digests import tensor_digests
from editor.model.loading import LoadedModel
from policies.errors import ModelError

SCORES_FILE = "scores.safetensors"


def work_on(
    work: KeptWork, loaded: LoadedModel, case: Case, digests: Mapping[str, str] | None = None
) -> KeptWork:
    """Return what is kept of measuring a model, as it is now, on a case.

    Args:
        work: what the run keeps.
        loaded: the model.
        case: everything that was given.
        digests: `tensor_digests` of the model, where they are at hand.
    """
    if work.folder is None:
        return work
    how = (
        str(loaded.device),
        loaded.dtype,
        loaded.batch_size,
        loaded.passes,
        loaded.chat,
        loaded.system_prompt,
    )
    return work.based_on(tensor_digests(loaded) if digests is None else digests, how, case)


def _write(scores: Scores, folder: Path) -> None:
    save_file(
        {name: np.ascontiguousarray(values) for name, values in vars(scores).items()}, folder / SCORES_FILE
    )


def _read(folder: Path) -> Scores:
    try:
        return Scores(**load_file(folder / SCORES_FILE))
    except (OSError, TypeError, SafetensorError):
        raise ModelError(f"{folder / SCORES_FILE} is damaged", "Remove it") from None


SCORES: Form[Scores] = Form(write=_write, read=_read)
"""How the scores of questions are kept; the questions themselves are not."""
