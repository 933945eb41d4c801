"""The main job, top to bottom: audit, locate, edit, export, verify, report.

Each value is made once and passed forward. Verification's probes and held-out text reach nothing before it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from dictionaries import Dictionary
from dictionaries.model.sites import Site
from editor.artefacts.masking import CaseKey
from editor.case import Case
from editor.dictionary_supply import NO_DICTIONARIES, DictionarySupply
from editor.editing.edit import Edit
from editor.editing.export import export_checkpoint, save_adapter
from editor.editing.judge import TrialJudge
from editor.editing.tune import StrengthSearch, Tuning, split_wordings
from editor.evidence import EvidenceOptions, gather
from editor.locators.features import FeatureAttribution
from editor.measuring.audit import Scored, decoy_bits, decoy_probes, fact_rows, group_results, subject_rows
from editor.measuring.judgement import (
    exit_code,
    integrity_criterion,
    leakage_criteria,
    utility_criteria,
    verdict,
)
from editor.measuring.measure import (
    Material,
    attack_rows,
    control_row,
    decoy_maker,
    prepare,
    score_case,
    text_before_after,
)
from editor.measuring.summaries import (
    THREAT_MODEL,
    edit_summary,
    model_summary,
    policy_summary,
    residual_risk,
    versions,
)
from editor.measuring.verify import integrity_checks
from editor.methods import (
    CircuitMethod,
    EditProblem,
    FeatureEdit,
    FeatureLiteral,
    Method,
    NeuronDepn,
    NeuronKn,
    NeuronProbe,
    RandomFeatures,
    RandomNeurons,
)
from editor.methods.problem import NOTHING_LOCATED
from editor.methods.searching import fitted
from editor.model.loading import LoadedModel, load_model, tensor_digests
from editor.progress import Stages
from editor.questions.asking import encode_probes
from editor.questions.chance import chance_levels
from editor.questions.probes import Probe, Target, sample
from editor.questions.retained import perplexity
from editor.report.feature_page import describe_features
from editor.report.features import FEATURES_HTML, render_features
from editor.report.schema import ControlRow, Perplexity, Report

INTEGRITY_TEXTS = 8
RETAINED_PROBES = 800
"""Questions about what must stay that are retained beside the text: there, facts stand mostly behind others."""
TRIAL_KEPT_PROBES = 400


@dataclass(frozen=True, kw_only=True)
class RunInfo:
    """Who runs what, for the report.

    Attributes:
        operator: a name or a service account; no data subject.
        command: the command line, data subjects' names masked.
        key: names facts and subjects in artefacts.
    """

    operator: str
    command: str
    key: CaseKey


@dataclass(frozen=True, kw_only=True)
class EraseOptions:
    """How to erase.

    Attributes:
        method: the settings where `search` is None, the first trial's otherwise.
        search: the strength search; None uses `method` as it is.
        attribution: the locator.
        controls: measure the control edits too.
    """

    method: Method = field(default_factory=FeatureEdit)
    search: StrengthSearch | None = field(default_factory=StrengthSearch)
    attribution: FeatureAttribution = field(default_factory=FeatureAttribution)
    controls: bool = True


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A model, and a case's probes and texts made ready for it."""

    loaded: LoadedModel
    material: Material


@dataclass(frozen=True, kw_only=True)
class Before(Prepared):
    """The original model, measured once."""

    scored: Scored
    digests: Mapping[str, str]


