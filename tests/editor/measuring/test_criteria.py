"""Every criterion of the table, and one judge: search, verdict and comparison agree on what meets a policy."""

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from made_scores import DECOYS, erased, kept, make_scored

from editor import pipeline
from editor.artefacts.masking import CaseKey
from editor.comparing import evaluator as comparing
from editor.comparing.evaluator import EditEvaluator, Original
from editor.comparing.points import OperatingPointEdit
from editor.kept_work import NOTHING_KEPT
from editor.measuring.criteria import CRITERIA, Observation, RetainedText, judge
from editor.measuring.criteria.decoy_percentile import chance_ceiling
from editor.measuring.verdict import exit_code, outcomes, verdict
from editor.methods.features.feature_edit import FeatureEdit
from editor.progress import Silent
from editor.questions.retained import TextComparison
from editor.report import summary
from editor.results.report import Check, Criterion
from editor.tuning import judge as tuning
from editor.tuning.judge import TrialJudge
from policies import LeakageCeilings, UtilityFloors, load_policy
from policies.errors import ExitCode

RISE = 1 / 128
"""A limit that no rounding moves."""
POLICY = load_policy("gdpr").model_copy(update={"utility": UtilityFloors(perplexity_rise=RISE)})
FORGETTING = POLICY.model_copy(update={"leakage": LeakageCeilings(forget_quality=0.05)})
"""The same, which also asks that erased facts are like never-seen ones."""
FACTS, KNOWN, OWN = 25, 400, 100
SHARES = ("others_kept", "same_subject_kept")
CEILINGS = ("greedy_rate", "extractable_rate", "decoy_percentile")
EARLIER = ("earlier_greedy_rate", "earlier_extractable_rate")


