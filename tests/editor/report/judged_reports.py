"""Reports as a gate judges them: every exit code, and outcomes that a run was told not to fail on."""

from made_parts import make_scope
from made_reports import make_audit_report, make_erase_report, make_verify_report

from editor.measuring.gate import FailOn
from policies import load_policy

SKIPPED = (
    "document note-7: more than 1,000 characters without a space",
    "document note-9: a pattern ran out of time",
)
MADE = {"erase": make_erase_report, "audit": make_audit_report, "verify": make_verify_report}
CASES = {  # kind, skipped, --fail-on, exit code
    "met": ("erase", (), (), 0),
    "leakage": ("audit", (), (), 1),
    "leakage and something skipped": ("audit", SKIPPED, (), 1),
    "utility": ("verify", (), (), 3),
    "incomplete": ("erase", SKIPPED, (), 4),
    "leakage waived": ("audit", (), ("utility,incomplete",), 0),
    "leakage waived, incomplete left": ("audit", SKIPPED, ("utility", "incomplete"), 4),
    "utility waived": ("verify", (), ("leakage",), 0),
    "incomplete waived": ("erase", SKIPPED, ("leakage",), 0),
    "everything waived": ("audit", SKIPPED, ("none",), 0),
}


def judged(name, **changes):
    """The report of a case."""
    kind, skipped, fail_on, _ = CASES[name]
    scope = make_scope().model_copy(update={"skipped": skipped, "corpus": "corpus.jsonl"})
    report = MADE[kind](**({"scope": scope} | changes))
    return FailOn.parse(fail_on).judge(report, load_policy("gdpr"), incomplete=bool(skipped))
