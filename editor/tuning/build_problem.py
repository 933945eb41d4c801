"""Pose the problem that edit methods solve, and the trials of a search, from the locating split alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from dictionaries import Dictionary
from dictionaries.model.sites import Site
from editor.case import Case
from editor.kept_work import NOTHING_KEPT, KeptWork
from editor.locators.features import FeatureAttribution
from editor.locators.kept import ATTRIBUTION, described
from editor.locators.problem import EditProblem
from editor.measuring.aggregate import decoy_probes
from editor.measuring.evaluation_data import PreparedModel, decoy_maker
from editor.model.tokens import TokenSequence
from editor.progress import Stages
from editor.questions.asking import encode_probes
from editor.questions.chance import chance_levels
from editor.questions.probes import Probe, Target, sample
from editor.questions.rephrasing import corpus_wordings, garbled, plain_wordings, rephrased
from editor.tuning.judge import TrialJudge
from editor.tuning.kept_fits import fit_once
from editor.tuning.search import split_wordings

RETAINED_PROBES = 4_000
"""Largest number of questions about what must stay: in the text, facts stand mostly after others."""
REPHRASED = 4
"""Wordings of other people, and as many plain ones, in which a fact is asked for besides its own."""
TRIAL_KEPT_PROBES = 400
ATTRIBUTED_PROBES = 300
"""Probes to erase, and of other people, over which attribution takes its mean."""
ATTRIBUTED_WORK = 600 * 10**9
"""Most tokens times weights of either: a few minutes of two cores. A large model has fewer probes, two a fact."""
COMPARABLE_PROBES = 20_000
"""Questions about other people that locators compare with; a seeded sample where there are more."""


def build_problem(
    case: Case,
    before: PreparedModel,
    dictionaries: Mapping[Site, Dictionary],
    attribution: FeatureAttribution,
    stages: Stages,
    work: KeptWork = NOTHING_KEPT,
) -> EditProblem:
    """Pose the problem, the features located if there are dictionaries; by a run that is resumed, not again."""
    locating = [probe for probe in case.probes if probe.split == "locating"]
    erased = [probe for probe in locating if probe.is_erased]
    relations = {probe.target.relation for probe in erased}
    others = [
        probe
        for probe in locating
        if probe.target.group in ("neighbours", "others") and probe.target.relation in relations
    ]
    if len(others) > COMPARABLE_PROBES:
        others = sample(others, COMPARABLE_PROBES, case.seed)
    problem = EditProblem(
        loaded=before.loaded,
        erase=encode_probes(before.loaded, erased),
        chance=chance_levels(before.loaded, erased, decoy_maker(case).format),
        retain=before.data.fitting_text,
        questions=_questions(case, before),
        facts=fact_numbers(erased),
        others=encode_probes(before.loaded, sample(others, len(erased), case.seed)),
        asked=erased,
        comparable=others,
        work=work,
    )
    problem = with_features(problem, dictionaries, attribution, stages, work) if dictionaries else problem
    return _erasing(case, problem, erased)


def with_features(
    problem: EditProblem,
    dictionaries: Mapping[Site, Dictionary],
    attribution: FeatureAttribution,
    stages: Stages,
    work: KeptWork = NOTHING_KEPT,
) -> EditProblem:
    """Return the same problem with dictionaries, their features located."""
    mine, theirs = attributed(problem)
    with stages.stage("Locating features", len(mine) + len(theirs)) as advance:
        inputs = (attribution, mine, theirs, described(dictionaries), str(problem.loaded.device))
        scores = work.once(
            "attribution",
            inputs,
            ATTRIBUTION,
            lambda: attribution.fit(problem.loaded, mine, theirs, dictionaries, advance),
        )
    return problem.changed(dictionaries=dictionaries, attribution=scores)


def attributed(problem: EditProblem) -> tuple[list[TokenSequence], list[TokenSequence]]:
    """Return the probes that features are located by: some of those to erase, and of other people's."""
    least = 2 * (1 + max(problem.facts, default=0))
    weights = sum(parameter.numel() for parameter in problem.loaded.model.parameters())
    mine, theirs = (
        _spread(probes, max(least, min(ATTRIBUTED_PROBES, _affordable(probes, weights))))
        for probes in (problem.erase, problem.others)
    )
    return mine, theirs


def _affordable(sequences: Sequence[TokenSequence], weights: int) -> int:
    tokens = sum(len(sequence.ids) for sequence in sequences)
    return ATTRIBUTED_WORK * len(sequences) // max(1, tokens * weights)


