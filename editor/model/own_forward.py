"""The fast passes compared with the model's own forward, run on one text alone.

Answers are scored by passes that save work: texts are padded into batches, what prompts begin with is run once, the
output head is applied where somebody looks. Not every model gives the same so: a recurrent one has a state that no
cache of keys and values holds, another minds padding. A verdict must not depend on that. So these passes are run on
texts of the run itself, just as they will be, and their logits compared with those of the plain forward.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from editor.model.forward import logit_blocks
from editor.model.generation import complete_together, together
from editor.model.loading import LoadedModel, quiet
from editor.model.passes import Passes
from editor.model.shared_prefix import answer_passes
from editor.model.tokens import TokenSequence
from policies.errors import ModelError

TOLERANCE = 1e-4
"""Largest difference of logits in float32, as a share of the largest logit."""
FEWEST_ROUNDINGS, MOST_ROUNDINGS = 4, 16
"""The same in a dtype that rounds more, in roundings of the largest logit: least and most."""
SPREADS = 4
"""Multiple of what batching alone changes in such a dtype that is allowed between the two."""
LIKELIEST = 16
"""Tokens that are compared at each place, beside the right one."""
HALVED = 2
"""Texts that are run with half of their prompts too."""
COMPLETED = 6
"""Tokens that are generated after each prompt."""
ALONE = Passes(shared=False, padded=False, batched=False)


def compare_passes(loaded: LoadedModel, sequences: Sequence[TokenSequence]) -> Passes:
    """Return the passes that give what the model's own forward gives.

    Args:
        loaded: the model.
        sequences: prompts with marked answers, of several lengths.

    Raises:
        ModelError: the model's own forward fails, or looks ahead.
    """
    texts = [replace(sequence, index=place) for place, sequence in enumerate(_with_twins(sequences, loaded))]
    if not texts:
        return loaded.passes
    with torch.no_grad(), quiet():
        return _Comparison(loaded, texts).passes()


def _with_twins(sequences: Sequence[TokenSequence], loaded: LoadedModel) -> list[TokenSequence]:
    """Return sequences, each with another that has the same prompt and the next one's answer.

    Some follow with half of their prompts, so that lengths differ however alike the questions are.
    """
    usable = [sequence for sequence in sequences if any(sequence.marked)]
    twins = []
    for sequence, following in zip(usable, [*usable[1:], *usable[:1]], strict=True):
        first, other = sequence.marked.index(True), following.marked.index(True)
        ids = (sequence.ids[:first] + following.ids[other:])[: loaded.context_length]
        marked = (sequence.marked[:first] + following.marked[other:])[: loaded.context_length]
        twins.append(TokenSequence(ids=ids, marked=marked, index=0))
    return [text for pair in zip(usable, twins, strict=True) for text in pair] + [
        _halved(sequence) for sequence in usable[-HALVED:]
    ]


def _halved(sequence: TokenSequence) -> TokenSequence:
    start = sequence.marked.index(True) // 2
    return replace(sequence, ids=sequence.ids[start:], marked=(False, *sequence.marked[start + 1 :]))


@dataclass(frozen=True, kw_only=True)
class _Plain:
    """What the model's own forward says where a text's marked tokens are predicted.

    Attributes:
        tokens: the marked token and the likeliest, (marked, tokens).
        logits: their logits, less the logarithm of the sum of all, (marked, tokens).
        scale: the largest logit.
    """

    tokens: Int[Tensor, "marked tokens"]
    log_p: Float[Tensor, "marked tokens"]
    scale: float


class _Comparison:
    """One model's passes against its own forward."""

    def __init__(self, loaded: LoadedModel, texts: Sequence[TokenSequence]) -> None:
        self.loaded, self.texts = loaded, texts
        self.plain = [self._plain(text) for text in texts]
        # Cut to one length, every token asked for.
        length = min(len(text.ids) for text in texts)
        self.cut = [replace(text, ids=text.ids[:length], marked=_all(length)) for text in texts]
        self.plain_cut = [self._plain(text) for text in self.cut]
        self.scale = max(1.0, *(one.scale for one in (*self.plain, *self.plain_cut)))
        self.tolerance = self._tolerance()
        self._check_causal(max(texts, key=lambda text: len(text.ids)).ids)

    def passes(self) -> Passes:
        """Return the passes that are right, each tried with those that were found right before it."""
        found = replace(ALONE, head=self._is_right(ALONE))
        if self._is_right(replace(found, batched=True, padded=True)):
            found = replace(found, batched=True, padded=True)
        elif self._same(lambda: self._read(replace(found, batched=True), self.cut, self.plain_cut)):
            found = replace(found, batched=True)
        if found.head and found.padded:
            longest = max(self.texts, key=lambda text: text.marked.index(True))
            root = longest.ids[: longest.marked.index(True) // 2]
            shared = replace(found, shared=True)
            found = replace(found, shared=self._is_right(shared) and self._is_right(shared, [root]))
        return replace(self._generating(found), compared=True)

    def _generating(self, found: Passes) -> Passes:
        """Return the passes with how texts are to be generated."""
        for cached in (True, False):
            for mixed in (True, False) if found.batched else (False,):
                passes = replace(found, mixed=mixed, cached=cached)
                if self._goes_on_as_plain(passes):
                    # Where texts are run one by one nothing is lost by it.
                    return replace(passes, mixed=mixed or not found.batched)
        return replace(found, mixed=False, cached=False)

    def _plain(self, text: TokenSequence) -> _Plain:
        logits = self._own_logits(text.ids)
        asked = torch.tensor(text.marked, device=logits.device).roll(-1)
        asked[-1] = False
        logits, right = logits[asked], torch.tensor(text.ids, device=logits.device).roll(-1)[asked, None]
        likeliest = logits.topk(min(LIKELIEST, logits.shape[1]), dim=1).indices
        tokens = torch.cat([right, likeliest], dim=1)
        scale = float(logits.abs().max()) if len(logits) else 0.0
        return _Plain(tokens=tokens, log_p=logits.log_softmax(1).gather(1, tokens), scale=scale)

    def _own_logits(self, ids: Sequence[int]) -> Float[Tensor, "positions vocabulary"]:
        """Return the logits of the model's own forward on one text."""
        given = torch.tensor([list(ids)], device=self.loaded.device)
        try:
            logits: Tensor = self.loaded.model(input_ids=given, use_cache=False).logits[0]
        except Exception as error:
            raise ModelError(
                f"The forward pass of {type(self.loaded.model).__name__} fails ({type(error).__name__})",
                "Use a causal language model that this release of transformers runs",
            ) from error
        return logits if logits.dtype == torch.float64 else logits.float()

    def _check_causal(self, ids: Sequence[int]) -> None:
        """Refuse a model that sees the answer before it gives it, as BERT's kind does."""
        half = max(1, len(ids) // 2)
        whole, begun = (self._own_logits(some).log_softmax(1)[:half] for some in (ids, ids[:half]))
        if not self._same(lambda: float((whole - begun).abs().nan_to_num(nan=0.0).max())):
            raise ModelError(
                f"{type(self.loaded.model).__name__} predicts a token from those after it",
                "Name a causal language model; of an encoder, set is_decoder in its config.json",
            )

    def _tolerance(self) -> float:
        """Return the difference of ln p that is rounding, in nats."""
        rounding = torch.finfo(self.loaded.model.dtype).eps
        if rounding < TOLERANCE:
            return TOLERANCE * self.scale
        least, most = (number * rounding * self.scale for number in (FEWEST_ROUNDINGS, MOST_ROUNDINGS))
        batched = replace(ALONE, head=False, batched=True)
        spread = self._difference(lambda: self._read(batched, self.cut, self.plain_cut))
        return min(max(least, SPREADS * spread), most)

    def _is_right(self, passes: Passes, roots: Sequence[tuple[int, ...]] | None = None) -> bool:
        return self._same(lambda: self._read(passes, self.texts, self.plain, roots))

    def _same(self, read: Callable[[], float]) -> bool:
        return self._difference(read) <= self.tolerance

    def _difference(self, read: Callable[[], float]) -> float:
        """Return what a pass is off by; a pass that fails, as without a cache that it knows, is off by any number."""
        try:
            return read()
        except Exception:  # models raise what they like
            return float("inf")

    def _read(
        self,
        passes: Passes,
        texts: Sequence[TokenSequence],
        plain: Sequence[_Plain],
        roots: Sequence[tuple[int, ...]] | None = None,
    ) -> float:
        """Return the largest difference of ln p between some passes and the own forward, in nats."""
        loaded, largest = replace(self.loaded, passes=passes), 0.0
        for batch, hidden in answer_passes(loaded, texts, roots=roots):
            tokens = torch.cat([plain[index].tokens for index in batch.indices])
            expected = torch.cat([plain[index].log_p for index in batch.indices])
            for place, logits in logit_blocks(loaded, hidden):
                log_p = logits.log_softmax(1).gather(1, tokens[place].to(logits.device))
                largest = max(largest, _largest(log_p, expected[place]))
        return largest

    def _goes_on_as_plain(self, passes: Passes) -> bool:
        """Return whether generation after the prompts has the logits of the own forward."""
        room = max(1, self.loaded.context_length - COMPLETED)
        prompts = {text.ids[: text.marked.index(True)][:room] for text in self.texts} - {()}
        # Some of one length too: a cache may be right for one text, and wrong for several.
        shortest = min(map(len, prompts), default=0)
        prompts |= {prompt[-shortest:] for prompt in prompts}
        return self._same(lambda: self._going_on(passes, sorted(prompts)))

    def _going_on(self, passes: Passes, prompts: Sequence[Sequence[int]]) -> float:
        """Return the largest difference of ln p between generation and the own forward on what it made, in nats."""
        from transformers import LogitsProcessorList

        loaded, largest = replace(self.loaded, passes=passes), 0.0
        for places in together(loaded, prompts):
            seen = _Seen()
            some = [prompts[place] for place in places]
            made = complete_together(loaded, some, COMPLETED, logits_processor=LogitsProcessorList([seen]))
            for prompt, tokens, logits in zip(some, made, torch.stack(seen.logits, dim=1), strict=True):
                plain = self._plain(_going_on(prompt, tokens))
                log_p = logits.log_softmax(1).gather(1, plain.tokens.to(logits.device))
                largest = max(largest, _largest(log_p, plain.log_p))
        return largest


class _Seen:
    """The logits of every step of a generation, which it leaves as they are."""

    def __init__(self) -> None:
        self.logits: list[Tensor] = []

    def __call__(self, ids: Tensor, scores: Tensor) -> Tensor:  # noqa: ARG002
        """Note the logits of one step."""
        self.logits.append(scores)
        return scores


def _largest(log_p: Tensor, expected: Tensor) -> float:
    """Return the largest difference of logarithms; equal infinities do not differ, and what is no number does."""
    expected = expected.to(log_p.device)
    off = torch.where(log_p == expected, 0.0, (log_p - expected).abs())
    return float(off.nan_to_num(nan=torch.inf).max()) if off.numel() else 0.0


def _going_on(prompt: Sequence[int], made: Sequence[int]) -> TokenSequence:
    marked = (*[False] * len(prompt), *[True] * len(made))
    return TokenSequence(ids=(*prompt, *made), marked=marked, index=0)


def _all(length: int) -> tuple[bool, ...]:
    return (False, *[True] * (length - 1))
