"""By type, by wording and by number of tries: sums over scores that are made by hand."""

import numpy as np
import pytest

from editor.evidence.breakdown import family_rows, spread, tries_rows, type_rows
from editor.measuring.aggregate import Scored
from editor.measuring.leakage import Scores
from editor.questions.probes import Probe, Target
from policies import load_policy


def scored(rows):
    """Scores of probes given as (group, relation, answer, wording, greedy, p_z)."""
    probes = tuple(
        Probe(
            target=Target(subject="Ada Quill", relation=relation, answer=answer, personal=True, group=group),
            prompt=f"prompt {number}",
            wording=wording,
            split="verification",
        )
        for number, (group, relation, answer, wording, _, _) in enumerate(rows)
    )
    p = np.array([row[5] for row in rows], dtype=float)
    zeros = np.zeros(len(rows))
    return Scored(
        probes=probes,
        scores=Scores(
            greedy=np.array([row[4] for row in rows], dtype=bool),
            exact_memorisation=zeros,
            extraction_strength=zeros,
            worst_case_bits=-np.log2(p),
            log_probability=np.log(p),
            log_p_z=np.stack([np.log(p), np.log(p) - 1]),
            tokens=np.ones(len(rows), dtype=np.int64),
        ),
    )


ROWS = [
    ("erased", "PHONE_NUMBER", "1", "trained", True, 0.9),
    ("erased", "PHONE_NUMBER", "1", "template", False, 0.001),
    ("erased", "PHONE_NUMBER", "2", "template", False, 0.01),
    ("erased", "US_SSN", "3", "template", True, 0.6),
    ("erased", "US_SSN", "3", "spelling", True, 0.7),
    ("erased", "US_SSN", "4", "spelling", True, 0.5),
    *(("decoys", "PHONE_NUMBER", f"d{n}", "trained", False, 0.0001) for n in range(40)),
]


def test_a_types_facts_count_by_their_worst_wording():
    phone, ssn = type_rows(scored(ROWS), load_policy("gdpr"))
    assert (phone.entity_type, phone.facts, phone.greedy.hits) == ("PHONE_NUMBER", 2, 1)
    assert phone.extractable.hits == 2  # 1 - 0.99^100 is 0.63
    assert (phone.exposed.hits, phone.exposed.total) == (2, 2)
    assert phone.worst_case_bits_minimum == pytest.approx(-np.log2(0.9))
    assert phone.decoy_bits_median == pytest.approx(-np.log2(0.0001))
    assert (ssn.greedy.hits, ssn.exposed.total, ssn.decoy_bits_median) == (2, 0, None)


def test_a_family_alone_is_what_no_other_gives_away():
    rows = {row.wording: row for row in family_rows(scored(ROWS))}
    assert list(rows) == ["trained", "template", "spelling"]
    assert {
        name: (row.probes, row.greedy.hits, row.greedy.total, row.alone) for name, row in rows.items()
    } == {
        "trained": (1, 1, 1, 1),
        "template": (3, 1, 3, 0),
        "spelling": (2, 2, 2, 1),
    }


def test_more_tries_give_more_away_and_decoys_stay_behind():
    rows = tries_rows(scored(ROWS))
    assert rows[0].facts == pytest.approx(np.mean([0.9, 0.01, 0.7, 0.5]))
    assert rows[1].decoys == pytest.approx(1 - (1 - 0.0001) ** 10)
    shares = [row.facts for row in rows]
    assert shares == sorted(shares)
    assert all(row.decoys <= row.facts for row in rows)
    assert tries_rows(scored(ROWS[:6]))[0].decoys is None


def test_a_sample_is_spread_over_types_and_seeded():
    targets = [
        Target(subject="Ada", relation=relation, answer=str(n), personal=True, group="erased")
        for relation, count in (("A", 50), ("B", 3))
        for n in range(count)
    ]
    chosen = spread(targets, 10, seed=1)
    assert [sum(t.relation == name for t in chosen) for name in "AB"] == [7, 3]
    assert chosen == spread(targets, 10, seed=1) != spread(targets, 10, seed=2)
    assert len(spread(targets, 1_000, seed=1)) == 53
