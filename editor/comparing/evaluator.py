"""Measure an edit as verification would, in memory: its questions, its held-out text, and two attacks."""

from collections.abc import Collection, Sequence, Set
from dataclasses import dataclass, field

import numpy as np

from detectors import Document, Register
from detectors.fact import Fact
from editor.artefacts.masking import CaseKey
from editor.attacks.quantising import quantised
from editor.attacks.relearning import Relearning
from editor.case import Case
from editor.comparing.points import OperatingPointEdit
from editor.measuring.aggregate import (
    Scored,
    decoy_percentiles,
    fact_rows,
    group_results,
    kept_rate,
    score_probes,
)
from editor.measuring.criteria import leakage_criteria, utility_criteria
from editor.measuring.evaluation_data import control_probes
from editor.measuring.leakage import extractable
from editor.questions.probes import Probe
from editor.questions.retained import perplexity
from editor.results.comparison import FactOutcome, Point, PointName
from editor.results.names import Group
from editor.results.parts import Rate
from editor.results.report import Perplexity
from editor.tuning.build_problem import PreparedModel
from policies import ErasureRequest

FOUR_BITS = 4
ATTACKED: tuple[PointName, ...] = ("policy", "collateral")
"""Where edits are attacked: where arms are judged, not where they are brought to compare their size."""
NOT_TESTED = Rate(hits=0, total=0)
OTHERS: tuple[Group, ...] = ("neighbours", "others")


@dataclass(frozen=True, kw_only=True)
class Original:
    """What verification finds of the original model; the same for all arms of a seed.

    Attributes:
        scored: its questions.
        tokens: of held-out retained text.
        perplexity: on it.
    """

    scored: Scored = field(repr=False)
    tokens: int
    perplexity: float


def score_original(case: Case, before: PreparedModel) -> Original:
    """Score the original model on what edits of it are measured by."""
    probes = control_probes(before.material, case.seed)
    tokens, value = perplexity(before.loaded, before.material.held_out_text)
    scored = score_probes(before.loaded, probes, case.policy.decoding)
    return Original(scored=scored, tokens=tokens, perplexity=value)


