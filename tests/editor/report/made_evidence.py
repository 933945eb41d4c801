"""What an audit finds beyond its verdicts, with a baseline; all values are invented."""

from editor.results.evidence import (
    Baseline,
    BaselineRow,
    Confirmation,
    Evidence,
    ExposureRow,
    FamilyRow,
    MembershipRow,
    OpenText,
    TriesRow,
    TypeRow,
)
from editor.results.parts import Rate

TYPES = ("CREDIT_CARD", "EMAIL_ADDRESS", "PHONE_NUMBER", "STREET_ADDRESS", "US_SSN")


def make_baseline():
    rows = (
        BaselineRow(
            entity_type=name,
            greedy=Rate(hits=5, total=5),
            baseline_greedy=Rate(hits=int(name == "US_SSN"), total=5),
            memorised=Rate(hits=5 - int(name == "US_SSN"), total=5),
            bits_fallen_median=27.5,
        )
        for name in TYPES
    )
    return Baseline(source="models/base", digest="b0" * 32, rows=tuple(rows))


def make_evidence(baseline=True):
    five = Rate(hits=5, total=5)
    return Evidence(
        chat=False,
        types=tuple(
            TypeRow(
                entity_type=name,
                facts=5,
                greedy=five,
                extractable=five,
                exposed=five,
                worst_case_bits_median=0.2,
                worst_case_bits_minimum=0.1,
                decoy_bits_median=31.0,
            )
            for name in TYPES
        ),
        families=tuple(
            FamilyRow(wording=wording, probes=100, greedy=Rate(hits=hits, total=25), alone=0)
            for wording, hits in (("trained", 25), ("template", 25), ("held_out", 24), ("prefix", 20))
        ),
        tries=tuple(
            TriesRow(tries=tries, facts=min(1.0, 0.9 + tries / 1e6), decoys=min(1.0, tries * 1e-9))
            for tries in (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
        ),
        confirmation=Confirmation(
            greedy_agreed=Rate(hits=40, total=40),
            sampled=20,
            tries=100,
            expected=310.4,
            low=288,
            high=332,
            observed=307,
        ),
        exposure=tuple(
            ExposureRow(
                entity_type=name,
                facts=5,
                candidates=1000,
                median=9.9,
                highest=10.0,
                at_first_rank=Rate(hits=5, total=5),
            )
            for name in TYPES
        ),
        membership=(MembershipRow(test="loss", auc=0.98, low=0.95, high=1.0, facts=25, decoys=25),),
        open_text=OpenText(
            texts=100,
            tokens=6400,
            facts=Rate(hits=3, total=25),
            beside_subject=2,
            others={"PHONE_NUMBER": 4},
            detection=True,
        ),
        baseline=make_baseline() if baseline else None,
    )
