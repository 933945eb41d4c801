"""All evidence of one audit, in one structure of the report."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from editor.case import Case
from editor.evidence.baseline import subtract_baseline
from editor.evidence.breakdown import family_rows, tries_rows, type_rows
from editor.evidence.confirmation import SAMPLED, confirm
from editor.evidence.exposure import FACTS, exposure_rows
from editor.evidence.membership import FACTS as MEMBERS
from editor.evidence.membership import membership_rows
from editor.evidence.open_text import sample_open_text
from editor.kept_work import NOTHING_KEPT, KeptWork, json_form
from editor.measuring.aggregate import Scored
from editor.measuring.evaluation_data import decoy_maker
from editor.measuring.kept_measures import work_on
from editor.model.loading import LoadedModel
from editor.processes import group
from editor.progress import Stages
from editor.results.evidence import Baseline, Confirmation, Evidence, ExposureRow, MembershipRow, OpenText


@dataclass(frozen=True, kw_only=True)
class EvidenceOptions:
    """Choice of the evidence to gather; 0 leaves a kind of evidence out.

    Attributes:
        baseline: the model that the audited one was made from.
        confirmed: number of probes whose verdict is compared with generation.
        open_texts: number of texts generated from nothing.
        candidates: number of candidates of its format that each fact is ranked among.
        membership: whether membership tests are run.
    """

    baseline: LoadedModel | None = None
    confirmed: int = 40
    open_texts: int = 64
    candidates: int = 255
    membership: bool = True


def gather(
    case: Case,
    loaded: LoadedModel,
    scored: Scored,
    options: EvidenceOptions,
    stages: Stages,
    work: KeptWork = NOTHING_KEPT,
) -> Evidence:
    """Gather all evidence that the options ask for; `work` is what is kept of the model.

    Each kind is seeded by itself: what a run that was killed has gathered changes nothing of the rest.
    """
    maker, policy = decoy_maker(case), case.policy
    work = work.based_on(scored)
    beside = work if options.baseline is None else work_on(work, options.baseline, case)
    subtracted: Baseline | None = None
    if options.baseline is not None:
        asked = sum(probe.is_erased for probe in scored.probes)
        with stages.stage("Auditing the baseline", asked) as advance:
            subtracted = subtract_baseline(options.baseline, scored, policy.decoding, advance, beside)

    def confirming() -> Confirmation | None:
        with stages.stage("Confirming by generation", options.confirmed + SAMPLED) as advance:
            return confirm(
                loaded,
                scored,
                count=options.confirmed,
                tries=policy.decoding.budget_tries,
                seed=case.seed,
                progress=advance,
            )

    def generating() -> OpenText | None:
        if not options.open_texts:
            return None
        with stages.stage("Generating open text", options.open_texts) as advance:
            return sample_open_text(
                loaded, policy, case.erased, texts=options.open_texts, seed=case.seed, progress=advance
            )

    def confirmed() -> Confirmation | None:
        found: Confirmation | None = work.once(
            "confirmation", (options.confirmed,), json_form(Confirmation | None), confirming
        )
        return found

    def generated() -> OpenText | None:
        found: OpenText | None = work.once(
            "opentext", (options.open_texts,), json_form(OpenText | None), generating
        )
        return found

    # What is drawn depends on what was drawn before it: of each, one process does all.
    pieces: tuple[Callable[[], Any], ...] = (confirmed, generated)
    confirmation, open_text = group().each("generation", pieces, lambda piece: piece())
    erased = {probe.target for probe in scored.probes if probe.is_erased}

    def ranking() -> tuple[ExposureRow, ...]:
        ranked = min(FACTS, len(erased)) * (options.candidates + 1)
        with stages.stage("Ranking among candidates", ranked) as advance:
            return exposure_rows(
                loaded, scored, maker, candidates=options.candidates, seed=case.seed, progress=advance
            )

    def testing() -> tuple[MembershipRow, ...]:
        models = 1 if options.baseline is None else 2
        with stages.stage("Testing membership", 2 * models * min(MEMBERS, len(erased))) as advance:
            return membership_rows(
                loaded, scored, maker, seed=case.seed, reference=options.baseline, progress=advance
            )

    exposure: tuple[ExposureRow, ...] = work.once(
        "exposure", (options.candidates,), json_form(tuple[ExposureRow, ...]), ranking
    )
    membership: tuple[MembershipRow, ...] = ()
    if options.membership:
        membership = beside.once("membership", (), json_form(tuple[MembershipRow, ...]), testing)
    return Evidence(
        chat=loaded.chat,
        types=type_rows(scored, policy),
        families=family_rows(scored),
        tries=tries_rows(scored),
        confirmation=confirmation,
        exposure=exposure,
        membership=membership,
        open_text=open_text,
        baseline=subtracted,
    )