class EditEvaluator:
    """Measures edits against the original model.

    Args:
        case: the facts, the policy and the seed.
        before: the original model and what is asked of it.
        original: what was found of it.
        key: names facts in results.
        relearning: the attack.
    """

    def __init__(
        self, case: Case, before: PreparedModel, original: Original, key: CaseKey, relearning: Relearning
    ) -> None:
        self.case, self.loaded, self.key, self.relearning = case, before.loaded, key, relearning
        self.text = before.material.held_out_text
        self.probes = original.scored.probes
        self.erased = [probe for probe in self.probes if probe.is_erased]
        self.scored, self.tokens, self.perplexity = original.scored, original.tokens, original.perplexity
        people = {probe.target.subject for probe in self.erased}
        self.again = relearning.chosen(sorted(people))
        register = _register(people, case.request)
        self.records = _naming(case.documents, register, self.again, people - set(self.again))

    def original(self) -> tuple[FactOutcome, ...]:
        """The facts before any edit."""
        return self._outcomes(self.scored)

    def measure(self, operated: OperatingPointEdit) -> Point:
        """Apply an edit, measure it, and take it back."""
        edit = operated.edit
        with edit.applied(self.loaded.model):
            after = self._score(self.probes)
            _, changed = perplexity(self.loaded, self.text)
            four_bit, relearned = self._attacked() if operated.point in ATTACKED else (NOT_TESTED, NOT_TESTED)
        text = Perplexity(
            text="held-out retained text", tokens=self.tokens, before=self.perplexity, after=changed
        )
        known = self.scored.where(lambda probe: probe.target.group in OTHERS) & self.scored.scores.greedy
        return Point(
            point=operated.point,
            scale=operated.scale,
            settings=operated.method.space.values(operated.method),
            norm=edit.norm,
            collateral=operated.collateral,
            facts=self._outcomes(after),
            others=kept_rate(self.scored, after, OTHERS),
            others_kept="".join("1" if kept else "0" for kept in after.scores.greedy[known]),
            same_subject=kept_rate(self.scored, after, ("same_subject",)),
            perplexity_rise=changed / self.perplexity - 1,
            four_bit=four_bit,
            relearned=relearned,
            meets_policy=self._meets(after, text),
        )

    def _score(self, probes: Sequence[Probe]) -> Scored:
        return score_probes(self.loaded, probes, self.case.policy.decoding)

    def _given_away(self, probes: Sequence[Probe]) -> Rate:
        scored = self._score(probes)
        facts = scored.by_target(scored.where(lambda _: True)).values()
        return Rate(hits=sum(bool(scored.scores.greedy[i].any()) for i in facts), total=len(facts))

    def _attacked(self) -> tuple[Rate, Rate]:
        with quantised(self.loaded.model, FOUR_BITS):
            four_bit = self._given_away(self.erased)
        return four_bit, self._relearned()

    def _relearned(self) -> Rate:
        others = [probe for probe in self.erased if probe.target.subject not in self.again]
        if not self.again or not self.records:
            return NOT_TESTED
        with self.relearning.applied(self.loaded, self.records):
            return self._given_away(others)

    def _outcomes(self, after: Scored) -> tuple[FactOutcome, ...]:
        policy, scores = self.case.policy, after.scores
        percentiles = decoy_percentiles(after)
        seen = np.array([probe.split == "locating" for probe in after.probes])
        bits = {row.fact: row.worst_case_bits_before for row in fact_rows(after, None, (), self.key)}
        rows = []
        erased = after.where(lambda probe: probe.is_erased)
        for target, places in after.by_target(erased).items():
            fact = Fact(subject=target.subject, entity_type=target.relation, secret=target.answer, sources=())
            label, percentile = self.key.fact_label(fact), percentiles.get(target)
            chance = extractable(scores.log_p_z[:, places], policy.decoding.budget_tries)
            rows.append(
                FactOutcome(
                    fact=label,
                    subject=self.key.subject_label(target.subject),
                    rel=_gone(scores.greedy[places[seen[places]]]),
                    gen=_gone(scores.greedy[places[~seen[places]]]),
                    percentile=percentile,
                    exposed=percentile is not None and percentile < policy.leakage.decoy_percentile,
                    extractable=bool(chance.max() >= policy.decoding.probability),
                    bits=bits[label],
                )
            )
        return tuple(sorted(rows, key=lambda row: row.fact))

    def _meets(self, after: Scored, text: Perplexity) -> bool:
        policy = self.case.policy
        groups = group_results(self.scored, after, policy.decoding)
        facts = fact_rows(self.scored, after, self.case.facts, self.key)
        criteria = (
            *leakage_criteria(policy, groups, facts),
            *utility_criteria(policy, self.scored, after, text),
        )
        return all(criterion.passed for criterion in criteria)


def _register(people: Set[str], request: ErasureRequest | None) -> Register:
    """The people under all names that the request knows them by."""
    register = Register()
    for subject in request.subjects if request else ():
        for name in sorted(people & {subject.name, *subject.aliases}):
            register.add(name, (subject.name, *subject.aliases))
    for name in sorted(people):
        register.add(name)
    return register


def _naming(
    documents: Sequence[Document], register: Register, people: Collection[str], nobody: Collection[str]
) -> list[Document]:
    """Documents that name some people and none of others, by whatever name."""
    wanted, unwanted = ({register.canonical(name) for name in names} for names in (people, nobody))
    named = [{mention.subject for mention in register.find(document.text)} for document in documents]
    return [
        document
        for document, subjects in zip(documents, named, strict=True)
        if subjects & wanted and not subjects & unwanted
    ]


def _gone(greedy: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> float:
    """Share of wordings that greedy decoding does not complete; 1 where there are none."""
    return float(1 - greedy.mean()) if len(greedy) else 1.0