def audit(
    case: Case, loaded: LoadedModel, run: RunInfo, stages: Stages, options: EvidenceOptions | None = None
) -> Report:
    """Measure what the model gives away of the facts in scope."""
    before = measure_original(case, loaded, stages, wide=True)
    evidence = gather(case, loaded, before.scored, options or EvidenceOptions(), stages)
    groups = group_results(before.scored, None, case.policy.decoding)
    facts = fact_rows(before.scored, None, case.facts, run.key)
    criteria = leakage_criteria(case.policy, groups, facts)
    tokens, value = perplexity(loaded, before.material.held_out_text)
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
        threat_model=THREAT_MODEL,
        groups=groups,
        subjects=subject_rows(facts),
        facts=facts,
        decoy_bits=decoy_bits(before.scored),
        evidence=evidence,
        perplexities=(Perplexity(text="retained text", tokens=tokens, before=value, after=None),),
        criteria=tuple(criteria),
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
) -> Report:
    """Erase the facts in scope: write `folder`/model and `folder`/edit, and report what the checkpoint does.

    `supply` may be None for a method that needs no dictionary. The loaded model is left as it was, bit for bit.
    """
    before = measure_original(case, loaded, stages)
    supply = supply or NO_DICTIONARIES
    problem = pose(case, before, supply.dictionaries, options.attribution, stages)
    tuning = search(case, before, problem, options.search, stages) if options.search else None
    method = tuning.chosen if tuning else options.method
    with stages.stage("Fitting the edit"):
        edit = fitted(method, problem, tuning.best.edit if tuning else None)
    if method.needs_dictionary:
        with stages.stage("Describing the features"):
            located = method.located(problem)
            page = describe_features(case, loaded, supply.dictionaries, located, method.units, run.key)
        (folder / FEATURES_HTML).write_text(render_features(page), encoding="utf-8", newline="\n")
    with stages.stage("Writing the checkpoint"):
        originals = export_checkpoint(loaded, edit, folder / "model")
        edit.save(folder / "edit", originals)
        save_adapter(edit, loaded, folder / "edit" / "adapter")
    controls = control_rows(case, before, problem, edit, method, stages) if options.controls else ()
    report = verify(case, before, folder / "model", edit, run, stages, shown="model")
    return report.model_copy(
        update={
            "kind": "erase",
            "edit": edit_summary(problem, edit, method.located(problem), method.units),
            "dictionaries": supply.quality,
            "controls": controls,
            "trials": tuning.rows() if tuning else (),
        }
    )


def verify(
    case: Case,
    before: Before,
    checkpoint: Path,
    edit: Edit | None,
    run: RunInfo,
    stages: Stages,
    shown: str | None = None,
) -> Report:
    """Measure a written checkpoint, read back from disk in a fresh model, against the original."""
    loaded, material = before.loaded, before.material
    device = str(loaded.device)
    after = load_model(str(checkpoint), device=device)
    scored = score_case(case, after, material.measured, stages, "Verifying the checkpoint read back")
    with stages.stage("Comparing retained text"):
        text, compared = text_before_after(loaded, after, material)
    digests = tensor_digests(after.model, loaded.stored_dtype)
    checks = integrity_checks(
        loaded,
        after,
        load_model(str(checkpoint), device=device),
        material.held_out_text[:INTEGRITY_TEXTS],
        digests_before=before.digests,
        digests_after=digests,
        declared=set(edit.deltas) if edit else None,
    )
    attacks = attack_rows(case, after, material, stages)
    groups = group_results(before.scored, scored, case.policy.decoding)
    facts = fact_rows(before.scored, scored, case.facts, run.key)
    criteria = (
        *leakage_criteria(case.policy, groups, facts),
        *utility_criteria(case.policy, before.scored, scored, text),
        integrity_criterion(checks),
    )
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
        model_after=model_summary(after, digests, shown),
        scope=case.scope,
        threat_model=THREAT_MODEL,
        groups=groups,
        subjects=subject_rows(facts),
        facts=facts,
        decoy_bits=decoy_bits(scored),
        perplexities=(text,),
        retained_divergence=compared.divergence,
        integrity=checks,
        attacks=attacks,
        criteria=criteria,
        residual_risk=residual_risk(case),
        exit_code=int(code),
        verdict=verdict(code, criteria, facts),
    )


def measure_original(case: Case, loaded: LoadedModel, stages: Stages, *, wide: bool = False) -> Before:
    """Score the original model on everything that verification will look at; in more wordings where `wide`."""
    material = prepare(case, loaded, wide=wide)
    scored = score_case(case, loaded, material.measured, stages, "Auditing the original model")
    digests = tensor_digests(loaded.model, loaded.stored_dtype)
    return Before(loaded=loaded, material=material, scored=scored, digests=digests)


def pose(
    case: Case,
    before: Prepared,
    dictionaries: Mapping[Site, Dictionary],
    attribution: FeatureAttribution,
    stages: Stages,
) -> EditProblem:
    """Pose the problem that methods solve, from the locating split alone, the features located if there are any."""
    locating = [probe for probe in case.probes if probe.split == "locating"]
    erased = [probe for probe in locating if probe.target.group == "erased"]
    relations = {probe.target.relation for probe in erased}
    others = [
        probe
        for probe in locating
        if probe.target.group in ("neighbours", "others") and probe.target.relation in relations
    ]
    mine = encode_probes(before.loaded, erased)
    theirs = encode_probes(before.loaded, sample(others, len(erased), case.seed))
    scores = NOTHING_LOCATED
    if dictionaries:
        with stages.stage("Locating features", len(mine) + len(theirs)) as advance:
            scores = attribution.fit(before.loaded, mine, theirs, dictionaries, advance)
    retained = encode_probes(before.loaded, _retained_probes(case))
    problem = EditProblem(
        loaded=before.loaded,
        erase=mine,
        chance=chance_levels(before.loaded, erased, decoy_maker(case).format),
        retain=(*before.material.fitting_text, *retained),
        facts=fact_numbers(erased),
        others=theirs,
        asked=erased,
        comparable=others,
        dictionaries=dictionaries,
        attribution=scores,
    )
    if dictionaries:
        with stages.stage("Reading the retained text"):
            _ = problem.retained_reading
    return problem


