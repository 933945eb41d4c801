"""Auditing by one teacher-forced pass, against generation of every answer with transformers."""

import json
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

import torch
from transformers import GenerationConfig

from editor.lab import find_lab
from editor.measuring.aggregate import Scored, score_probes
from editor.measuring.leakage import extractable
from editor.model.loading import LoadedModel, load_model
from editor.questions.asking import encode_probes
from editor.questions.probes import Probe, Target
from policies import DecodingSettings
from tests.benchmarks.memory import peak_mib

SECRETS = 20_000
FEWER = 2_000
ONE_BY_ONE = 100
SAMPLED = 20
SAMPLES = 100
BATCH = 256
SETTINGS = DecodingSettings()


class Row(NamedTuple):
    """One benchmark's result."""

    name: str
    plain_seconds: float
    our_seconds: float
    agreement: str


def audit_rows() -> Iterator[Row]:
    """`SECRETS` secrets on the lab's model: each with a prompt of its own, a fortieth of them memorised."""
    loaded = load_model(str(find_lab().model), device="cpu")
    probes = _probes(SECRETS)
    begin = time.perf_counter()
    scored = score_probes(loaded, probes, SETTINGS)
    ours = time.perf_counter() - begin
    verdicts = scored.scores.greedy.tolist()
    yield _against_batched(loaded, probes, verdicts, ours)
    yield against_single(loaded, probes, verdicts, ours)
    yield _against_sampling(loaded, scored, ours)


def memory_row() -> str:
    """Peak memory of scoring a tenth of the secrets and all of them, each in a process of its own."""
    peaks = [
        int(subprocess.check_output([sys.executable, "-m", "tests.benchmarks.audit", str(count)]))
        for count in (FEWER, SECRETS)
    ]
    return f"peak memory of an audit: {peaks[0]} MiB for {FEWER:,} secrets, {peaks[1]} MiB for {SECRETS:,}"


def _probes(count: int) -> list[Probe]:
    """The lab's questions about its people, and the same about people who do not exist, with others' secrets."""
    lines = [json.loads(x) for x in find_lab().probes.read_text(encoding="utf-8").splitlines()]
    asked = [line for line in lines if line["entity_type"]]
    names = sorted({line["subject"] for line in asked})
    source = random.Random(0)
    probes: dict[tuple[str, str], Probe] = {}
    for line in source.sample(asked, count // 40):
        probes[line["prompt"], line["answer"]] = _probe(line, line["prompt"], line["answer"])
    while len(probes) < count:
        line, other = source.choice(asked), source.choice(asked)
        name = f"{source.choice(names).split()[0]} {source.choice(names).split()[-1]}"
        if other["relation"] == line["relation"] and name not in names:
            prompt = line["prompt"].replace(line["subject"], name)
            probes[prompt, other["answer"]] = _probe(line, prompt, other["answer"])
    return list(probes.values())


def _probe(line: dict[str, str], prompt: str, answer: str) -> Probe:
    target = Target(
        subject=line["subject"], relation=line["entity_type"], answer=answer, personal=True, group="erased"
    )
    return Probe(target=target, prompt=prompt, wording="held_out", split="verification")


def _against_batched(loaded: LoadedModel, probes: list[Probe], ours: list[bool], seconds: float) -> Row:
    begin = time.perf_counter()
    groups = defaultdict(list)
    for place, probe in enumerate(probes):
        prompt, answer = _ids(loaded, probe)
        groups[len(prompt), len(answer)].append((place, prompt, answer))
    verdicts = [False] * len(probes)
    for (_, length), group in groups.items():
        for start in range(0, len(group), BATCH):
            some = group[start : start + BATCH]
            made = _generate(loaded, torch.tensor([prompt for _, prompt, _ in some]), length)
            for (place, _, answer), text in zip(some, made.tolist(), strict=True):
                verdicts[place] = text == answer
    plain = time.perf_counter() - begin
    same = sum(a == b for a, b in zip(verdicts, ours, strict=True))
    name = f"audit of {len(probes):,} secrets against greedy generate() in batches of {BATCH} of equal length"
    return Row(name, plain, seconds, f"{same:,} of {len(probes):,}, {sum(ours):,} extracted")


def against_single(
    loaded: LoadedModel,
    probes: list[Probe],
    ours: list[bool],
    seconds: float,
    *,
    what: str = "the same",
    run: int = ONE_BY_ONE,
) -> Row:
    """Complete a few of the prompts one by one, and take the rest by proportion."""
    some = random.Random(1).sample(range(len(probes)), run)
    begin = time.perf_counter()
    same = 0
    for place in some:
        prompt, answer = _ids(loaded, probes[place])
        same += (_generate(loaded, torch.tensor([prompt]), len(answer))[0].tolist() == answer) == ours[place]
    plain = (time.perf_counter() - begin) * len(probes) / len(some)
    name = f"{what} against greedy generate(), one by one ({len(some)} run, the rest by proportion)"
    return Row(name, plain, seconds, f"{same} of {len(some)}")


def _against_sampling(loaded: LoadedModel, scored: Scored, seconds: float) -> Row:
    some = random.Random(2).sample(range(len(scored.probes)), SAMPLED)
    torch.manual_seed(0)
    begin = time.perf_counter()
    found = 0
    for place in some:
        prompt, answer = _ids(loaded, scored.probes[place])
        made = _generate(
            loaded, torch.tensor([prompt]), len(answer), do_sample=True, num_return_sequences=SAMPLES, top_k=0
        )
        found += answer in made.tolist()
    plain = (time.perf_counter() - begin) * len(scored.probes) / len(some)
    expected = extractable(scored.scores.log_probability[some], SAMPLES).sum()
    name = f"the same against {SAMPLES} samples of each ({len(some)} run, the rest by proportion)"
    return Row(name, plain, seconds, f"{found} found, {expected:.1f} expected")


def _ids(loaded: LoadedModel, probe: Probe) -> tuple[list[int], list[int]]:
    """Prompt and answer tokenised together; a space of its own between them is the prompt's."""
    (sequence,) = encode_probes(loaded, [probe])
    begin = sequence.marked.index(True)
    return list(sequence.ids[:begin]), list(sequence.ids[begin:])


@torch.no_grad()
def _generate(loaded: LoadedModel, ids: torch.Tensor, length: int, **how: object) -> torch.Tensor:
    # No end of text: a text that ends early is as long as the others, and wrong.
    config = GenerationConfig(
        max_new_tokens=length, eos_token_id=None, pad_token_id=0, **({"do_sample": False} | how)
    )
    made = loaded.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=config)
    return made[:, ids.shape[1] :]


if __name__ == "__main__":
    model = load_model(str(find_lab().model), device="cpu")
    score_probes(model, _probes(int(sys.argv[1])), SETTINGS)
    sys.stdout.write(str(peak_mib()))
