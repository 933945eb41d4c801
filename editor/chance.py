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
    strangers = make_strangers(names, STRANGERS, seed)
    totals: list[Tensor | None] = [None] * len(probes)
    for stranger in strangers:
        for index, probability in _probabilities(loaded, probes, stranger):
            before = totals[index]
            totals[index] = probability if before is None else before + probability
    own = encode_probes(loaded, probes)
    return [
        torch.full((sum(sequence.marked),), -torch.inf, device=loaded.device)
        if total is None or len(total) != sum(sequence.marked)
        else (total / len(strangers)).log()
        for total, sequence in zip(totals, own, strict=True)
    ]


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
    loaded: LoadedModel, probes: Sequence[Probe], stranger: str
) -> list[tuple[int, Float[Tensor, " tokens"]]]:
    """The answers' token probabilities with `stranger` in the subject's place."""
    asked = [(i, p) for i, p in enumerate(probes) if p.target.subject in p.prompt]
    renamed = [replace(p, prompt=p.prompt.replace(p.target.subject, stranger)) for _, p in asked]
    found = []
    for batch in batches(
        encode_probes(loaded, renamed), pad=loaded.tokenizer.pad_token_id or 0, device=loaded.device
    ):
        p = marked_logits(loaded.model, batch).softmax(1).gather(1, batch.targets[:, None])[:, 0]
        found += [(asked[index][0], p[batch.rows == row]) for row, index in enumerate(batch.indices)]
    return found
