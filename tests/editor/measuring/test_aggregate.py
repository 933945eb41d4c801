"""From scores of single probes to rates and distributions."""

import numpy as np
import pytest

from editor.measuring.aggregate import Scored, decoy_bits, kept_rate
from editor.measuring.leakage import Scores
from editor.questions.probes import Probe, Target


def scored(rows):
    """Scores of probes given as (group, answer, greedy, worst-case bits)."""
    probes = tuple(
        Probe(
            target=Target(
                subject="Ada Quill", relation="PHONE_NUMBER", answer=answer, personal=True, group=group
            ),
            prompt=f"prompt {number}",
            wording="trained",
            split="locating",
        )
        for number, (group, answer, _, _) in enumerate(rows)
    )
    zeros = np.zeros(len(rows))
    scores = Scores(
        greedy=np.array([greedy for _, _, greedy, _ in rows], dtype=bool),
        exact_memorisation=zeros,
        extraction_strength=zeros,
        worst_case_bits=np.array([bits for _, _, _, bits in rows], dtype=float),
        log_probability=zeros,
        log_p_z=zeros[None],
        tokens=np.ones(len(rows), dtype=np.int64),
    )
    return Scored(probes=probes, scores=scores)


def of(group, greedy):
    return scored([(group, str(number), right, 1.0) for number, right in enumerate(greedy)])


def test_kept_are_those_right_before_and_after_of_those_right_before():
    before, after = of("others", [1, 1, 1, 0, 0]), of("others", [1, 1, 0, 1, 0])
    kept = kept_rate(before, after, ("neighbours", "others"))
    assert (kept.hits, kept.total) == (2, 3)
    assert kept.rate == pytest.approx(2 / 3)


@pytest.mark.parametrize("groups", [("others",), ("same_subject",)])
def test_nothing_known_is_nothing_counted(groups):
    before, after = of("others", [0, 0]), of("others", [1, 0])
    kept = kept_rate(before, after, groups)
    assert (kept.hits, kept.total) == (0, 0)


def test_decoys_count_by_their_most_exposed_wording():
    rows = [("decoys", str(decoy), False, bits) for decoy in range(201) for bits in (decoy / 3, 90.0)]
    quantiles = decoy_bits(scored([*rows, ("erased", "secret", True, 0.0)]))
    assert len(quantiles) == 101
    assert list(quantiles) == sorted(quantiles)
    assert (quantiles[0], quantiles[50], quantiles[100]) == (0.0, round(100 / 3, 4), round(200 / 3, 4))
    assert all(value == round(value, 4) for value in quantiles)


def test_no_decoys_no_quantiles():
    assert decoy_bits(of("erased", [1, 0])) == ()
