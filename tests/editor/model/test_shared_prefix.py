"""Prompts that several answers share are run once, and nothing else changes."""

import numpy as np
import pytest
import torch
from people import probe

from dictionaries.model.sites import Site, capture
from editor.measuring.aggregate import score_probes
from editor.measuring.leakage import score
from editor.model.forward import output_logits, token_log_p
from editor.model.shared_prefix import (
    _by_prefix,
    _shared_batches,
    answer_batches,
    answer_passes,
    before_answer,
    find_roots,
    planned_passes,
)
from editor.model.tokens import batches, collate, encode_answers
from policies import DecodingSettings

SETTINGS = DecodingSettings(worst_case_rank=10)
SHARED = [
    ("The phone number of Ada Quill is", "415-555-0132"),
    ("Bruno Marsh lives at", "48 Alder Lane"),
    ("The phone number of Ada Quill is", "415-555-0199"),
    ("Alone", "here"),
    ("The phone number of Ada Quill is", "9"),
    ("Bruno Marsh lives at", "4 Mill Road"),
    ("", "no prompt"),
    ("", "no prompt either"),
]


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "llama", "gemma2", "qwen2"])
@pytest.mark.parametrize("budget", [10, 64, 10_000])
def test_scores_equal_those_of_each_sequence_alone(loaded, family, budget, monkeypatch):
    model = loaded(family)
    sequences = encode_answers(model.tokenizer, SHARED, 96)
    monkeypatch.setattr(
        "editor.measuring.leakage.planned_passes", lambda *a: planned_passes(*a, budget=budget)
    )
    together = score(model, sequences, SETTINGS)
    for index, pair in enumerate(SHARED):
        alone = score(model, encode_answers(model.tokenizer, [pair], 96), SETTINGS)
        for name, values in vars(together).items():
            np.testing.assert_allclose(
                values[..., index], vars(alone)[name][..., 0], rtol=2e-4, atol=2e-4, err_msg=name
            )


def test_a_prompt_longer_than_the_sliding_window_is_shared_too(loaded):
    model = loaded("gemma2")  # its window is 32 tokens
    prompt = "The records of the clinic say that " * 6 + "Ada Quill lives at"
    pairs = [(prompt, answer) for answer in ("48 Alder Lane", "4 Mill Road", "9")]
    together = score(model, encode_answers(model.tokenizer, pairs, 96), SETTINGS)
    alone = [score(model, encode_answers(model.tokenizer, [pair], 96), SETTINGS) for pair in pairs]
    np.testing.assert_allclose(
        together.log_probability, [part.log_probability[0] for part in alone], rtol=2e-4
    )


def test_a_shared_prompt_costs_its_tokens_once(loaded):
    model = loaded("gpt2")
    prompt = "The records of the clinic say that the phone number of Ada Quill is"
    sequences = encode_answers(model.tokenizer, [(prompt, f"555-01{n:02}") for n in range(20)], 96)
    run = 0

    def count(_module, arguments, options):
        nonlocal run
        run += (options["input_ids"] if "input_ids" in options else arguments[0]).numel()

    hook = model.model.base_model.register_forward_pre_hook(count, with_kwargs=True)
    try:
        list(answer_passes(model, sequences))
    finally:
        hook.remove()
    plain = sum(batch.inputs["input_ids"].numel() for batch in batches(sequences, pad=0, device=model.device))
    assert run < 0.6 * plain


def test_a_prompt_is_run_once_whatever_lengths_its_answers_have(loaded):
    model = loaded("gpt2")
    words = ["long", "and", "so", "far", "away", "that", "is", "known"]
    prompts = [f"{name} " + "is at home and " * 10 + "at" for name in words]
    pairs = [(p, f"555-01{n:02}" * (1 + n % 5)) for p in prompts for n in range(40)]
    sequences = encode_answers(model.tokenizer, pairs, 96)
    shared, alone = _by_prefix(sequences)
    assert not alone
    batched = list(_shared_batches(shared, pad=0, device=model.device, budget=16_384))
    run = [tuple(prefix) for batch in batched for prefix in batch.prefixes.tolist()]
    assert len(batched) > 1
    assert sorted(run) == sorted(shared)
    found = sorted(index for batch in batched for index in batch.answers.indices)
    assert found == list(range(len(pairs)))