def fact_numbers(probes: Sequence[Probe]) -> tuple[int, ...]:
    """For each probe, the number of the fact that it asks for, in order of appearance."""
    numbers: dict[Target, int] = {}
    return tuple(numbers.setdefault(probe.target, len(numbers)) for probe in probes)


def _retained_probes(case: Case) -> list[Probe]:
    """Namesakes are the likeliest to be hit: two thirds of their wordings, and a sample of everyone's; the search
    judges on what is left.
    """
    kept = [p for p in case.probes if p.split == "locating" and p.target.group != "erased"]
    namesakes = [p for p in kept if p.target.group == "neighbours"]
    near = sample(namesakes, min(RETAINED_PROBES, len(namesakes) * 2 // 3), case.seed)
    taken = {id(probe) for probe in near}
    rest = sample((p for p in kept if id(p) not in taken), RETAINED_PROBES - len(near), case.seed)
    return [*near, *rest]


def search(
    case: Case, before: Before, problem: EditProblem, strength: StrengthSearch, stages: Stages
) -> Tuning:
    """Search the settings on an inner split of the locating wordings."""
    locating = [probe for probe in case.probes if probe.split == "locating"]
    fitting, judging = split_wordings(locating)
    everything = [*fitting, *judging]
    kept = [probe for probe in locating if probe.target.group != "erased"]
    retained = {id(probe) for probe in _retained_probes(case)}
    unseen = [probe for probe in kept if id(probe) not in retained]
    judge = TrialJudge(
        before.loaded,
        case.policy,
        erased=[*everything, *decoy_probes(everything, decoy_maker(case), seed=case.seed)],
        kept=sample(unseen or kept, TRIAL_KEPT_PROBES, case.seed),
        text=before.material.fitting_text,
    )
    inner = problem.changed(
        erase=encode_probes(before.loaded, fitting),
        chance=chance_levels(before.loaded, fitting, decoy_maker(case).format),
        facts=fact_numbers(fitting),
        asked=fitting,
    )
    with stages.stage("Searching the gentlest strength", strength.trials) as advance:
        return strength.fit(inner, judge, lambda _: advance(1))


def control_rows(
    case: Case,
    before: Before,
    problem: EditProblem,
    edit: Edit,
    method: Method,
    stages: Stages,
) -> tuple[ControlRow, ...]:
    """The same change of weights by chance, and the paper's rule taken literally."""
    described = [(control.fit(problem), text) for control, text in _controls(method, edit.norm, case.seed)]
    return tuple(
        control_row(case, before.loaded, before.material, before.scored, control, text, stages)
        for control, text in described
        if not control.is_empty
    )


def _controls(method: Method, norm: float, seed: int) -> Iterator[tuple[Method, str]]:
    """Control methods for an edit, and what they are in words."""
    if isinstance(method, FeatureEdit | FeatureLiteral):
        like = method if isinstance(method, FeatureEdit) else FeatureEdit(units=method.units)
        random = RandomFeatures(like=like, norm=norm, seed=seed)
        yield random, "as many features a site drawn at random, scaled to the same ‖ΔW‖"
    if isinstance(method, NeuronKn | NeuronDepn | NeuronProbe):
        random_neurons = RandomNeurons(like=method, norm=norm, seed=seed)
        yield random_neurons, "as many neurons a layer drawn at random, scaled to the same ‖ΔW‖"
    if isinstance(method, CircuitMethod) and method.part == "circuit":
        random_part: Method = replace(method, part="random", part_seed=seed)
        yield (
            random_part,
            "as many weights of each kind of module drawn at random, fine-tuned in the same way",
        )
    if isinstance(method, FeatureEdit):
        yield FeatureLiteral(), "entries of the output projection that write the top features, zeroed"
