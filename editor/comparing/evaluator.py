"""Measure an edit as verification would, in memory: its questions, its held-out text, its attacks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from editor.artefacts.masking import CaseKey
from editor.attacks.running import attack_rows, prepare_attacks
from editor.case import Case
from editor.comparing.points import OperatingPointEdit
from editor.kept_work import json_form
from editor.measuring.aggregate import (
    Scored,
    decoy_percentiles,
    fact_rows,
    kept_rate,
    score_probes,
)
from editor.measuring.criteria import Observation, RetainedText, judge
from editor.measuring.criteria.kept import OTHERS, SAME_SUBJECT
from editor.measuring.evaluation_data import PreparedModel, control_probes
from editor.measuring.forgetting import level_of
from editor.measuring.leakage import extractable
from editor.progress import Silent
from editor.questions.probes import Probe
from editor.questions.retained import perplexity
from editor.results.attacks import AttackRow
from editor.results.comparison import FactOutcome, Point, PointName

ATTACKED: tuple[PointName, ...] = ("policy", "collateral")
"""Points where edits are attacked: where arms are judged, not where they are brought to compare their size."""


@dataclass(frozen=True, kw_only=True)
class Original:
    """Scores of the original model, by verification's questions and text; the same for all arms of a seed.

    Attributes:
        scored: questions with their scores.
        tokens: number of tokens of held-out retained text.
        perplexity: perplexity on held-out retained text.
    """

    scored: Scored = field(repr=False)
    tokens: int
    perplexity: float


def score_original(case: Case, before: PreparedModel) -> Original:
    """Score the original model on what edits of it are measured by."""
    probes = control_probes(before.data, case.seed)
    tokens, value = before.work.once(
        "perplexity",
        (),
        json_form(tuple[int, float]),
        lambda: perplexity(before.loaded, before.data.held_out_text),
    )
    scored = score_probes(before.loaded, probes, case.policy.decoding, work=before.work)
    return Original(scored=scored, tokens=tokens, perplexity=value)


class EditEvaluator:
    """Evaluator of edits against the original model.

    Args:
        case: case with the facts, the policy and the seed.
        before: original model, and what is asked of it.
        original: scores of the original model.
        key: key that names facts in results.
        attacks: names in `ATTACKS`; None for the quick ones.
    """

    def __init__(
        self,
        case: Case,
        before: PreparedModel,
        original: Original,
        key: CaseKey,
        attacks: Sequence[str] | None = None,
    ) -> None:
        self.case, self.loaded, self.key, self.work = case, before.loaded, key, before.work
        self.text = before.data.held_out_text
        self.probes = original.scored.probes
        self.scored, self.tokens, self.perplexity = original.scored, original.tokens, original.perplexity
        erased, decoys = (
            [probe for probe in self.probes if probe.target.group == group] for group in ("erased", "decoys")
        )
        self.attacks = prepare_attacks(case, erased, attacks, decoys)

    def original(self) -> tuple[FactOutcome, ...]:
        """Return the facts before any edit."""
        return self._outcomes(self.scored)

    def measure(self, operated: OperatingPointEdit) -> Point:
        """Apply an edit, measure it, and take it back; by a run that is resumed, not again."""
        attacks = [attack.attack for attack in self.attacks] if operated.point in ATTACKED else None
        # Facts are named by the key: of another one, others.
        inputs = (vars(operated), attacks, self.key.digest("points", b""))
        point: Point = self.work.once("point", inputs, json_form(Point), lambda: self._measure(operated))
        return point

    def _measure(self, operated: OperatingPointEdit) -> Point:
        edit, model = operated.edit, self.loaded.model
        before = {name: model.get_parameter(name).detach().clone() for name in edit.deltas}
        with edit.applied(model):
            after = self._score(self.probes)
            _, changed = perplexity(self.loaded, self.text)
            attacks = self._attacked(before) if operated.point in ATTACKED else ()
        observed = Observation(
            erased=after,
            kept=(self.scored, after),
            text=RetainedText(self.tokens, changed / self.perplexity - 1),
        )
        criteria = judge(self.case.policy, observed)
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
            same_subject=kept_rate(self.scored, after, SAME_SUBJECT),
            perplexity_rise=changed / self.perplexity - 1,
            forget_quality=observed.ratios.p(level_of(self.case.policy)),
            attacks=attacks,
            meets_policy=not any(row.failed or row.missing for row in criteria),
            failed=tuple(row.measure for row in criteria if row.failed),
            untested=tuple(row.measure for row in criteria if not row.tested),
        )

    def _score(self, probes: Sequence[Probe]) -> Scored:
        return score_probes(self.loaded, probes, self.case.policy.decoding)

    def _attacked(self, before: Mapping[str, Tensor]) -> tuple[AttackRow, ...]:
        """Attack the edited model.

        Args:
            before: parameters that are edited, as they were; the others are theirs.
        """
        parameters = {**dict(self.loaded.model.named_parameters()), **before}
        return attack_rows(self.case, self.loaded, self.attacks, Silent(), parameters.__getitem__)

    def _outcomes(self, after: Scored) -> tuple[FactOutcome, ...]:
        policy, scores = self.case.policy, after.scores
        percentiles = decoy_percentiles(after)
        seen = np.array([probe.split == "locating" for probe in after.probes])
        bits = {row.fact: row.worst_case_bits_before for row in fact_rows(after, None, (), self.key)}
        rows = []
        erased = after.where(lambda probe: probe.is_erased)
        for target, places in after.by_target(erased).items():
            label, percentile = self.key.label(target), percentiles.get(target)
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


def _gone(greedy: "np.ndarray[tuple[int], np.dtype[np.bool_]]") -> float:
    """Return the share of wordings that greedy decoding does not complete; 1 where there are none."""
    return float(1 - greedy.mean()) if len(greedy) else 1.0