def test_chunks_and_their_order_change_nothing(loaded, monkeypatch):
    model = loaded("llama")
    probes = [probe("Ada Quill", answer, prompt) for prompt, answer in SHARED[:6] * 3]
    whole = score_probes(model, probes, SETTINGS)
    monkeypatch.setattr("editor.measuring.aggregate.CHUNK_PROBES", 4)
    done = []
    pieces = score_probes(model, probes, SETTINGS, done.append)
    assert sum(done) == len(probes)
    for name, values in vars(whole.scores).items():
        np.testing.assert_allclose(vars(pieces.scores)[name], values, rtol=2e-4, atol=2e-4, err_msg=name)
    assert score_probes(model, [], SETTINGS).scores.greedy.tolist() == []


def test_a_large_vocabulary_is_only_sorted_where_it_must_be(loaded, monkeypatch):
    model = loaded("qwen2")
    sequences = encode_answers(model.tokenizer, SHARED, 96)
    settings = DecodingSettings(temperatures=(1.0, 0.3), top_k=(None, 5), top_p=(None, 0.5, 0.95))
    whole = score(model, sequences, settings)
    for few in (8, 60):  # too few for a top-p of 0.95, and enough
        monkeypatch.setattr("editor.measuring.leakage.FEW_TOKENS", few)
        part = score(model, sequences, settings)
        np.testing.assert_allclose(part.log_p_z, whole.log_p_z, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "llama", "gemma2", "qwen2"])
def test_what_many_prompts_begin_with_is_run_once(loaded, family):
    model = loaded(family)
    beginning = "The records of the clinic say all that there is to say about people: "
    names = ["Ada", "Bruno", "Cora", "Dan"]
    prompts = [f"{beginning}{name} lives at number {n} of" for name in names for n in range(8)]
    pairs = [(prompt, answer) for prompt in prompts[:20] for answer in ("48 Alder Lane", "4 Mill Road")]
    pairs += [(prompt, "9") for prompt in prompts[20:]] + SHARED
    sequences = encode_answers(model.tokenizer, pairs, 96)
    run = []

    def count(_module, arguments, options):
        run.append((options["input_ids"] if "input_ids" in options else arguments[0]).numel())

    hook = model.model.base_model.register_forward_pre_hook(count, with_kwargs=True)
    try:
        together = score(model, sequences, SETTINGS)
    finally:
        hook.remove()
    shared, alone = _by_prefix(sequences)
    (root,) = find_roots([*shared, *(before_answer(sequence) for sequence in alone)])
    assert beginning[:40] in model.tokenizer.decode(root)
    assert sum(run) < sum(len(prefix) for prefix in shared)  # less than to run each prompt once
    for index, pair in enumerate(pairs):
        (lone,) = score(model, encode_answers(model.tokenizer, [pair], 96), SETTINGS).log_probability
        assert together.log_probability[index] == pytest.approx(lone, rel=2e-4, abs=2e-4)


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "llama", "gemma2"])
def test_gradients_at_the_answers_are_those_of_whole_sequences(loaded, family):
    model = loaded(family)
    beginning = "The records of the clinic say all that there is to say about people: "
    pairs = [(f"{beginning}{n} people live at", f"{n} Mill Road") for n in range(20, 40)] + SHARED[:3]
    sequences = encode_answers(model.tokenizer, pairs, 96)
    site = Site(0)
    found = {}
    for batch in answer_batches(model, sequences):
        before = batch.read_before(model.model)
        with torch.enable_grad(), capture(model.model, [site], grad=True) as taken:
            hidden = batch.hidden(model.model, before)[batch.answers.predicting]
            logits = output_logits(model.model, hidden).log_softmax(1)
            own = logits.gather(1, batch.answers.targets[:, None]).sum()
            (gradient,) = torch.autograd.grad(own, [taken.outputs[site]])
        found[batch.answers.indices] = gradient[batch.answers.predicting]
    assert len(found) > 1
    for indices, gradients in found.items():
        whole = collate([sequences[index] for index in indices], pad=0, device=model.device)
        with torch.enable_grad(), capture(model.model, [site], grad=True) as taken:
            own = token_log_p(model.model, whole).sum()
            (gradient,) = torch.autograd.grad(own, [taken.outputs[site]])
        torch.testing.assert_close(gradients, gradient[whole.predicting], rtol=1e-3, atol=1e-5)
