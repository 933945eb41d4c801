"""Parts of the report that describe rather than measure."""

import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path

from editor.artefacts.masking import CaseKey
from editor.case import Case
from editor.edits.companions import companions_digest
from editor.edits.edit import Edit, Originals
from editor.edits.keeping import Keeping
from editor.edits.records import EditRecord
from editor.formatting import plural
from editor.locators.features import Attribution
from editor.locators.problem import EditProblem
from editor.measuring.coverage import coverage
from editor.measuring.own_forward import passes_note
from editor.model.checks.sources import on_hub
from editor.model.digests import model_digest
from editor.model.loading import LoadedModel
from editor.results.edits import AdapterSummary, EditSummary, LayerRow
from editor.results.report import ModelSummary, PolicySummary
from policies.errors import printable

TOP_UNITS = 12
PACKAGES = ("expunge", "torch", "transformers", "accelerate", "peft", "optuna")
RENDERERS = ("huggingface-hub", "jinja2", "matplotlib", "pyyaml")
"""What a report's pages are made with, besides Expunge: with other versions their bytes may differ."""

THREAT_MODEL = (
    "The adversary holds the edited weights or samples from them, knows the data subjects' names and asks for their "
    "data in any wording measured here, under any decoding of the policy's grid, as often as its budget allows.",
    "The adversary does not hold the edit folder, the facts file, the case key or the original checkpoint: each of "
    "them brings the facts back.",
)
UNTESTED = (
    "Wordings other than those measured may extract more; coverage of wordings decides an audit's result.",
)
RECALL = (
    "Only what detection found, the facts file holds or people handed in was erased: read the coverage notes."
)
AUDITED = (
    "Only what detection found, the facts file holds or people handed in was asked for: read the coverage notes.",
    "The weights were asked as they are: fine-tuning, pruning or rounding them may bring out more.",
    "Hidden states were not probed: a fact that is not written may still be represented.",
)
"""What an audit says of recall and of attacks, as nothing was erased that they could bring back."""
AUDIT_THREAT_MODEL = (
    THREAT_MODEL[0].replace("the edited weights", "the weights"),
    "The adversary does not hold the corpus, the facts file or the case key: each of them gives the facts.",
)


def policy_summary(case: Case) -> PolicySummary:
    """Return the policy's name, digest and whole text."""
    return PolicySummary(name=case.policy.name, digest=case.policy.digest, text=case.policy.text)


def model_summary(
    loaded: LoadedModel, digests: Mapping[str, str], source: str | None = None, folder: Path | None = None
) -> ModelSummary:
    """Describe the checkpoint.

    Args:
        loaded: the checkpoint, loaded.
        digests: digests of its tensors.
        source: its name; None for the one that it was loaded by.
        folder: where it lies, to vouch for what stands beside its weights; None, or one that is not here, does not.
    """
    return ModelSummary(
        source=printable(source or loaded.source),
        architecture=type(loaded.model).__name__,
        parameters=sum(parameter.numel() for parameter in loaded.model.parameters()),
        digest=model_digest(dict(digests)),
        beside=companions_digest(folder) if folder is not None and folder.is_dir() else None,
        passes=passes_note(loaded.passes) or None,
        repository=_repository(loaded),
    )


def _repository(loaded: LoadedModel) -> str | None:
    """Return the name on the hub of a model, or of the base of an adapter; None where both are folders."""
    names = (loaded.source, *([loaded.adapter.base] if loaded.adapter else []))
    return next(filter(on_hub, names), None)


def record_of(case: Case, originals: Originals, keeping: Keeping, key: CaseKey) -> EditRecord:
    """Return what is put on record of an edit: the case and the people masked, and the digests."""
    asked = [subject.name for subject in case.request.subjects] if case.request else []
    people = asked or [fact.subject for fact in case.erased if fact.is_linked]
    return EditRecord(
        case=key.case_label(case.name),
        subjects=tuple(sorted({key.subject_label(name) for name in people})),
        before=originals.digest,
        after=originals.edited,
        tensors=originals.changed,
        originals=keeping.kept,
    )


def edit_summary(
    problem: EditProblem,
    edit: Edit,
    attribution: Attribution,
    units: int,
    adapter: AdapterSummary | None = None,
    record: EditRecord | None = None,
    previous: Iterable[EditRecord] = (),
) -> EditSummary:
    """Describe where the facts sat and what was changed; no layers where the method located nothing."""
    model = problem.loaded.model
    weights = sum(float(model.get_parameter(name).float().pow(2).sum()) for name in edit.deltas) ** 0.5
    return EditSummary(
        method=edit.method,
        settings=dict(edit.settings),
        norm=edit.norm,
        relative_norm=edit.norm / weights if weights else 0.0,
        parameters=tuple(sorted(edit.deltas)),
        coverage=coverage(model, edit.deltas),
        layers=tuple(_layer_rows(problem, edit, attribution, units)),
        completeness=attribution.completeness,
        adapter=adapter,
        case=record.case if record else "",
        originals=record.originals if record else "kept",
        previous=tuple(one.case for one in previous),
    )


def _layer_rows(problem: EditProblem, edit: Edit, attribution: Attribution, units: int) -> Iterable[LayerRow]:
    located = attribution.top(units)
    shares = {site: float(attribution.scores[site][index].sum()) for site, index in located.items()}
    total = sum(shares.values())
    for site in sorted(located):
        names = problem.projections(site)
        squares = [edit.deltas[name].squared_norm() for name in names if name in edit.deltas]
        best = located[site][:TOP_UNITS]
        yield LayerRow(
            site=str(site),
            units=len(located[site]),
            attribution_share=shares[site] / total if total else 0.0,
            edit_norm=sum(squares) ** 0.5,
            top_units=tuple(best.tolist()),
            top_scores=tuple(attribution.scores[site][best].tolist()),
        )


def versions() -> dict[str, str]:
    """Return the versions of what decides the figures."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


def renderers() -> dict[str, str]:
    """Return the versions of what decides the bytes of a report's pages."""
    return {name: version(name) for name in ("expunge", *RENDERERS)}


def residual_risk(case: Case, attacks: Iterable[str] | None = None) -> tuple[str, ...]:
    """Say what was not tested and what remains possible.

    Args:
        case: case, which knows what was not wholly read and which earlier facts were not asked for.
        attacks: a sentence for each attack on an edit that was not tested; None for an audit, where nothing was edited.
    """
    count = len(case.scope.skipped)
    are = "was" if count == 1 else "were"
    skipped = [f"{plural(count, 'document')} {are} not wholly scanned."] if count else []
    recall, *further = AUDITED if attacks is None else (RECALL, *attacks)
    return (recall, *skipped, *case.unchecked, *further, *UNTESTED)
