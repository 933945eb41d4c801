"""What chance alone knows: how probable a secret's tokens are where the model cannot know whose they are.

A probe's data subject is replaced by people who do not exist, made from first and last names of others. What the
model still predicts of the secret is format (a dash, an area code, ".example"): nothing about the person. An edit
that pushes such tokens further damages everybody's records and hides nothing.
"""

import random
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from editor.leakage import marked_logits
from editor.model import LoadedModel
from editor.probes import Probe
from editor.tokens import TokenSequence, batches, encode_answer

STRANGERS = 4
POOL = 40
ATTEMPTS = 1000


def chance_levels(
    loaded: LoadedModel, probes: Sequence[Probe], names: Sequence[str], *, seed: int
) -> list[Float[Tensor, " tokens"]]:
    """Return, for each probe, ln of the mean probability of its answer's tokens when strangers are asked about.

    Args:
        loaded: the unedited model.
        probes: prompts that name their subject.
        names: full names of all known subjects, from which strangers are made.
        seed: of the strangers.

    Returns:
        One tensor (answer tokens,) a probe, in nats; -inf throughout where no stranger can be made, or the
        prompt does not name its subject.
    """
    pool = make_strangers(names, POOL, seed)
    totals: list[list[Tensor]] = [[] for _ in probes]
    for turn in range(STRANGERS):
        asked = [(index, _stranger_to(probe, pool, turn)) for index, probe in enumerate(probes)]
        for index, probability in _probabilities(loaded, probes, asked):
            totals[index].append(probability)
    own = encode_probes(loaded, probes)
    return [
        _mean_log(total, sum(sequence.marked), loaded.device)
        for total, sequence in zip(totals, own, strict=True)
    ]


def _stranger_to(probe: Probe, pool: Sequence[str], turn: int) -> str | None:
    """A stranger who shares no part of the name with the probe's subject: half a name may be enough to recall."""
    own = set(probe.target.subject.split())
    fitting = [name for name in pool if not own & set(name.split())]
    return fitting[turn] if turn < len(fitting) and probe.target.subject in probe.prompt else None


def _mean_log(found: Sequence[Tensor], tokens: int, device: torch.device) -> Float[Tensor, " tokens"]:
    whole = [probability for probability in found if len(probability) == tokens]
    if not whole:
        return torch.full((tokens,), -torch.inf, device=device)
    return torch.stack(whole).mean(0).log()


def make_strangers(names: Sequence[str], count: int, seed: int) -> list[str]:
    """Full names that nobody bears, first and last names as they occur; fewer where too few are known."""
    parts = sorted({(name.split()[0], name.split()[-1]) for name in names if len(name.split()) > 1})
    known, found = set(names), dict[str, None]()
    source = random.Random(seed)
    for _ in range(ATTEMPTS if len(parts) > 1 else 0):
        name = f"{source.choice(parts)[0]} {source.choice(parts)[1]}"
        if name not in known:
            found[name] = None
        if len(found) == count:
            break
    return list(found)


def encode_probes(loaded: LoadedModel, probes: Sequence[Probe]) -> list[TokenSequence]:
    """Tokenise probes with their answers marked; `index` is the place in the list."""
    limit = loaded.context_length
    return [
        encode_answer(loaded.tokenizer, probe.prompt, probe.target.answer, index, limit)
        for index, probe in enumerate(probes)
    ]


def _probabilities(
    loaded: LoadedModel, probes: Sequence[Probe], asked: Sequence[tuple[int, str | None]]
) -> list[tuple[int, Float[Tensor, " tokens"]]]:
    """The answers' token probabilities with strangers in the subjects' places."""
    places = [(index, name) for index, name in asked if name is not None]
    renamed = [
        replace(probes[i], prompt=probes[i].prompt.replace(probes[i].target.subject, name))
        for i, name in places
    ]
    found = []
    pad = loaded.tokenizer.pad_token_id or 0
    for batch in batches(encode_probes(loaded, renamed), pad=pad, device=loaded.device):
        p = marked_logits(loaded.model, batch).softmax(1).gather(1, batch.targets[:, None])[:, 0]
        found += [(places[index][0], p[batch.rows == row]) for row, index in enumerate(batch.indices)]
    return found
