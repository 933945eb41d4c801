"""Tokens of probes as a model is asked: running text, a user's question to a chat model, or a conversation."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from detectors.conversation import ASSISTANT, SYSTEM, USER, Utterance, read_turns
from editor.model.checks.vocabulary import refuse_beyond
from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence, encode_answers, joiner
from editor.questions.probes import Probe
from policies.errors import ModelError

ASK = "Complete this text. Write nothing else: {prompt}"
SPOKEN = ("template", "held_out", "spelling")
"""Wordings that a user would write. The others come from documents and are asked as running text."""
QUESTION_MARKS = ("?", "\uff1f", "\u061f", "\u037e")
"""Ends of a question in Latin and fullwidth, Arabic and Greek writing: it is put as it is."""


def encode_probes(loaded: LoadedModel, probes: Sequence[Probe]) -> list[TokenSequence]:
    """Tokenise probes with their answers marked; a sequence's `index` is its place in the list.

    Raises:
        ModelError: the template refuses a conversation, or a question holds a token beyond the model's embedding.
    """
    asked = [ask(loaded, probe) for probe in probes]
    sequences: list[TokenSequence | None] = [None] * len(probes)
    for framed in (False, True):
        places = [place for place, (_, is_framed) in enumerate(asked) if is_framed is framed]
        pairs = [(asked[place][0], probes[place].answer) for place in places]
        found = encode_answers(loaded.tokenizer, pairs, loaded.context_length, special=not framed, join=False)
        for place, sequence in zip(places, found, strict=True):
            sequences[place] = replace(sequence, index=place)
            if loaded.usable_tokens is not None:
                refuse_beyond(sequence.ids, loaded.usable_tokens)
    return [sequence for sequence in sequences if sequence is not None]


def ask(loaded: LoadedModel, probe: Probe) -> tuple[str, bool]:
    """Return all the text before a probe's answer, and whether the chat template made it.

    - A conversation, up to where its answer begins, is put into the template as it was held. A model without a
      template reads its turns a line each.
    - What a user would write is put to a chat model as its user's turn: a question as it is; the beginning of a
      sentence with the order to complete it, and then again as the beginning of the answer, so that what the model
      would say before the secret does not hide the secret.
    - Everything else is running text.

    Raises:
        ModelError: the template refuses the conversation, or the system prompt.
    """
    prompt = probe.prompt
    turns = read_turns(prompt)
    if turns:
        begun = turns.pop().text if turns[-1].role == ASSISTANT else ""
        if not loaded.chat:
            return _joined("\n".join([*(turn.text for turn in turns), begun])), False
    elif loaded.chat and probe.wording in SPOKEN:
        is_question = prompt.rstrip().endswith(QUESTION_MARKS)
        turns = [Utterance(USER, prompt if is_question else ASK.format(prompt=prompt))]
        begun = "" if is_question else prompt
    else:
        return _joined(prompt), False
    framed = _framed(loaded, turns)
    # Where the answer is not begun the template alone says what stands before it.
    return _joined(framed + begun) if begun else framed, True


def ask_plainly(loaded: LoadedModel, prompt: str) -> list[int]:
    """Return the tokens of what somebody typed: a turn of the user's where the model is a chat, else running text.

    Raises:
        ModelError: the template refuses it, or it holds a token beyond the model's embedding.
    """
    text = _framed(loaded, [Utterance(USER, prompt)]) if loaded.chat else prompt
    ids: list[int] = loaded.tokenizer(text, add_special_tokens=not loaded.chat)["input_ids"]
    if loaded.usable_tokens is not None:
        refuse_beyond(ids, loaded.usable_tokens)
    return ids


def _joined(prompt: str) -> str:
    return prompt + joiner(prompt)


def _framed(loaded: LoadedModel, turns: Sequence[Utterance]) -> str:
    """Return turns in the tokenizer's chat template, up to where the model answers.

    Raises:
        ModelError: the template refuses the system prompt or the conversation.
    """
    said: list[dict[str, Any]] = [{"role": turn.role, "content": turn.text} for turn in turns]
    if loaded.system_prompt and not any(turn.role == SYSTEM for turn in turns):
        said.insert(0, {"role": SYSTEM, "content": loaded.system_prompt})
    try:
        text: str = loaded.tokenizer.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
    except Exception as error:  # templates are programs, and raise what they like
        raise ModelError(
            f"The chat template of {loaded.source} refuses the conversation ({type(error).__name__})",
            "Leave out --system-prompt, or give --no-chat",
        ) from None
    return text


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
    asked = [ask(loaded, probe)[0] for probe in probes]
    texts = [prompt + probe.answer for prompt, probe in zip(asked, probes, strict=True)]
    encoded = loaded.tokenizer(texts, return_offsets_mapping=True)["offset_mapping"]
    places = []
    for prompt, probe, sequence, offsets in zip(asked, probes, sequences, encoded, strict=True):
        end = prompt.rindex(probe.target.subject) + len(probe.target.subject)
        # Counted from the end, because beginnings are framed and cut.
        after = sum(start >= end for start, _ in offsets)
        places.append(max(0, len(sequence.ids) - after - 1))
    return places