def _spread(sequences: Sequence[TokenSequence], most: int) -> list[TokenSequence]:
    """Return at most so many sequences, spread evenly: those of a fact stand together, so each fact keeps some."""
    count = min(len(sequences), most)
    return [sequences[place * len(sequences) // count] for place in range(count)]


def trials(
    case: Case, before: PreparedModel, problem: EditProblem, work: KeptWork = NOTHING_KEPT
) -> tuple[EditProblem, TrialJudge]:
    """Return what trials of a search are fitted to, some wordings of each fact, and their judge, who asks in all."""
    asked = trial_probes(case)
    judge = TrialJudge(
        before.loaded,
        case.policy,
        erased=asked.erased,
        kept=asked.kept,
        text=before.data.fitting_text,
        fit=partial(fit_once, work),
        work=before.work,
    )
    return _erasing(case, problem, asked.fitting), judge


@dataclass(frozen=True, kw_only=True)
class TrialProbes:
    """What trials are fitted to, and what their judge asks.

    Attributes:
        fitting: wordings of each fact to erase that a trial sees.
        erased: all wordings, those of earlier requests, and decoys.
        kept: questions about what must stay.
    """

    fitting: list[Probe]
    erased: list[Probe]
    kept: list[Probe]


def trial_probes(case: Case) -> TrialProbes:
    """Choose what trials are fitted to and judged by, from the locating split alone."""
    locating = [probe for probe in case.probes if probe.split == "locating"]
    fitting, judging = split_wordings(locating)
    everything = [*fitting, *judging]
    kept = [probe for probe in locating if not probe.must_not_leak]
    earlier = [probe for probe in locating if probe.must_not_leak and not probe.is_erased]
    retained = {id(probe) for probe in _retained_probes(case)}
    unseen = [probe for probe in kept if id(probe) not in retained]
    return TrialProbes(
        fitting=fitting,
        erased=[*everything, *earlier, *decoy_probes(everything, decoy_maker(case), seed=case.seed)],
        kept=sample(unseen or kept, TRIAL_KEPT_PROBES, case.seed),
    )


def fact_numbers(probes: Sequence[Probe]) -> tuple[int, ...]:
    """Return for each probe the number of the fact that it asks for, in order of appearance."""
    numbers: dict[Target, int] = {}
    return tuple(numbers.setdefault(probe.target, len(numbers)) for probe in probes)


def _retained_probes(case: Case) -> list[Probe]:
    """Choose questions about what must stay: two thirds of the same people's and the namesakes', then of everyone's.

    Those are the likeliest to be hit, and take half of the room at most: somebody may be named very often. The search
    judges on what is left.
    """
    kept = [p for p in case.probes if p.split == "locating" and not p.must_not_leak]
    likeliest = [p for p in kept if p.target.group in ("same_subject", "neighbours")]
    near = sample(likeliest, min(RETAINED_PROBES // 2, len(likeliest) * 2 // 3), case.seed)
    taken = {id(probe) for probe in likeliest}
    rest = [p for p in kept if id(p) not in taken]
    return [*near, *sample(rest, min(RETAINED_PROBES - len(near), len(rest) * 2 // 3), case.seed)]


def _erasing(case: Case, problem: EditProblem, erased: Sequence[Probe]) -> EditProblem:
    """Return the same problem with other probes to erase: some, and the same facts in other words."""
    asked = [*erased, *_rephrased(case, erased)]
    return problem.changed(
        erase=encode_probes(problem.loaded, asked),
        chance=chance_levels(problem.loaded, asked, decoy_maker(case).format),
        facts=fact_numbers(asked),
        asked=asked,
    )


def _questions(case: Case, before: PreparedModel) -> list[TokenSequence]:
    """Ask for what must stay: in its own words, in others, in garbled ones, and the requested people's sentences.

    The model may or may not know the answers in other words: whatever it says there is what must stay.
    """
    kept = [probe for probe in case.probes if probe.split == "locating" and not probe.must_not_leak]
    asked = [*_retained_probes(case), *sample(_rephrased(case, kept), RETAINED_PROBES, case.seed)]
    sentences = _spread(before.data.fitting_sentences, RETAINED_PROBES // 2)
    sequences = (*encode_probes(before.loaded, asked), *sentences)
    return [replace(sequence, index=place) for place, sequence in enumerate(sequences)]


def _rephrased(case: Case, probes: Sequence[Probe]) -> list[Probe]:
    """Return more probes for the same facts, in other words and in garbled ones, none of them verification's.

    An edit tells people apart in words in which it has seen some to erase and some to keep.
    """
    verification = {probe.prompt for probe in case.probes if probe.split == "verification"}
    locating = [probe for probe in case.probes if probe.split == "locating"]
    found = [
        probe
        for wordings in (corpus_wordings(locating), plain_wordings(case.policy))
        for probe in rephrased(probes, wordings, REPHRASED, case.seed)
    ]
    found += garbled([*probes, *found], case.seed)
    return [probe for probe in found if probe.prompt not in verification]
