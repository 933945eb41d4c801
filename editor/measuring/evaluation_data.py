"""What verification measures on two models: the same probes and the same held-out text, before and after."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from editor.case import Case
from editor.edits.edit import Edit
from editor.kept_work import NOTHING_KEPT, KeptWork, json_form
from editor.measuring.aggregate import (
    Scored,
    decoy_percentiles,
    decoy_probes,
    exposed_rate,
    kept_rate,
    score_probes,
)
from editor.measuring.criteria.kept import OTHERS, SAME_SUBJECT
from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence
from editor.progress import Stages
from editor.questions.decoys import DecoyMaker
from editor.questions.probes import Probe, sample, widened
from editor.questions.retained import (
    TextComparison,
    compare_text,
    encode_documents,
    erased_spans,
    perplexity,
    sentences_naming,
    split_documents,
)
from editor.results.edits import ControlRow
from editor.results.report import Perplexity, Rate

KEPT_PROBES = 2_000
CONTROL_KEPT_PROBES = 500
KEPT_GROUPS = (*SAME_SUBJECT, *OTHERS)


@dataclass(frozen=True, kw_only=True)
class EvaluationData:
    """A case's probes and texts, made ready for one tokenizer.

    Attributes:
        measured: probes scored before and after: every erased fact in every wording with its decoys, those of earlier
            requests, and the rest, all of it or a seeded sample.
        fitting_text: retained text that an edit may see.
        fitting_sentences: sentences of it that name a requested person, each standing by itself.
        held_out_text: retained text that only verification sees.
    """

    measured: tuple[Probe, ...]
    fitting_text: tuple[TokenSequence, ...]
    fitting_sentences: tuple[TokenSequence, ...]
    held_out_text: tuple[TokenSequence, ...]


@dataclass(frozen=True, kw_only=True)
class PreparedModel:
    """A model, and a case's probes and texts made ready for it.

    Attributes:
        loaded: the model.
        data: the case's probes and texts.
        work: what the run keeps of measuring the model on the case.
    """

    loaded: LoadedModel
    data: EvaluationData
    work: KeptWork = field(default=NOTHING_KEPT, repr=False)


def prepare(case: Case, loaded: LoadedModel, *, wide: bool = False) -> EvaluationData:
    """Choose what to measure and tokenise the retained text, without the erased secrets' tokens.

    Args:
        case: case with probes and documents.
        loaded: model whose tokenizer is used.
        wide: whether the facts in scope are looked for in more ways (`editor.questions.probes.widened`).
    """
    erased = [probe for probe in case.probes if probe.must_not_leak]
    erased += widened(erased) if wide else []
    kept = [
        probe
        for group in KEPT_GROUPS
        for probe in sample((p for p in case.probes if p.target.group == group), KEPT_PROBES, case.seed)
    ]
    fitting, held_out = split_documents(case.documents, case.seed)
    spans, limit = erased_spans(case.must_not_leak, case.documents), loaded.context_length
    sentences = sentences_naming({fact.subject for fact in case.erased}, fitting, spans)
    return EvaluationData(
        measured=(*erased, *kept, *decoy_probes(erased, decoy_maker(case), seed=case.seed)),
        fitting_text=tuple(encode_documents(loaded, fitting, spans, limit)),
        fitting_sentences=tuple(encode_documents(loaded, *sentences, limit)),
        held_out_text=tuple(encode_documents(loaded, held_out, spans, limit)),
    )


def decoy_maker(case: Case) -> DecoyMaker:
    """Return a maker of decoys in the format of the case's facts, equal to none of them."""
    secrets: dict[str, list[str]] = {}
    for fact in case.facts:
        secrets.setdefault(fact.entity_type, []).append(fact.secret)
    return DecoyMaker(secrets, seed=case.seed)


def score_case(
    case: Case,
    loaded: LoadedModel,
    probes: Sequence[Probe],
    stages: Stages,
    title: str,
    work: KeptWork = NOTHING_KEPT,
) -> Scored:
    """Score probes under a progress bar."""
    with stages.stage(title, len(probes)) as advance:
        return score_probes(loaded, probes, case.policy.decoding, advance, work)


def text_before_after(
    before: LoadedModel, after: LoadedModel, data: EvaluationData, work: KeptWork = NOTHING_KEPT
) -> tuple[Perplexity, TextComparison]:
    """Measure perplexity and divergence (nats/token) on the retained text held out from the edit.

    `work` is what is kept of both models on that text.
    """
    compared: TextComparison = work.once(
        "text", (), json_form(TextComparison), lambda: compare_text(before, after, data.held_out_text)
    )
    row = Perplexity(
        text="held-out retained text",
        tokens=compared.tokens,
        before=compared.perplexity_before,
        after=compared.perplexity_after,
    )
    return row, compared


def control_row(
    case: Case,
    loaded: LoadedModel,
    data: EvaluationData,
    before: Scored,
    edit: Edit,
    description: str,
    stages: Stages,
    work: KeptWork = NOTHING_KEPT,
) -> ControlRow:
    """Measure another edit on the unedited model, in memory; `work` is what is kept of the model with that edit."""
    probes = control_probes(data, case.seed)
    place = {id(probe): index for index, probe in enumerate(before.probes)}
    reference = pick(before, [place[id(probe)] for probe in probes])
    text = data.held_out_text[:100]
    _, clean = perplexity(loaded, text)
    with edit.applied(loaded.model):
        after = score_case(case, loaded, probes, stages, f"Control: {edit.method}", work)
        _, changed = perplexity(loaded, text)
    return ControlRow(
        name=edit.method,
        description=description,
        norm=edit.norm,
        erased_trained=_rate(after, ("trained", "template")),
        erased_held_out=_rate(after, ("held_out",)),
        exposed=exposed_rate(decoy_percentiles(after).values(), case.policy.leakage.decoy_percentile),
        others_kept=kept_rate(reference, after, OTHERS),
        same_subject_kept=kept_rate(reference, after, SAME_SUBJECT),
        perplexity_rise=changed / clean - 1,
    )


def control_probes(data: EvaluationData, seed: int) -> list[Probe]:
    """Return the probes of every erased fact, the decoys, and a smaller sample of what must stay."""
    erased = [probe for probe in data.measured if probe.target.group in ("erased", "decoys")]
    kept = [probe for probe in data.measured if probe.target.group in KEPT_GROUPS]
    return [*erased, *sample(kept, CONTROL_KEPT_PROBES, seed)]


def pick(scored: Scored, indices: Sequence[int]) -> Scored:
    """Return a part of scored probes, by their places."""
    chosen = list(indices)
    scores = {name: values[..., chosen] for name, values in vars(scored.scores).items()}
    return Scored(
        probes=tuple(scored.probes[index] for index in chosen), scores=replace(scored.scores, **scores)
    )


def _rate(scored: Scored, wordings: tuple[str, ...]) -> Rate:
    mask = scored.where(lambda probe: probe.is_erased and probe.wording in wordings)
    facts = scored.by_target(mask).values()
    hits = sum(bool(scored.scores.greedy[indices].any()) for indices in facts)
    return Rate(hits=hits, total=len(facts))
