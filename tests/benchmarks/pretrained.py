"""Auditing a pretrained model with a large vocabulary, against generation; where examples/smollm2 is built."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

from editor.case import CaseFiles, open_case
from editor.measuring.aggregate import score_probes
from editor.measuring.evaluation_data import prepare
from editor.model.loading import load_model
from policies import load_policy, load_request
from tests.benchmarks.audit import Row, against_single

BUILT = Path(__file__).parents[2] / "build" / "smollm2"
PROBES = 600
"""Questions of the audit that are scored, drawn by facts: each with all of its decoys, as in an audit."""
ONE_BY_ONE = 20


def pretrained_rows() -> Iterator[Row]:
    """Score questions about some people and complete a few one by one; nothing where the model is not built."""
    if not (BUILT / "model" / "config.json").is_file():
        return
    policy = load_policy("gdpr")
    files = CaseFiles(corpus=BUILT / "corpus.jsonl", probes=BUILT / "probes.jsonl")
    case = open_case(files, policy, load_request(BUILT / "request.yaml"), seed=policy.seed)
    loaded = load_model(str(BUILT / "model"), device="cpu")
    measured = prepare(case, loaded, wide=True).measured
    people = sorted({probe.target.subject for probe in measured})
    random.Random(0).shuffle(people)
    probes = []
    for person in people:
        probes += [probe for probe in measured if probe.target.subject == person]
        if len(probes) >= PROBES:
            break
    begin = time.perf_counter()
    scored = score_probes(loaded, probes, policy.decoding)
    seconds = time.perf_counter() - begin
    what = f"SmolLM2-135M: {len(probes):,} of {len(measured):,} questions of an audit"
    yield against_single(loaded, probes, scored.scores.greedy.tolist(), seconds, what=what, run=ONE_BY_ONE)
