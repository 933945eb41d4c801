"""Open sampling: texts generated from nothing, searched for the known facts and for anything personal."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from detectors import Fact, Register
from editor.model.generation import no_settings, seeded
from editor.model.loading import LoadedModel
from editor.results.evidence import OpenText
from editor.results.parts import Rate
from policies import Policy

if TYPE_CHECKING:
    from detectors.engine import Engine

LENGTH = 128
"""Most tokens of a text."""
AT_A_TIME = 32
"""Texts generated together."""


def sample_open_text(
    loaded: LoadedModel,
    policy: Policy,
    facts: Sequence[Fact],
    *,
    texts: int,
    seed: int,
    progress: Callable[[int], None] | None = None,
) -> OpenText:
    """Generate texts at temperature 1 from the beginning-of-text token, and look through them.

    Args:
        loaded: the model.
        policy: the policy, which says what detectors look for.
        facts: the facts in scope.
        texts: number of texts to generate.
        seed: the seed of sampling.
        progress: called with the number of texts after each batch.
    """
    secrets, owners, names = Register(), defaultdict(set), Register()
    for fact in facts:
        secrets.add(fact.secret)
        owners[secrets.canonical(fact.secret)].add(fact)
        names.add_person(fact.subject)
    engine = _engine(policy, names)
    found: set[Fact] = set()
    beside: set[Fact] = set()
    others: Counter[str] = Counter()
    tokens = 0
    with seeded(loaded, seed):
        for text, length in _generate(loaded, texts, progress):
            tokens += length
            mentions = secrets.find_read(text)
            here = {fact for mention in mentions for fact in owners[mention.subject]}
            named = {mention.subject for mention in names.find(text)}
            found |= here
            beside |= {fact for fact in here if names.canonical(fact.subject) in named}
            for span in engine.scan(text).spans if engine else ():
                if not any(m.start < span.end and span.start < m.end for m in mentions):
                    others[span.entity_type] += span.entity_type != "PERSON"
    return OpenText(
        texts=texts,
        tokens=tokens,
        facts=Rate(hits=len(found), total=len(set(facts))),
        beside_subject=len(beside),
        others={kind: number for kind, number in sorted(others.items()) if number},
        detection=engine is not None,
    )


def _engine(policy: Policy, names: Register) -> "Engine | None":
    """Return the detectors, None where Presidio is not installed."""
    try:
        from detectors.engine import Engine

        return Engine(policy, names)
    except ImportError:
        return None


@torch.no_grad()
def _generate(
    loaded: LoadedModel, texts: int, progress: Callable[[int], None] | None
) -> Iterator[tuple[str, int]]:
    """Yield texts with their lengths in tokens."""
    from transformers import GenerationConfig

    tokenizer = loaded.tokenizer
    candidates = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, 0)
    start = next(token for token in candidates if token is not None)
    end = tokenizer.eos_token_id
    plain = GenerationConfig(
        max_new_tokens=min(LENGTH, loaded.context_length - 1),
        do_sample=True,
        temperature=1.0,
        top_k=0,
        top_p=1.0,
        eos_token_id=end,
        pad_token_id=loaded.pad_id,
        use_cache=loaded.passes.cached,
    )
    most = AT_A_TIME if loaded.passes.batched else 1
    for done in range(0, texts, most):
        rows = min(most, texts - done)
        ids = torch.full((rows, 1), start, device=loaded.device)
        with no_settings(loaded.model):
            made = loaded.model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=plain
            )
        for row in made[:, 1:].tolist():
            length = row.index(end) if end in row else len(row)
            yield tokenizer.decode(row[:length]), length
        if progress is not None:
            progress(rows)
