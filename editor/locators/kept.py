"""How what was located is kept by a run that may be killed: scores of units, and masks of weights."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from dictionaries import Dictionary
from dictionaries.model.sites import Site, parse_site
from editor.kept_work import Form
from editor.locators.blocks import Masks
from editor.locators.features import Attribution
from policies.errors import EditError

SCORES = "attribution.safetensors"
KINDS = ("scores", "raw")
MASKED = "masks.safetensors"


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
    return _settle(
        Attribution(
            scores=found["scores"],
            raw=found["raw"],
            remainder=numbers["remainder"],
            total_effect=numbers["total_effect"],
        )
    )


def _settle(attribution: Attribution) -> Attribution:
    """Put sites in order, and scores one after another in memory."""
    scores, raw = (
        {site: score.contiguous() for site, score in sorted(getattr(attribution, kind).items())}
        for kind in KINDS
    )
    return replace(attribution, scores=scores, raw=raw)


def _write_masks(masks: Masks, folder: Path) -> None:
    save_file({name: mask.cpu().contiguous() for name, mask in masks.items()}, folder / MASKED)


def _read_masks(folder: Path) -> Masks:
    try:
        return dict(sorted(load_file(folder / MASKED).items()))
    except (OSError, SafetensorError):
        raise EditError(f"{folder / MASKED} is damaged", "Remove it") from None


ATTRIBUTION: Form[Attribution] = Form(write=_write, read=_read, settle=_settle)
"""How scores of units are kept."""


def masks_on(device: torch.device) -> Form[Masks]:
    """Return how masks of weights are kept that stand on a device."""

    def there(get: Callable[[Path], Masks]) -> Callable[[Path], Masks]:
        return lambda folder: {name: mask.to(device) for name, mask in get(folder).items()}

    return Form(
        write=_write_masks,
        read=there(_read_masks),
        settle=lambda masks: {name: mask.contiguous() for name, mask in sorted(masks.items())},
    )
