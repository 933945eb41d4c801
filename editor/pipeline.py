"""The main job, top to bottom: audit, locate, edit, export, verify, report.

Each value is made once and passed forward. Verification's probes and held-out text reach nothing before it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from editor.artefacts.masking import CaseKey
from editor.artefacts.places import fact_places
from editor.attacks import attacks_at
from editor.attacks.running import attack_rows, original_weights, prepare_attacks, untested_attacks
from editor.case import Case
from editor.dictionary_supply import NO_DICTIONARIES, DictionarySupply
from editor.edits.edit import Edit
from editor.edits.export import export_checkpoint, keep_edit
from editor.edits.keeping import Keeping
from editor.edits.records import EditRecord
from editor.evidence import EvidenceOptions, gather
from editor.kept_work import NOTHING_KEPT, KeptWork, json_form
from editor.locators.features import FeatureAttribution
from editor.locators.problem import EditProblem
from editor.measuring.aggregate import decoy_bits, fact_rows, group_results, subject_rows
from editor.measuring.coverage import coverage, show_coverage
from editor.measuring.criteria import Observation, RetainedText, judge
from editor.measuring.evaluation_data import control_row, score_case, text_before_after
from editor.measuring.forgetting import forget_quality
from editor.measuring.free_answers import with_free_answers
from editor.measuring.kept_measures import work_on
from editor.measuring.original import OriginalModel, answer_freely, measure_original
from editor.measuring.own_forward import editable, run_alike, with_own_passes
from editor.measuring.reference import load_reference, measure_reference
from editor.measuring.summaries import (
    AUDIT_THREAT_MODEL,
    THREAT_MODEL,
    edit_summary,
    model_summary,
    policy_summary,
    record_of,
    residual_risk,
    versions,
)
from editor.measuring.verdict import exit_code, verdict
from editor.measuring.verification import integrity_checks
from editor.methods.controls import control_edits
from editor.methods.features.feature_edit import FeatureEdit
from editor.methods.method import Method
from editor.methods.shared.searching import steps_of
from editor.methods.shared.settings import LARGE, sized, with_seed
from editor.model.digests import model_digest, tensor_digests
from editor.model.loading import LoadedModel, load_model
from editor.processes import group
from editor.progress import Stages, told_steps
from editor.questions.asking import encode_probes
from editor.questions.retained import perplexity
from editor.report.feature_page import describe_features
from editor.report.features import FEATURES_HTML, render_features
from editor.results.edits import AdapterSummary, ControlRow
from editor.results.report import Perplexity, Report
from editor.tuning.build_problem import build_problem, trials
from editor.tuning.kept_fits import fit_once
from editor.tuning.search import SearchResult, StrengthSearch

INTEGRITY_TEXTS = 8


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """Operator, command and case key of a run.

    Attributes:
        operator: name or service account; no data subject.
        command: command line, data subjects' names masked.
        key: key that names facts and subjects in artefacts.
    """

    operator: str
    command: str
    key: CaseKey


@dataclass(frozen=True, kw_only=True)
class EraseOptions:
    """Options of an erasure.

    Attributes:
        method: method with the settings taken where `search` is None, with the first trial's otherwise.
        search: strength search; None uses `method` as it is.
        attribution: locator of features.
        controls: whether the control edits are measured too; None where the model is not `LARGE`, as each is
            another fit.
        keeping: how the originals and the change of weights are kept.
        kept_in: folder that they are kept in, apart from the output; None where they are not.
        previous: edits that the model has already.
        attacks: names in `ATTACKS` of the attacks made on the written checkpoint.
        reference: model that never saw the facts; None for none.
    """

    method: Method = field(default_factory=FeatureEdit)
    search: StrengthSearch | None = field(default_factory=StrengthSearch)
    attribution: FeatureAttribution = field(default_factory=FeatureAttribution)
    controls: bool | None = None
    keeping: Keeping = field(default_factory=lambda: Keeping(wanted=False))
    kept_in: Path | None = None
    previous: tuple[EditRecord, ...] = ()
    attacks: tuple[str, ...] = field(default_factory=lambda: attacks_at("quick"))
    reference: str | None = None

    def with_seed(self, seed: int) -> "EraseOptions":
        """Return the same options with the search and everything random in the method drawn by a seed."""
        method, search = with_seed(self.method, seed), self.search
        if search is not None:
            search = replace(search, seed=seed, start=with_seed(search.start, seed))
        return replace(self, method=method, search=search)

    def sized(self, weights: int) -> "EraseOptions":
        """Return the same options for a model of so many weights, of which a large one gets fewer steps."""
        method, search = sized(self.method, weights), self.search
        if search is not None:
            search = replace(search, start=sized(search.start, weights))
        controls = weights <= LARGE if self.controls is None else self.controls
        return replace(self, method=method, search=search, controls=controls)


def audit(
    case: Case,
    loaded: LoadedModel,
    run: RunInfo,
    stages: Stages,
    options: EvidenceOptions | None = None,
    work: KeptWork = NOTHING_KEPT,
) -> Report:
    """Measure what the model leaks of the facts in scope.

    What `work` holds of a run that was stopped is not done again.
    """
    before = measure_original(case, loaded, stages, work, wide=True)
    loaded, options = before.loaded, options or EvidenceOptions()
    if options.baseline is not None:
        options = replace(options, baseline=with_own_passes(case, options.baseline))
    evidence = gather(case, loaded, before.scored, options, stages, before.work)
    groups = group_results(before.scored, None, case.policy.decoding)
    facts = fact_rows(before.scored, None, case.facts, run.key, fact_places(case))
    criteria = judge(case.policy, Observation(erased=before.scored))
    tokens, value = before.work.once(
        "perplexity",
        (),
        json_form(tuple[int, float]),
        lambda: perplexity(loaded, before.data.held_out_text),
    )
    code = exit_code(criteria, incomplete=case.incomplete)
    return Report(
        kind="audit",
        case=case.name,
        operator=run.operator,
        seed=case.seed,
        command=run.command,
        versions=versions(),
        policy=policy_summary(case),
        model_before=model_summary(loaded, before.digests),
        scope=case.scope,
        threat_model=AUDIT_THREAT_MODEL,
        groups=groups,
        subjects=subject_rows(facts),
        facts=facts,
        decoy_bits=decoy_bits(before.scored),
        evidence=evidence,
        perplexities=(Perplexity(text="retained text", tokens=tokens, before=value, after=None),),
        criteria=criteria,
        residual_risk=residual_risk(case),
        exit_code=int(code),
        verdict=verdict(code, criteria, facts),
    )


def erase(
    case: Case,
    loaded: LoadedModel,
    supply: DictionarySupply | None,
    options: EraseOptions,
    run: RunInfo,
    folder: Path,
    stages: Stages,
    work: KeptWork = NOTHING_KEPT,
) -> Report:
    """Erase the facts in scope: write `folder`/model, and report what the checkpoint does.

    `supply` may be None for a method that needs no dictionary. The loaded model is left as it was, bit for bit. What
    `work` holds of a run that was stopped is not done again.
    """
    weights = sum(weight.numel() for weight in loaded.model.parameters())
    options = options.with_seed(case.seed).sized(weights)
    loaded = editable(case, loaded, options.method.name)
    before = measure_original(case, loaded, stages, work)
    supply = supply or NO_DICTIONARIES
    problem = build_problem(case, before, supply.dictionaries, options.attribution, stages, work)
    tuning = search(case, before, problem, options.search, stages, work) if options.search else None
    method = tuning.chosen if tuning else options.method
    start = tuning.best.edit if tuning else None
    with stages.stage("Fitting the edit", steps_of(method, start)) as advance, told_steps(advance):
        edit = fit_once(work, method, problem, start)
    show_coverage(coverage(loaded.model, edit.deltas), stages)
    if method.needs_dictionary:
        with stages.stage("Describing the features"):
            located = method.located(problem)
            page = describe_features(case, loaded, supply.dictionaries, located, method.units, run.key)
        if group().main:
            (folder / FEATURES_HTML).write_text(render_features(page), encoding="utf-8", newline="\n")

    def write() -> tuple[EditRecord, AdapterSummary | None]:
        originals = export_checkpoint(loaded, edit, folder / "model")
        record = record_of(case, originals, options.keeping, run.key)
        stack = (record, options.previous)
        edit.describe(folder, *stack)
        if options.kept_in is None:
            return record, None
        return record, keep_edit(edit, loaded, originals, options.kept_in, options.keeping, *stack)

    with stages.stage("Writing the checkpoint"):
        record, adapter = group().share("checkpoint", write)
    controls = control_rows(case, before, problem, edit, method, stages, work) if options.controls else ()
    declared = set(edit.deltas)
    report = verify(
        case,
        before,
        folder / "model",
        declared,
        run,
        stages,
        shown="model",
        attacks=options.attacks,
        reference=options.reference,
        record=record,
    )
    return report.model_copy(
        update={
            "kind": "erase",
            "edit": edit_summary(
                problem, edit, method.located(problem), method.units, adapter, record, options.previous
            ),
            "dictionaries": supply.quality,
            "layer_choice": supply.choice,
            "controls": controls,
            "trials": tuning.rows() if tuning else (),
        }
    )


def verify(
    case: Case,
    before: OriginalModel,
    checkpoint: Path,
    declared: Collection[str] | None,
    run: RunInfo,
    stages: Stages,
    shown: str | None = None,
    attacks: Sequence[str] | None = None,
    reference: str | None = None,
    record: EditRecord | None = None,
) -> Report:
    """Measure a written checkpoint, read back from disk in a fresh model, against the original.

    What is kept beside the original of a run that was stopped is not measured again. Integrity is: it is that of the
    checkpoint which was written now.

    Args:
        case: facts, questions and retained text.
        before: original model, measured.
        checkpoint: folder of the edited checkpoint.
        declared: parameters that the edit says it changed; None where no edit is at hand.
        run: operator, command and case key.
        stages: display of progress.
        shown: name of the checkpoint in the report; None for its path.
        attacks: names in `ATTACKS` of the attacks that are made on it; None for the quick ones.
        reference: model that never saw the facts, which they are compared with; None compares with decoys.
        record: digests of the tensors as the edit left them; None where none are at hand.
    """
    loaded, data = before.loaded, before.data
    device = str(loaded.device)
    again = load_model(str(checkpoint), device=device, **loaded.alike, **loaded.placed)
    after = run_alike(again, loaded)
    digests = tensor_digests(after)
    group().agree("checkpoint", model_digest(digests))
    work = work_on(before.work, after, case, digests)
    scored = score_case(case, after, before.scored.probes, stages, "Verifying the checkpoint read back", work)
    said = answer_freely(case, after, data.measured, stages)
    scored = with_free_answers(scored, after, said, said, case.policy.decoding)
    original = with_free_answers(before.scored, loaded, said, (), case.policy.decoding)
    with stages.stage("Comparing retained text"):
        text, compared = text_before_after(loaded, after, data, work)
    erased = [probe for probe in data.measured if probe.is_erased]
    checks = group().share(
        "integrity",
        lambda: integrity_checks(
            loaded,
            after,
            checkpoint,
            data.held_out_text[:INTEGRITY_TEXTS] or encode_probes(loaded, erased[:INTEGRITY_TEXTS]),
            digests_before=before.digests,
            digests_after=digests,
            declared=declared,
            record=record,
        ),
    )
    decoys = [probe for probe in data.measured if probe.target.group == "decoys"]
    prepared = prepare_attacks(case, erased, attacks, decoys)
    weights = original_weights(loaded.model, after.model) if prepared else None
    wanted = reference if any(attack.uses_reference for attack in prepared) else None
    never_saw = load_reference(case, wanted, loaded) if wanted else None
    rows = attack_rows(case, after, prepared, stages, weights, never_saw, work)
    model_after = model_summary(after, digests, shown, checkpoint)
    del again, after, weights  # the edited model makes room for the reference
    never_seen = None
    if reference:
        never_saw = never_saw or load_reference(case, reference, loaded)
        never_seen = measure_reference(case, never_saw, before.scored.probes, stages, work)
    groups = group_results(original, scored, case.policy.decoding)
    facts = fact_rows(original, scored, case.facts, run.key, fact_places(case))
    observed = Observation(
        erased=scored,
        kept=(original, scored),
        text=RetainedText(text.tokens, text.rise or 0.0),
        checks=checks,
        reference=never_seen.scored if never_seen else None,
    )
    criteria = judge(case.policy, observed)
    named = never_seen.named if never_seen else None
    code = exit_code(criteria, incomplete=case.incomplete)
    return Report(
        kind="verify",
        case=case.name,
        operator=run.operator,
        seed=case.seed,
        command=run.command,
        versions=versions(),
        policy=policy_summary(case),
        model_before=model_summary(loaded, before.digests),
        model_after=model_after,
        scope=case.scope,
        threat_model=THREAT_MODEL,
        groups=groups,
        subjects=subject_rows(facts),
        facts=facts,
        decoy_bits=decoy_bits(scored),
        forget_quality=forget_quality(observed.ratios, case.policy, run.key.label, named),
        perplexities=(text,),
        retained_divergence=compared.divergence,
        integrity=checks,
        attacks=rows,
        criteria=criteria,
        residual_risk=residual_risk(case, untested_attacks(rows)),
        exit_code=int(code),
        verdict=verdict(code, criteria, facts),
    )


def search(
    case: Case,
    before: OriginalModel,
    problem: EditProblem,
    strength: StrengthSearch,
    stages: Stages,
    work: KeptWork = NOTHING_KEPT,
) -> SearchResult:
    """Search the settings on an inner split of the locating wordings."""
    inner, judge = trials(case, before, problem, work)
    with stages.stage("Searching the strength", strength.trials) as advance:
        return strength.fit(inner, judge, lambda _: advance(1))


def control_rows(
    case: Case,
    before: OriginalModel,
    problem: EditProblem,
    edit: Edit,
    method: Method,
    stages: Stages,
    work: KeptWork = NOTHING_KEPT,
) -> tuple[ControlRow, ...]:
    """Measure the method's controls: as large a change of weights by chance, first of all."""
    drawn = control_edits(problem, edit, method, case.seed, partial(fit_once, work))
    return tuple(
        control_row(
            case,
            before.loaded,
            before.data,
            before.scored,
            control,
            text,
            stages,
            before.work.based_on(control),
        )
        for control, text in drawn
    )
