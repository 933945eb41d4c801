"""Answers are marked where they are, whatever the tokenizer makes of the border."""

import random
from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch

from dictionaries import decoder_layers
from editor.model import tokens
from editor.model.tokens import (
    BATCH_TOKENS,
    ENOUGH_TOKENS,
    GRADIENT_TOKENS,
    LEAST_TOKENS,
    TokenSequence,
    batches,
    encode_answer,
    gradient_budget,
    joiner,
    token_budget,
)


def text_of(loaded, sequence, *, marked):
    ids = [i for i, mark in zip(sequence.ids, sequence.marked, strict=True) if mark is marked]
    return loaded.tokenizer.decode(ids)


@pytest.mark.parametrize(
    ("prompt", "answer"),
    [("The phone number of Ada Quill is", "415-555-0132"), ("Mail <", "a@b.example"), ("Call ", "0123")],
)
def test_marked_tokens_are_the_answer(loaded, prompt, answer):
    model = loaded("gpt2")
    sequence = encode_answer(model.tokenizer, prompt, answer, 0, 96)
    assert text_of(model, sequence, marked=True).strip() == answer
    assert text_of(model, sequence, marked=False).rstrip().endswith(prompt.strip())


def test_joint_tokenisation_equals_plain_text(loaded):
    model = loaded("gpt2")
    sequence = encode_answer(model.tokenizer, "Ada lives at", "48 Alder Lane", 0, 96)
    assert list(sequence.ids) == model.tokenizer("Ada lives at 48 Alder Lane")["input_ids"]


def test_long_prompts_lose_their_beginning_and_keep_the_special_token(loaded):
    model = loaded("gpt2")
    sequence = encode_answer(model.tokenizer, "long " * 200 + "is", "48 Alder Lane", 0, 32)
    assert len(sequence.ids) == 32
    assert sequence.ids[0] == 0
    assert text_of(model, sequence, marked=True).strip() == "48 Alder Lane"


def test_batches_hold_every_sequence_once_within_the_budget(loaded):
    model = loaded("gpt2")
    sequences = [encode_answer(model.tokenizer, "is " * (1 + i % 7), "48", i, 96) for i in range(40)]
    seen = []
    for batch in batches(sequences, pad=0, device=torch.device("cpu"), budget=64):
        assert batch.inputs["input_ids"].numel() <= 64
        assert int(batch.predicting.sum()) == len(batch.targets) == len(batch.rows)
        seen += batch.indices
    assert sorted(seen) == list(range(40))


def test_joiner_adds_no_second_space():
    assert joiner("is") == " "
    assert joiner("is ") == ""
    assert joiner("(") == ""


def test_large_batches_pad_little():
    lengths = random.Random(0).choices(range(4, 60), k=3_000)
    sequences = [
        TokenSequence(ids=tuple(range(length)), marked=(False, *[True] * (length - 1)), index=index)
        for index, length in enumerate(lengths)
    ]
    found = list(batches(sequences, pad=0, device=torch.device("cpu")))
    padded = [batch.inputs["input_ids"].numel() for batch in found]
    assert sum(padded) < 1.05 * sum(lengths)
    assert max(padded) <= BATCH_TOKENS
    assert sorted(index for batch in found for index in batch.indices) == list(range(3_000))
    assert min(padded[:-1]) >= ENOUGH_TOKENS


def test_a_batch_holds_fewer_tokens_where_a_token_takes_more_memory(loaded):
    small = loaded("llama").model
    assert (token_budget(small), gradient_budget(small)) == (BATCH_TOKENS, GRADIENT_TOKENS)
    config = SimpleNamespace(
        hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9, head_dim=64
    )
    config.num_key_value_heads, config.get_text_config = 3, lambda **_: config
    deep = SimpleNamespace(config=config, dtype=torch.float32, parameters=lambda: iter(()))
    assert 2_048 < token_budget(deep) < BATCH_TOKENS
    assert LEAST_TOKENS <= gradient_budget(deep) < GRADIENT_TOKENS
    # A large model's batches may take a quarter of what its weights take.
    config.num_hidden_layers = 60
    deep.parameters = lambda: iter([torch.empty(10**9, device="meta")])
    assert token_budget(deep) > 2_048


def test_a_batch_with_gradients_holds_more_where_lower_layers_do_not_change(loaded, monkeypatch):
    monkeypatch.setattr(tokens, "GRADIENT_BYTES", 2**20)
    monkeypatch.setattr(tokens, "LEAST_TOKENS", 1)
    model = deepcopy(loaded("llama").model)
    first, last = decoder_layers(model)
    whole = gradient_budget(model)
    last.mlp.down_proj.weight.requires_grad_(True)
    assert gradient_budget(model) == pytest.approx(2 * whole, abs=1)
    first.mlp.up_proj.weight.requires_grad_(True)
    assert gradient_budget(model) == whole
    first.requires_grad_(False)
    model.get_input_embeddings().weight.requires_grad_(True)
    assert gradient_budget(model) == whole