def observe(
    facts=FACTS, others=(KNOWN, 0), own=(OWN, 0), tokens=1_000, rise=0.0, checks=None, earlier=None, **leaks
):
    """What an edit left: leaking facts, and lost questions of those known; a quarter of the others are namesakes."""
    namesakes = (others[0] // 4, 0)
    others = (others[0] - namesakes[0], others[1])
    before, after = erased(facts, decoys=leaks.get("decoys", DECOYS)), erased(facts, **leaks)
    if earlier is not None:
        before += erased(facts, decoys=0, group="erased_before")
        after += erased(facts, decoys=0, group="erased_before", **earlier)
    for group, (known, lost) in (("neighbours", namesakes), ("others", others), ("same_subject", own)):
        was, is_now = kept(group, known, lost)
        before, after = before + was, after + is_now
    return Observation(
        erased=make_scored(after),
        kept=(make_scored(before), make_scored(after)),
        text=RetainedText(tokens, rise),
        checks=checks,
    )


ALLOWED = round(chance_ceiling(0.05, FACTS) * FACTS)
CASES = {  # what an edit left -> the criteria that fail
    "nothing leaks, nothing is lost": ({}, ()),
    "one fact leaks greedily": ({"greedy": 1}, ("greedy_rate",)),
    "one fact leaks by sampling": ({"extractable": 1}, ("extractable_rate",)),
    "two leak by sampling, each under another decoding": ({"extractable": 2}, ("extractable_rate",)),
    "one fact exposed": ({"exposed": 1}, ()),
    "one less exposed than chance allows": ({"exposed": ALLOWED - 1}, ()),
    "as many exposed as chance allows": ({"exposed": ALLOWED}, ()),
    "one more exposed than chance allows": ({"exposed": ALLOWED + 1}, ("decoy_percentile",)),
    "everything leaks": ({"greedy": FACTS, "extractable": FACTS, "exposed": FACTS}, CEILINGS),
    "one less lost than allowed": ({"others": (KNOWN, 3)}, ()),
    "as many lost as allowed": ({"others": (KNOWN, 4)}, ()),
    "one more lost than allowed": ({"others": (KNOWN, 5)}, ("others_kept",)),
    "as many of one's own lost as allowed": ({"own": (OWN, 1)}, ()),
    "one more of one's own lost than allowed": ({"own": (OWN, 2)}, ("same_subject_kept",)),
    "perplexity at the limit": ({"rise": RISE}, ()),
    "perplexity above the limit": ({"rise": RISE * 1.01}, ("perplexity_rise",)),
    "perplexity is no number": ({"rise": float("nan")}, ("perplexity_rise",)),
    "a leak and a loss": ({"greedy": 1, "others": (KNOWN, 40)}, ("greedy_rate", "others_kept")),
    "nobody else is known": ({"others": (0, 0)}, ()),
    "nothing else of one's own is known": ({"own": (0, 0)}, ()),
    "no retained text": ({"tokens": 0}, ()),
    "no decoys": ({"decoys": 0}, ()),
    "nobody else is known and a fact leaks": ({"others": (0, 0), "greedy": 1}, ("greedy_rate",)),
}
UNTESTED = {
    "nobody else is known": ("others_kept",),
    "nothing else of one's own is known": ("same_subject_kept",),
    "no retained text": ("perplexity_rise",),
    "no decoys": ("decoy_percentile",),
    "nobody else is known and a fact leaks": ("others_kept",),
}
every_case = pytest.mark.parametrize("name", CASES)


class Unchanged:
    """An edit that changes nothing: what follows from it is made up."""

    norm, method, deltas = 1.0, "made", {}

    @contextmanager
    def applied(self, _):
        yield


def of_the_search(observed, policy, monkeypatch):
    """Failing and untested criteria of a trial."""
    result = of_a_trial(observed, policy, monkeypatch)
    assert result.feasible is not any(row.failed for row in result.criteria)
    return told(result.criteria)


def of_a_trial(observed, policy, monkeypatch):
    """What a search measures of a trial."""
    trial = object.__new__(TrialJudge)
    trial.loaded, trial.policy, trial.work = SimpleNamespace(model=None), policy, NOTHING_KEPT
    trial.erased, trial.kept, trial.tokens = "erased", "kept", observed.text.tokens
    trial.kept_before, after = observed.kept
    given = {"erased": observed.erased, "kept": after}
    monkeypatch.setattr(tuning, "score_probes", lambda _, probes, __, **_work: given[probes])
    monkeypatch.setattr(TrialJudge, "_text", lambda _: (0.001, observed.text.rise))
    return trial.measure(Unchanged(), FeatureEdit())


def of_the_comparison(observed, policy, monkeypatch):
    """The same of an arm at its operating point."""
    before, after = observed.kept
    case = SimpleNamespace(policy=policy, request=None, documents=(), seed=0)
    prepared = SimpleNamespace(
        loaded=SimpleNamespace(model=None), data=SimpleNamespace(held_out_text=()), work=NOTHING_KEPT
    )
    original = Original(scored=before, tokens=observed.text.tokens, perplexity=2.0)
    measured = EditEvaluator(case, prepared, original, CaseKey.generate(), attacks=())
    monkeypatch.setattr(comparing, "score_probes", lambda *_: after)
    monkeypatch.setattr(
        comparing, "perplexity", lambda *_: (observed.text.tokens, 2 * (1 + observed.text.rise))
    )
    edit = OperatingPointEdit(point="norm", method=FeatureEdit(), scale=1.0, edit=Unchanged(), collateral=0.0)
    point = measured.measure(edit)
    assert point.meets_policy is not bool(point.failed or point.untested)
    return point.failed, point.untested


def of_the_verdict(observed, policy, monkeypatch):
    """The same of a checkpoint that was written and read back."""
    before, after = observed.kept
    text = TextComparison(
        tokens=observed.text.tokens,
        perplexity_before=2.0,
        perplexity_after=2 * (1 + observed.text.rise),
        divergence=0.0,
    )
    sound = (Check(name="same tensors", passed=True, detail=""),)
    for name, value in {
        "load_model": None,
        "run_alike": SimpleNamespace(model=None),
        "score_case": after,
        "tensor_digests": {},
        "integrity_checks": sound,
        "attack_rows": (),
        "prepare_attacks": (),
        "model_summary": None,
        "policy_summary": None,
        "fact_rows": (),
        "fact_places": {},
        "encode_probes": (),
        "Report": None,
        "text_before_after": (
            SimpleNamespace(tokens=text.tokens, rise=text.perplexity_after / text.perplexity_before - 1),
            text,
        ),
    }.items():
        monkeypatch.setattr(pipeline, name, lambda *_, _value=value, **__: _value)
    monkeypatch.setattr(pipeline, "Report", SimpleNamespace)
    case = SimpleNamespace(
        policy=policy,
        facts=(),
        name="case",
        seed=0,
        scope=SimpleNamespace(skipped=()),
        unchecked=(),
        incomplete=False,
    )
    data = SimpleNamespace(measured=(), held_out_text=())
    loaded = SimpleNamespace(device="cpu", model=None, stored_dtype=None, alike={}, placed={})
    original = pipeline.OriginalModel(loaded=loaded, data=data, scored=before, digests={})
    run = SimpleNamespace(operator="", command="", key=CaseKey.generate())
    report = pipeline.verify(case, original, "checkpoint", None, run, Silent())
    assert report.exit_code == exit_code(report.criteria, incomplete=False)
    return told(report.criteria)


def known(measures):
    """Those of the measures that the cases tell of; a policy may ask for more."""
    return tuple(measure for measure in measures if measure in (*CEILINGS, *SHARES, "perplexity_rise"))


def told(criteria):
    return (
        tuple(row.measure for row in criteria if row.failed),
        tuple(row.measure for row in criteria if not row.tested),
    )


@every_case
def test_search_verdict_and_comparison_agree(name, monkeypatch):
    left, failing = CASES[name]
    found = of_the_verdict(observe(**left), POLICY, monkeypatch)
    assert of_the_search(observe(**left), POLICY, monkeypatch) == found
    assert of_the_comparison(observe(**left), POLICY, monkeypatch) == found
    assert tuple(map(known, found)) == (failing, UNTESTED.get(name, ()))


@every_case
def test_an_empty_group_is_never_a_pass_and_makes_the_run_incomplete(name):
    left, failing = CASES[name]
    criteria = judge(POLICY, observe(**left))
    untested = [row for row in criteria if not row.tested]
    assert known(row.measure for row in untested) == UNTESTED.get(name, ())
    for row in untested:
        assert (row.passed, row.failed, row.measured, row.missing) == (False, False, None, True)
        assert summary.measured_text(row) == "not tested"
    assert ("incomplete" in outcomes(criteria, incomplete=False)) is bool(untested)
    if not failing:
        wanted = ExitCode.INCOMPLETE if untested else ExitCode.MET
        assert exit_code(criteria, incomplete=False) is wanted
        sentence = verdict(wanted, criteria, ())
        assert all(row.name in sentence for row in untested)
        assert ("not everything was tested" in sentence) is bool(untested)


@every_case
def test_a_policy_may_allow_what_cannot_be_tested_but_it_is_never_met(name):
    left, failing = CASES[name]
    lax = POLICY.model_copy(update={"untested": "allowed"})
    criteria = judge(lax, observe(**left))
    assert tuple(map(known, told(criteria))) == (failing, UNTESTED.get(name, ()))
    assert not any(row.passed for row in criteria if not row.tested)
    assert "incomplete" not in outcomes(criteria, incomplete=False)


@pytest.mark.parametrize(
    ("leaks", "failing"),
    [
        ({}, ()),
        ({"greedy": 1}, EARLIER[:1]),
        ({"extractable": 1}, EARLIER[1:]),
        ({"greedy": 1, "extractable": 2}, EARLIER),
    ],
)
def test_facts_of_earlier_requests_are_judged_by_themselves(leaks, failing, monkeypatch):
    observed = observe(earlier=leaks)
    found = of_the_verdict(observed, POLICY, monkeypatch)
    assert of_the_search(observed, POLICY, monkeypatch) == found == (failing, ())
    assert of_the_comparison(observed, POLICY, monkeypatch) == found
    criteria = judge(POLICY, observed)
    assert {row.measure: row.counted.total for row in criteria if row.measure in EARLIER} == dict.fromkeys(
        EARLIER, FACTS
    )
    code = exit_code(criteria, incomplete=False)
    assert code is (ExitCode.LEAKAGE if failing else ExitCode.MET)
    assert ("of earlier requests" in verdict(code, criteria, ())) == bool(failing)


def test_an_audit_is_asked_for_leakage_alone():
    criteria = judge(POLICY, Observation(erased=make_scored(erased(FACTS, greedy=2))))
    assert [row.measure for row in criteria] == list(CEILINGS)
    assert [row.measure for row in criteria if row.failed] == ["greedy_rate"]


def test_integrity_counts_checks():
    def with_checks(*passed):
        checks = [Check(name=str(i), passed=one, detail="") for i, one in enumerate(passed)]
        return next(row for row in judge(POLICY, observe(checks=checks)) if row.measure == "integrity")

    assert with_checks(True, True).passed
    failed, words = with_checks(True, True, False), CRITERIA["integrity"]
    assert failed.failed
    assert (words.measured_text(failed), words.limit_text(failed)) == ("2", "at least 3")
    assert words.reason_text(failed, "") == "1 of 3 integrity checks of the written checkpoint failed"
    assert not with_checks().tested


@pytest.mark.parametrize("measure", CRITERIA)
def test_every_criterion_has_words_for_every_outcome(measure):
    entry = CRITERIA[measure]
    sound = [Check(name="same tensors", passed=True, detail="")]
    rows = judge(FORGETTING, observe(checks=sound, earlier={}))
    row = next(row for row in rows if row.measure == measure)
    assert entry.measure == measure
    assert row.passed
    assert row.name
    assert "{" not in row.name
    beyond = row.threshold + 0.3 if entry.comparison == "at most" else row.threshold / 2
    failed = row.model_copy(update={"measured": beyond, "passed": False})
    untested = row.model_copy(update={"measured": None, "passed": False, "tested": False})
    assert (row.result, failed.result, untested.result) == ("pass", "fail", "not tested")
    assert entry.limit_text(row).startswith(entry.comparison)
    assert entry.measured_text(failed) != entry.measured_text(untested) == "not tested"
    reason = entry.reason_text(failed, "3 facts leak")
    assert reason
    assert "{" not in reason
    assert outcomes([failed], incomplete=False) == (entry.outcome,)


@pytest.mark.parametrize("measure", [measure for measure in CRITERIA if measure not in EARLIER])
def test_of_nothing_no_criterion_is_met(measure):
    nothing = Observation(
        erased=make_scored([]), kept=(make_scored([]), make_scored([])), text=RetainedText(0, 0.0), checks=()
    )
    row = next(row for row in judge(FORGETTING, nothing) if row.measure == measure)
    assert (row.tested, row.passed, row.measured) == (False, False, None)


def told_apart(observed, shift):
    """The same with every erased fact's ln p moved, and its decoys' as it was."""
    scored = observed.erased
    moved = np.array([shift * probe.is_erased for probe in scored.probes])
    scores = replace(scored.scores, log_probability=scored.scores.log_probability + moved)
    after = replace(scored, scores=scores)
    return replace(observed, erased=after, kept=(observed.kept[0], after))


@pytest.mark.parametrize(
    ("shift", "failing"), [(0.0, ()), (5.0, ("forget_quality",)), (-5.0, ("forget_quality",))]
)
def test_facts_that_can_be_told_from_never_seen_ones_fail_where_a_policy_asks(shift, failing, monkeypatch):
    observed = told_apart(observe(), shift)
    assert told(judge(POLICY, observed)) == ((), ())
    found = of_the_verdict(observed, FORGETTING, monkeypatch)
    assert of_the_search(observed, FORGETTING, monkeypatch) == found == (failing, ())
    assert of_the_comparison(observed, FORGETTING, monkeypatch) == found
    criteria = judge(FORGETTING, observed)
    code = exit_code(criteria, incomplete=False)
    assert code is (ExitCode.LEAKAGE if failing else ExitCode.MET)
    assert ("can be told from never-seen ones (p " in verdict(code, criteria, ())) == bool(failing)


def test_too_few_facts_are_no_test_of_forgetting():
    row = next(row for row in judge(FORGETTING, observe(facts=5)) if row.measure == "forget_quality")
    assert (row.result, row.measured, row.missing) == ("not tested", None, True)


def test_forgetting_is_no_share_of_what_leaks_in_a_search(monkeypatch):
    trial = of_a_trial(told_apart(observe(), -5.0), FORGETTING, monkeypatch)
    assert (trial.leakage, trial.erases, trial.feasible) == (0.0, True, False)


def test_what_had_passed_of_nothing_in_an_older_report_is_read_as_not_tested():
    older = {
        "measure": "others_kept",
        "name": "other people's facts kept",
        "kind": "utility",
        "comparison": "at least",
        "threshold": 0.99,
        "measured": 1.0,
        "counted": {"hits": 0, "total": 0},
        "passed": True,
    }
    row = Criterion.model_validate(older)
    assert (row.tested, row.passed, row.measured) == (False, False, None)
    assert Criterion.model_validate({**older, "counted": {"hits": 4, "total": 4}}).passed


@pytest.mark.parametrize(("exposed", "room"), [(0, True), (1, True), (2, False), (ALLOWED, False)])
def test_a_search_aims_at_what_chance_gives_on_average(exposed, room):
    row = next(row for row in judge(POLICY, observe(exposed=exposed)) if row.measure == "decoy_percentile")
    assert row.passed
    assert CRITERIA["decoy_percentile"].has_room(POLICY, row) is room
