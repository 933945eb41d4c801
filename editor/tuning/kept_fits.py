"""What takes long in tuning, made once by a run that may be killed: where features sit, and fitted edits."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from dictionaries import Dictionary
from dictionaries.model.sites import Site, parse_site
from editor.edits.edit import Edit
from editor.kept_work import Form, KeptWork
from editor.locators.features import Attribution
from editor.locators.problem import EditProblem
from editor.methods.method import Method
from editor.methods.shared.searching import fit_method
from policies.errors import EditError

SCORES = "attribution.safetensors"
KINDS = ("scores", "raw")


def fit_once(work: KeptWork, method: Method, problem: EditProblem, start: Edit | None) -> Edit:
    """Return a method's edit, begun at `start` where there is one and the method can resume."""
    inputs = (
        *(method, start, str(problem.loaded.device)),
        *(problem.erase, problem.chance, problem.retain, problem.questions, problem.facts, problem.others),
        *(problem.asked, problem.comparable, described(problem.dictionaries), problem.attribution),
    )
    return work.once("fit", inputs, _EDIT, lambda: fit_method(method, problem, start))


def locate_once(work: KeptWork, inputs: tuple[Any, ...], locate: Callable[[], Attribution]) -> Attribution:
    """Return the features' attribution.

    Args:
        work: what the run has made so far.
        inputs: what it is made from.
        locate: makes it.
    """
    return work.once("attribution", inputs, _ATTRIBUTION, locate)


def described(dictionaries: Mapping[Site, Dictionary]) -> list[tuple[Any, ...]]:
    """Return everything that dictionaries compute by."""
    return [(site, type(one).__name__, one.config, one) for site, one in sorted(dictionaries.items())]


def _write(attribution: Attribution, folder: Path) -> None:
    tensors = {
        f"{kind}/{site}": score.cpu().contiguous()
        for kind in KINDS
        for site, score in getattr(attribution, kind).items()
    }
    numbers = {"remainder": attribution.remainder, "total_effect": attribution.total_effect}
    save_file(tensors, folder / SCORES, metadata={"numbers": json.dumps(numbers)})


def _read(folder: Path) -> Attribution:
    found: dict[str, dict[Site, Any]] = {kind: {} for kind in KINDS}
    try:
        with safe_open(folder / SCORES, framework="pt") as file:
            numbers = json.loads(file.metadata()["numbers"])
            for name in file.keys():  # noqa: SIM118  # no mapping
                kind, site = name.split("/")
                found[kind][parse_site(site)] = file.get_tensor(name)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        raise EditError(f"{folder / SCORES} is damaged", "Remove it") from None
    scores, raw = (dict(sorted(found[kind].items())) for kind in KINDS)
    return Attribution(
        scores=scores, raw=raw, remainder=numbers["remainder"], total_effect=numbers["total_effect"]
    )


_ATTRIBUTION: Form[Attribution] = Form(write=_write, read=_read)
_EDIT: Form[Edit] = Form(write=lambda edit, folder: edit.save(folder), read=Edit.load)
