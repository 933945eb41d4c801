"""Judge an edit that is not written yet: leakage, collateral and size, all on the locating split."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from editor.edits.edit import Edit
from editor.kept_work import NOTHING_KEPT, KeptWork
from editor.locators.problem import EditProblem
from editor.measuring.aggregate import score_probes
from editor.measuring.criteria import CRITERIA, Observation, RetainedText, judge
from editor.methods.method import Method
from editor.methods.shared.searching import fit_method
from editor.model.forward import logit_blocks, marked_hidden, marked_logits, output_logits
from editor.model.loading import LoadedModel
from editor.model.tokens import MarkedBatch, TokenSequence
from editor.questions.probes import Probe
from editor.questions.retained import LOGIT_ELEMENTS, text_batches
from editor.results.report import Criterion
from policies import Policy

DIVERGENCE_TOKENS = 6_000
"""Retained tokens on which the KL divergence is measured, fewer where the vocabulary is large."""


@dataclass(frozen=True, kw_only=True)
class TrialResult:
    """One trial, all figures from the locating split.

    Attributes:
        method: method with this trial's settings.
        edit: fitted edit; None where it was dropped.
        leakage: mean share of facts that miss one of the policy's leakage ceilings; a third of the wordings is not
            among those the trial was fitted on.
        collateral: mean KL(original || edited) on retained text, nats/token.
        kept: smaller of the others' and the same subjects' kept shares.
        perplexity_rise: relative rise of perplexity on retained text; 0.01 is one per cent.
        norm: ‖ΔW‖_F.
        erases: whether the policy's leakage ceilings are met with the room that a search aims at.
        feasible: whether no criterion of the policy fails, but by one case of what is kept where a limit allows less
            than one: of 82 facts a limit of 99% allows none, and one lost says no more than that it is 97% or more.
        criteria: criteria that were judged, as the verdict judges it.
    """

    method: Method
    edit: Edit | None = field(repr=False)
    leakage: float
    collateral: float
    kept: float
    perplexity_rise: float
    norm: float
    erases: bool
    feasible: bool
    criteria: tuple[Criterion, ...] = ()


class TrialJudge:
    """Judge of edits against the unedited model, which is scored once.

    Args:
        loaded: unedited model.
        policy: policy, which says what counts as leaking and as kept.
        erased: wordings of the facts to erase, with some that no trial is fitted on, and their decoys.
        kept: probes about what must stay.
        text: retained text.
        fit: fits a method to a problem, from an edit on or from scratch.
        work: what the run keeps of measuring the unedited model.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        policy: Policy,
        *,
        erased: Sequence[Probe],
        kept: Sequence[Probe],
        text: Sequence[TokenSequence],
        fit: Callable[[Method, EditProblem, Edit | None], Edit] = fit_method,
        work: KeptWork = NOTHING_KEPT,
    ) -> None:
        self.loaded, self.policy, self.fit, self.work = loaded, policy, fit, work
        self.erased, self.kept = tuple(erased), tuple(kept)
        self.kept_before = score_probes(loaded, self.kept, policy.decoding, work=work)
        self.text = self._some(text)
        self.tokens = sum(len(batch.targets) for batch in self.text)
        # Of the original model only hidden states are held: a vocabulary takes a hundred times as much.
        self.hidden_before = [marked_hidden(loaded, batch) for batch in self.text]

    def judge(self, problem: EditProblem, method: Method, start: Edit | None = None) -> TrialResult:
        """Fit an edit, from `start` on if there is one and the method can resume it; measure it, and take it back."""
        return self.measure(self.fit(method, problem, start), method)

    def divergence(self, edit: Edit) -> float:
        """Measure the collateral of an edit alone: mean KL(original || edited) on retained text, nats/token."""
        self._hold_before(edit)
        with edit.applied(self.loaded.model):
            return self._text()[0]

    def measure(self, edit: Edit, method: Method) -> TrialResult:
        """Apply an edit, measure it, and take it back."""
        self._hold_before(edit)
        work, decoding = self.work.based_on(edit), self.policy.decoding
        with edit.applied(self.loaded.model):
            erased = score_probes(self.loaded, self.erased, decoding, work=work)
            after = score_probes(self.loaded, self.kept, decoding, work=work)
            divergence, rise = self._text()
        observed = Observation(
            erased=erased, kept=(self.kept_before, after), text=RetainedText(self.tokens, rise)
        )
        criteria = judge(self.policy, observed)
        return TrialResult(
            method=method,
            edit=edit,
            leakage=float(np.mean([row.measured or 0.0 for row in criteria if _is_ceiling(row)])),
            collateral=divergence,
            kept=min(
                (row.measured for row in criteria if row.measured is not None and _is_kept(row)), default=1.0
            ),
            perplexity_rise=rise,
            norm=edit.norm,
            erases=all(
                CRITERIA[row.measure].has_room(self.policy, row) for row in criteria if _is_ceiling(row)
            ),
            feasible=not any(_is_missed(row) for row in criteria),
            criteria=criteria,
        )

    @torch.no_grad()
    def _hold_before(self, edit: Edit) -> None:
        """Hold the original model's ln p, before an edit of the output head alone: else they are made anew."""
        model = self.loaded.model
        changes_head = any(self._is_of_head(name) for name in edit.deltas)
        self.log_p_before = (
            [marked_logits(model, batch).log_softmax(1) for batch in self.text] if changes_head else None
        )

    def _is_of_head(self, name: str) -> bool:
        parameter = self.loaded.model.get_parameter(name)
        return any(parameter is one for one in self.loaded.model.get_output_embeddings().parameters())

    @torch.no_grad()
    def _text(self) -> tuple[float, float]:
        """Measure the mean KL divergence in nats/token, and the relative rise of perplexity."""
        model, sums = self.loaded.model, np.zeros(2)
        for number, (batch, hidden) in enumerate(zip(self.text, self.hidden_before, strict=True)):
            for place, logits in logit_blocks(self.loaded, marked_hidden(self.loaded, batch)):
                after = logits.log_softmax(1)
                if self.log_p_before is None:
                    before = output_logits(model, hidden[place]).log_softmax(1)
                else:
                    before = self.log_p_before[number][place]
                own = batch.targets[place, None]
                rise: Tensor = (before.gather(1, own) - after.gather(1, own)).sum()
                sums += np.array([float((before.exp() * (before - after)).sum()), float(rise)])
        return sums[0] / max(1, self.tokens), math.expm1(sums[1] / max(1, self.tokens))

    def _some(self, text: Sequence[TokenSequence]) -> list[MarkedBatch]:
        budget = min(DIVERGENCE_TOKENS, LOGIT_ELEMENTS // self.loaded.vocabulary)
        spread = torch.randperm(len(text), generator=torch.Generator().manual_seed(self.policy.seed)).tolist()
        chosen: list[TokenSequence] = []
        for place in spread:
            if budget <= 0:
                break
            chosen.append(text[place])
            budget -= len(text[place].ids)
        return list(text_batches(self.loaded, chosen))


def _is_ceiling(row: Criterion) -> bool:
    """Return whether it bounds what leaks; that erased facts are like never-seen ones is no share of what leaks."""
    return row.kind == "leakage" and row.comparison == "at most"


def _is_missed(row: Criterion) -> bool:
    """Tell whether a criterion fails by more than what so few cases can tell."""
    if not row.failed or row.counted is None or not _is_kept(row):
        return row.failed
    allowed = (1 - row.threshold) * row.counted.total
    return row.counted.total - row.counted.hits > max(1.0, allowed)


def _is_kept(row: Criterion) -> bool:
    return bool(CRITERIA[row.measure].groups)
