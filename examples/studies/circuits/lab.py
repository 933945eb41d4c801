"""The embedded lab as the study sees it: the problem that edits are given, and the judge of edits."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from editor.case import Case, CaseFiles, open_case
from editor.edits.edit import Edit
from editor.lab import find_lab
from editor.locators.features import FeatureAttribution
from editor.locators.problem import EditProblem
from editor.measuring.aggregate import kept_rate, score_probes
from editor.measuring.evaluation_data import PreparedModel, prepare
from editor.model.loading import load_model
from editor.model.tokens import TokenSequence
from editor.progress import Silent
from editor.questions.probes import Probe, sample
from editor.questions.retained import perplexity
from editor.tuning.build_problem import build_problem
from policies import load_policy, load_request

OTHERS = 200
"""Largest number of verification's probes about other people, and of those about the same people."""
TEXTS = 60
"""Number of held-out documents for perplexity."""


@dataclass(frozen=True, kw_only=True)
class Response:
    """A model's behaviour after an edit, on prompts and text that the edit did not see.

    Attributes:
        facts: share of the erased facts that greedy decoding leaks in at least one wording.
        probes: share of all wordings of erased facts that leak.
        others: share of other people's probes still answered, of those answered before.
        same_subject: share of probes for the erased people's public facts still answered, of those answered before.
        perplexity_rise: relative rise of the perplexity on held-out documents.
    """

    facts: float
    probes: float
    others: float
    same_subject: float
    perplexity_rise: float


class Judge:
    """Judge of edits, which scores the original model once and edits against it, on the verification split.

    Args:
        case: the lab's case.
        problem: source of the model, which must be the original one.
        text: held-out text.
    """

    def __init__(self, case: Case, problem: EditProblem, text: Sequence[TokenSequence]) -> None:
        self.loaded, self.decoding = problem.loaded, case.policy.decoding
        # What the edit and its search never saw.
        held_out = [probe for probe in case.probes if probe.split == "verification"]
        self.erased = [p for p in held_out if p.is_erased]
        others = [p for p in held_out if p.target.group in ("others", "neighbours")]
        same = [p for p in held_out if p.target.group == "same_subject"]
        self.kept = [*sample(others, OTHERS, case.seed), *sample(same, OTHERS, case.seed)]
        self.text = list(text[:TEXTS])
        self.before = score_probes(self.loaded, self.kept, self.decoding)
        self.perplexity = perplexity(self.loaded, self.text)[1]

    def respond(self, edit: Edit | None) -> Response:
        """Measure an edit; the model is left as it was. None measures the model as it stands."""
        if edit is None:
            return self._measure()
        with edit.applied(self.loaded.model):
            return self._measure()

    def _measure(self) -> Response:
        """Measure the model as it stands."""
        # By the policy's decoding, as verification judges.
        erased = score_probes(self.loaded, self.erased, self.decoding)
        kept = score_probes(self.loaded, self.kept, self.decoding)
        by_fact = erased.by_target(range(len(self.erased)))
        # A fact leaks where any of its wordings does.
        given = [bool(erased.scores.greedy[places].any()) for places in by_fact.values()]
        return Response(
            facts=sum(given) / len(given),
            probes=float(erased.scores.greedy.mean()),
            others=kept_rate(self.before, kept, ("others", "neighbours")).rate,
            same_subject=kept_rate(self.before, kept, ("same_subject",)).rate,
            perplexity_rise=perplexity(self.loaded, self.text)[1] / self.perplexity - 1,
        )


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The lab's problem and its judge.

    Attributes:
        problem: what to erase and what to keep, of the locating split.
        judge: judge of edits, by the verification split.
        held_out: verification's probes for the facts to erase.
    """

    problem: EditProblem = field(repr=False)
    judge: Judge = field(repr=False)
    held_out: tuple[Probe, ...] = field(repr=False)


def open_lab(seed: int) -> Setting:
    """Read the lab, on the CPU.

    Args:
        seed: seed of the splits and of all draws.
    """
    lab = find_lab()
    policy = load_policy(str(lab.policy))
    files = CaseFiles(corpus=lab.corpus, probes=lab.probes)
    case = open_case(files, policy, load_request(lab.request), seed=seed)
    loaded = load_model(str(lab.model), device="cpu")
    prepared = PreparedModel(loaded=loaded, data=prepare(case, loaded))
    # Without dictionaries: circuits need none.
    problem = build_problem(case, prepared, {}, FeatureAttribution(), Silent())
    judge = Judge(case, problem, prepared.data.held_out_text)
    return Setting(problem=problem, judge=judge, held_out=tuple(judge.erased))
