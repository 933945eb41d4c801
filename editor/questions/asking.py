"""Tokens of probes as a model is asked: running text or, for a chat model, a user's question."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence, encode_answers, joiner
from editor.questions.probes import Probe
from policies.errors import ModelError

ASK = "Complete this text. Write nothing else: {prompt}"
SPOKEN = ("template", "held_out", "spelling")
"""Wordings that a user would write. The others come from documents and are asked as running text."""


def encode_probes(loaded: LoadedModel, probes: Sequence[Probe]) -> list[TokenSequence]:
    """Tokenise probes with their answers marked; a sequence's `index` is its place in the list."""
    spoken = [loaded.chat and probe.wording in SPOKEN for probe in probes]
    sequences: list[TokenSequence | None] = [None] * len(probes)
    for framed in (False, True):
        places = [place for place, is_spoken in enumerate(spoken) if is_spoken is framed]
        asked = [
            (frame(loaded, probes[p].prompt) if framed else probes[p].prompt, probes[p].answer)
            for p in places
        ]
        found = encode_answers(loaded.tokenizer, asked, loaded.context_length, special=not framed)
        for place, sequence in zip(places, found, strict=True):
            sequences[place] = replace(sequence, index=place)
    return [sequence for sequence in sequences if sequence is not None]


def frame(loaded: LoadedModel, prompt: str) -> str:
    """Return the prompt as a user's turn in the tokenizer's chat template, then again as the answer's beginning.

    The answer is begun for the model, so that what it would say before the secret does not hide the secret.

    Raises:
        ModelError: the template refuses the system prompt or the conversation.
    """
    turns: list[dict[str, Any]] = [{"role": "user", "content": ASK.format(prompt=prompt)}]
    if loaded.system_prompt:
        turns.insert(0, {"role": "system", "content": loaded.system_prompt})
    try:
        text = loaded.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # templates are programs, and raise what they like
        raise ModelError(
            f"The chat template of {loaded.source} refuses the conversation ({type(error).__name__})",
            "Leave out --system-prompt, or give --no-chat",
        ) from None
    return f"{text}{prompt}"


def name_ends(loaded: LoadedModel, probes: Sequence[Probe], sequences: Sequence[TokenSequence]) -> list[int]:
    """Return the place of the last token of the subject's name in each probe's tokens.

    Args:
        loaded: the model whose tokenizer is used.
        probes: probes whose prompts hold the subject's name.
        sequences: the same probes, tokenised by `encode_probes`.

    Raises:
        ValueError: a prompt does not hold the name.
    """
    if not probes:
        return []
    texts = [f"{probe.prompt}{joiner(probe.prompt)}{probe.answer}" for probe in probes]
    encoded = loaded.tokenizer(texts, return_offsets_mapping=True)["offset_mapping"]
    places = []
    for probe, sequence, offsets in zip(probes, sequences, encoded, strict=True):
        end = probe.prompt.rindex(probe.target.subject) + len(probe.target.subject)
        # Counted from the end, because beginnings are framed and cut.
        after = sum(start >= end for start, _ in offsets)
        places.append(max(0, len(sequence.ids) - after - 1))
    return places
