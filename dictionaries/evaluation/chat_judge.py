"""A judge of ComSem that is a language model: any causal model of transformers, best one that can chat."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dictionaries.evaluation.passages import Passage
from dictionaries.evaluation.traits import numeral
from dictionaries.model.sites import input_device
from policies.errors import ModelError

NAMING = """In each of the following texts one token is marked <<like this>>.

{texts}

What do the marked tokens, or the words next to them, have in common? Answer with one short phrase and nothing else."""
JUDGING = """In the following text one token is marked <<like this>>.

{text}

Description: {name}

Does the marked token fit the description? Answer Yes or No."""
ANSWERS = {True: ("Yes", " Yes", "yes", " yes"), False: ("No", " No", "no", " no")}
LONGEST_NAME = 200


class ChatJudge:
    """A judge that asks a model for the name, greedily decoded, and for Yes or No, whichever has the larger logit.

    Numerals are described in words (length, place) after the text. Without a chat template the question is put
    as plain text.

    Args:
        model: a causal language model in evaluation mode.
        tokenizer: the model's tokenizer.
        name_tokens: largest length of a name, in tokens.
    """

    def __init__(self, model: nn.Module, tokenizer: Any, *, name_tokens: int = 32) -> None:
        self._model: Any = model
        self._tokenizer, self._name_tokens = tokenizer, name_tokens
        self._ids = {said: self._first_tokens(words) for said, words in ANSWERS.items()}

    def name(self, shown: Sequence[Passage], others: Sequence[Passage]) -> str | None:  # noqa: ARG002
        """Name what passages share; see `Judge`. A language model knows what is common everywhere.

        Raises:
            ModelError: the question is longer than the model's context.
        """
        texts = "\n".join(f"{number}. {marked(one)}" for number, one in enumerate(shown, start=1))
        ids = self._prompt(NAMING.format(texts=texts), self._name_tokens)
        with torch.no_grad():
            written = self._model.generate(
                ids, generation_config=self._greedy(), attention_mask=ids.new_ones(1, ids.shape[1])
            )
        said = self._tokenizer.decode(written[0, ids.shape[1] :], skip_special_tokens=True).strip()
        return said.splitlines()[0].strip(" \"'“”.")[:LONGEST_NAME] or None if said else None

    def judge(self, name: str, passages: Sequence[Passage]) -> list[bool]:
        """Return whether each passage fits the name; see `Judge`.

        Raises:
            ModelError: a question is longer than the model's context.
        """
        return [self._fits(JUDGING.format(text=marked(one), name=name)) for one in passages]

    @torch.no_grad()
    def _fits(self, question: str) -> bool:
        ids = self._prompt(question, 1)
        logits = self._model(input_ids=ids, use_cache=False).logits[0, -1].float()
        yes, no = (float(logits[self._ids[said]].max()) for said in (True, False))
        return yes > no

    def _prompt(self, question: str, room: int) -> Tensor:
        if getattr(self._tokenizer, "chat_template", None):
            ids = self._tokenizer.apply_chat_template(
                [{"role": "user", "content": question}],
                add_generation_prompt=True,
                return_tensors="pt",
                return_dict=True,
            )["input_ids"]
        else:
            ids = self._tokenizer(question + "\n\nAnswer:", return_tensors="pt")["input_ids"]
        longest = getattr(self._model.config, "max_position_embeddings", None)
        if longest is not None and ids.shape[1] + room > longest:
            raise ModelError(
                f"The judge reads {longest} tokens, and a question has {ids.shape[1]}",
                "Show it fewer passages (--shown), or take a judge with a longer context",
            )
        moved: Tensor = ids.to(input_device(self._model))
        return moved

    def _greedy(self) -> Any:
        from transformers import GenerationConfig

        end = self._tokenizer.eos_token_id
        padding = self._tokenizer.pad_token_id
        return GenerationConfig(
            max_new_tokens=self._name_tokens,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=padding if padding is not None else end,
        )

    def _first_tokens(self, words: Sequence[str]) -> list[int]:
        encoded = (self._tokenizer(word, add_special_tokens=False)["input_ids"] for word in words)
        return sorted({ids[0] for ids in encoded if ids})


def marked(passage: Passage) -> str:
    """Return a passage on one line with its token marked, and a numeral described."""
    token = passage.token.strip() or passage.token
    space = " " if passage.token[:1].isspace() and token != passage.token else ""
    text = f"{passage.before}{space}<<{token}>>{passage.after}".replace("\n", " ")
    known = numeral(passage)
    return f"{text} (the marked token is a numeral: {known})" if known else text
