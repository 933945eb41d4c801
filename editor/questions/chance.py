"""Chance levels of a secret's tokens: what its format and the secrets of others tell about it.

A token that format fixes (a dash, ".example") says nothing about the person: pushing it down hides nothing and
damages everybody's records. A digit is down to chance where it is as probable as it is among other secrets.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from editor.model.loading import LoadedModel
from editor.model.tokens import answer_spans
from editor.questions.asking import ask
from editor.questions.probes import Probe
from editor.questions.secret_format import SecretFormat


def chance_levels(
    loaded: LoadedModel, probes: Sequence[Probe], known: SecretFormat
) -> list[Float[Tensor, " tokens"]]:
    """Return, for each probe, ln p of its answer's tokens for one who knows the format and all other secrets.

    Args:
        loaded: the model whose tokenizer decides what a token is.
        probes: prompts with their answers.
        known: the format of everybody's secrets.

    Returns:
        One tensor (answer tokens,) for each probe, in nats: 0 where format fixes the token.
    """
    levels = []
    for probe in probes:
        shares = known.shares(probe.target.relation, probe.target.answer)
        spans = answer_spans(loaded.tokenizer, ask(loaded, probe)[0], probe.target.answer, join=False)
        values = [sum(math.log(share) for share in shares[start:end]) for start, end in spans]
        levels.append(torch.tensor(values, device=loaded.device))
    return levels
