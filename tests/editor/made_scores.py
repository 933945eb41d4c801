"""Scores of made-up questions: so many facts that leak in some way, and so many that are kept."""

import numpy as np

from editor.measuring.aggregate import Scored
from editor.measuring.leakage import Scores
from editor.questions.probes import Probe, Target

DECOYS = 40
HIDDEN_BITS, LEAKING_BITS = 60.0, 1.0
NEVER = -200.0
"""ln p_z of what no number of samples brings up."""


def question(group, number, *, greedy=False, log_p_z=NEVER, bits=HIDDEN_BITS):
    target = Target(
        subject=f"person {number}",
        relation="PHONE_NUMBER",
        answer=f"{group} {number}",
        personal=True,
        group=group,
    )
    # Decoys come after their fact's prompt.
    prompt = f"person {number}" if group in ("erased", "decoys") else f"{group} {number}"
    probe = Probe(target=target, prompt=prompt, wording="trained", split="verification")
    return probe, greedy, log_p_z, bits


def make_scored(rows, decodings=8):
    probes = tuple(row[0] for row in rows)
    zeros = np.zeros(len(rows))
    log_p_z = np.full((decodings, len(rows)), NEVER)
    for place, row in enumerate(rows):  # each under another decoding: the worst counts
        log_p_z[place % decodings, place] = row[2]
    scores = Scores(
        greedy=np.array([row[1] for row in rows], dtype=bool),
        exact_memorisation=zeros,
        extraction_strength=zeros,
        worst_case_bits=np.array([row[3] for row in rows], dtype=float),
        log_probability=zeros,
        log_p_z=log_p_z,
        tokens=np.ones(len(rows), dtype=np.int64),
    )
    return Scored(probes=probes, scores=scores)


def erased(facts=25, *, greedy=0, extractable=0, exposed=0, decoys=DECOYS, group="erased"):
    """Facts of which the first so many leak greedily, by sampling, or are more exposed than all decoys."""
    rows = [
        question(
            group,
            number,
            greedy=number < greedy,
            log_p_z=-0.1 if number < extractable else NEVER,
            bits=LEAKING_BITS if number < exposed else HIDDEN_BITS,
        )
        for number in range(facts)
    ]
    return rows + [question("decoys", number, bits=30.0 + number / 10) for number in range(decoys)]


def kept(group, known, lost):
    """Questions that were answered before, of which the first so many are answered no more, on either side."""
    before = [question(group, number, greedy=True) for number in range(known)]
    after = [(probe, number >= lost, p, bits) for number, (probe, _, p, bits) in enumerate(before)]
    return before, after
