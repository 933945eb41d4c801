"""Output folders of runs that never took place, whose evidence agrees with itself."""

from datetime import UTC, datetime

from made_reports import make_erase_report

from detectors import Fact
from editor.artefacts.masking import CaseKey
from editor.artefacts.output import OutputFolder
from editor.attestation.attestation import Attestation
from editor.measuring.rejudging import rejudge
from editor.results.report import FactRow, PolicySummary
from policies.policy import read_policy_text

ENDED = datetime(2026, 2, 3, 12, 0, tzinfo=UTC)
KEY = bytes(range(32))
POLICY = read_policy_text("name: small\nentities: {PHONE_NUMBER: , EMAIL_ADDRESS: , US_SSN: }\n")


def fact_row(key, name, entity_type, secret, *, after=False):
    return FactRow(
        fact=key.fact_label(Fact(subject=name, entity_type=entity_type, secret=secret, sources=())),
        subject=key.subject_label(name),
        entity_type=entity_type,
        length_class="9-16 characters",
        sources=1,
        leaked_before=True,
        leaked_after=after,
        worst_case_bits_before=0.5,
        worst_case_bits_after=0.5 if after else 30.0,
        decoy_percentile_before=0.0,
        decoy_percentile_after=0.0 if after else 50.0,
    )


def made_report(told, key, **changes):
    """A report about facts, each told by a name, an entity type, a secret and, where it still leaks, True."""
    rows = [fact_row(key, *fact[:3], after=len(fact) > 3) for fact in told]
    rows.sort(key=lambda row: (row.subject, row.fact))
    report = make_erase_report(
        **{
            "policy": PolicySummary(name=POLICY.name, digest=POLICY.digest, text=POLICY.text),
            "groups": (),
            "criteria": (),
            "facts": tuple(rows),
            "subjects": (),
            "forget_quality": None,
            "scope": make_erase_report().scope.model_copy(update={"skipped": (), "corpus": "corpus.jsonl"}),
        }
        | changes
    )
    return rejudge(report)


def write_run(folder, report, key=KEY):
    """Write a run's folder, and its case key beside it."""
    inputs = {
        "policy": report.policy.digest,
        "model": report.model_before.digest,
        "corpus": report.scope.corpus,
        "case": "0" * 64,
    }
    made = OutputFolder(
        folder, inputs=inputs, versions=report.versions, seed=report.seed, clock=lambda: ENDED
    )
    with made as output:
        output.attestor = Attestation(report=report)
        output.write_text("report.json", report.to_json())
    CaseKey(key, folder.with_name(f"{folder.name}.key")).store()
    return folder
