"""What of a model an edit changes and what it leaves: all weights are counted, none is passed over in silence."""

from collections import Counter
from collections.abc import Collection
from typing import Any

from torch import nn

from dictionaries.model.experts import RoutedExperts
from editor.locators.blocks import block_weights
from editor.progress import Stages
from editor.results.edits import CoverageRow
from policies.errors import ModelError

OTHER = "other"
EMBEDDING, HEAD = "embedding", "output head"


def coverage(model: Any, changed: Collection[str]) -> tuple[CoverageRow, ...]:
    """Return for each kind of module how many weights there are, and how many of them are changed.

    Args:
        model: causal language model.
        changed: parameters that change.
    """
    found: Counter[str] = Counter()
    edited: Counter[str] = Counter()
    kinds = _kinds(model)
    for name, _ in model.named_parameters():
        kind = kinds.get(name, OTHER)
        found[kind] += 1
        edited[kind] += name in changed
    return tuple(
        CoverageRow(kind=kind, matched=count, edited=edited[kind], left=count - edited[kind])
        for kind, count in found.items()
    )


def show_coverage(rows: Collection[CoverageRow], stages: Stages) -> None:
    """Show a line for each kind."""
    for row in rows:
        with stages.stage(f"{row.kind}: {row.edited} edited, {row.left} left", row.matched) as advance:
            advance(row.matched)


def _kinds(model: Any) -> dict[str, str]:
    """Return the kind of each parameter whose place is known, by its name."""
    found: dict[str, str] = {}
    for kind, module in ((HEAD, model.get_output_embeddings()), (EMBEDDING, model.get_input_embeddings())):
        mine = {id(weight) for weight in module.parameters()} if isinstance(module, nn.Module) else set()
        found |= {name: kind for name, weight in model.named_parameters() if id(weight) in mine}
    experts = tuple(f"{name}." for name, one in model.named_modules() if isinstance(one, RoutedExperts))
    try:
        for weight in block_weights(model):
            is_expert = weight.name.startswith(experts) if experts else False
            found[weight.name] = weight.kind.replace("MLP", "expert") if is_expert else weight.kind
    except ModelError:  # methods that need no site edit such models too
        pass
    return found
