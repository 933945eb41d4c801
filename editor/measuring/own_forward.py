"""A run's model with the passes that are right for it, and whether it can be edited."""

from collections.abc import Sequence
from dataclasses import replace

from dictionaries.model.experts import has_experts
from dictionaries.model.sites import Site, decoder_layers, resolve
from editor.case import Case
from editor.methods import METHODS
from editor.model.loading import LoadedModel
from editor.model.own_forward import compare_passes
from editor.model.passes import Passes
from editor.model.tokens import TokenSequence
from editor.processes import group
from editor.questions.asking import encode_probes
from editor.questions.probes import sample
from policies.errors import ModelError

SAMPLED = 8
"""Questions of different lengths that passes are compared on."""
DRAWN = 400
"""Questions that these are chosen from."""
FAMILIES = "GPT-2, GPT-NeoX, Llama, Qwen2, Gemma-2, Mistral, Phi or OPT"


def with_own_passes(case: Case, loaded: LoadedModel) -> LoadedModel:
    """Return the model with the passes that give what its own forward gives on a sample of the case's questions.

    Raises:
        ModelError: the model's own forward fails.
    """
    if loaded.passes.compared:
        return loaded
    erased = [probe for probe in case.probes if probe.is_erased]
    asked = encode_probes(loaded, sample(erased or case.probes, DRAWN, case.seed))
    passes = group().share("passes", lambda: compare_passes(loaded, _of_all_lengths(asked)))
    return replace(loaded, passes=passes)


def editable(case: Case, loaded: LoadedModel, method: str | None = None) -> LoadedModel:
    """Return the same, of a model that an edit can be fitted to.

    Args:
        case: the case.
        loaded: its model.
        method: name in `METHODS` of the one that edits it; None for any.

    Raises:
        ModelError: a pass that edits are fitted by is not right for the model, or what its layers write is not known.
    """
    loaded = with_own_passes(case, loaded)
    name = type(loaded.model).__name__
    # How texts are generated is no part of fitting.
    fitting = replace(loaded.passes, mixed=True, cached=True)
    if fitting.unused:
        raise ModelError(
            f"{name} can be audited, but not edited: its own forward gives something else than "
            f"{'; '.join(fitting.unused)}",
            "Audit it, or erase from the model that it was made from",
        )
    if method is not None and not METHODS[method].writes_sites:
        return loaded
    try:
        for layer in range(len(decoder_layers(loaded.model))):
            resolve(loaded.model, Site(layer))
    except ModelError as error:
        raise ModelError(
            f"{name} can be audited, but not edited: {error.cause[0].lower()}{error.cause[1:]}",
            f"Audit it, or erase from a dense decoder such as {FAMILIES}",
        ) from None
    if has_experts(loaded.model):
        _check_experts(loaded, method)
    return loaded


def _check_experts(loaded: LoadedModel, method: str | None) -> None:
    """Refuse a mixture of experts that a method does not edit, or whose files hold experts in another form.

    Raises:
        ModelError: it is refused.
    """
    name = type(loaded.model).__name__
    if method is None or not METHODS[method].edits_experts:
        able = [one for one, entry in METHODS.items() if entry.edits_experts or not entry.writes_sites]
        offered = ", ".join(one for one in able if METHODS[one].family != "random")
        raise ModelError(
            f"{name} is a mixture of experts, which {method or 'this command'} does not edit",
            f"Erase by --method {offered}, or from a dense decoder such as {FAMILIES}",
        )
    writers = [
        writer.name
        for layer in range(len(decoder_layers(loaded.model)))
        for writer in resolve(loaded.model, Site(layer)).writers
    ]
    if loaded.files is not None and not all(loaded.stored_names.get(writer) for writer in writers):
        raise ModelError(
            f"{name} can be audited, but not edited: its files hold the experts of a layer as one",
            "Save it with each expert's weights by themselves, as transformers' `save_pretrained` does",
        )


def run_alike(loaded: LoadedModel, other: LoadedModel) -> LoadedModel:
    """Return a model with another's passes: what is compared is run in the same way."""
    return replace(loaded, passes=other.passes)


def passes_note(passes: Passes) -> str:
    """Return a sentence on the passes that were not taken; empty where all were."""
    if not passes.unused:
        return ""
    return (
        f"Not used, as the model's own forward gives something else: {'; '.join(passes.unused)}. "
        "Every figure is by its own forward."
    )


def _of_all_lengths(sequences: Sequence[TokenSequence]) -> list[TokenSequence]:
    """Return at most `SAMPLED` sequences, no two of one length, from the shortest to the longest."""
    lengths = {len(sequence.ids): sequence for sequence in reversed(sequences)}
    ordered = [lengths[length] for length in sorted(lengths)]
    last = len(ordered) - 1
    places = sorted({round(step * last / max(1, SAMPLED - 1)) for step in range(SAMPLED)})
    return [ordered[place] for place in places if ordered]
