"""The one-pass metrics against plain definitions and against generation."""

import math

import numpy as np
import pytest
import torch

from editor.measuring.leakage import Decoding, decoding_grid, extractable, score, score_tokens
from editor.model.forward import marked_logits
from editor.model.tokens import batches, encode_answer
from policies import DecodingSettings

FAMILIES = ("gpt2", "gpt_neox", "llama", "gemma2", "qwen2")

PROMPTS = [
    ("The phone number of Ada Quill is", "415-555-0132"),
    ("Bruno Marsh lives at", "48 Alder Lane"),
    ("She works as", "a baker"),
    ("Cora Finch", "is"),
]
SETTINGS = DecodingSettings(
    temperatures=(1.0, 0.5), top_k=(None, 5), top_p=(None, 0.8), worst_case_rank=10, budget_tries=100
)


def sequences_of(loaded, prompts=PROMPTS):
    return [
        encode_answer(loaded.tokenizer, prompt, answer, i, 96) for i, (prompt, answer) in enumerate(prompts)
    ]


def plain_distributions(loaded, sequence):
    """The logits that predict each marked token, by the whole model's own forward."""
    with torch.no_grad():
        logits = loaded.model(torch.tensor([sequence.ids])).logits[0].float()
    marked = [i for i, mark in enumerate(sequence.marked) if mark]
    return logits[[i - 1 for i in marked]], [sequence.ids[i] for i in marked]


def plain_q(logits, token, decoding):
    """The sampling probability of a token by transformers' own order: temperature, top-k, top-p."""
    p = (logits / decoding.temperature).double().softmax(0)
    order = p.argsort(descending=True).tolist()
    if decoding.top_k:
        order = order[: decoding.top_k]
    if decoding.top_p:
        kept, mass, total = [], 0.0, sum(float(p[i]) for i in order)
        for i in order:
            if mass / total >= decoding.top_p:
                break
            kept.append(i)
            mass += float(p[i])
        order = kept
    return float(p[token]) / sum(float(p[i]) for i in order) if token in order else 0.0


@pytest.mark.parametrize("family", FAMILIES)
def test_marked_logits_equal_the_models_own_forward(loaded, family):
    model = loaded(family)
    sequences = sequences_of(model)
    (batch,) = batches(sequences, pad=0, device=model.device)
    ours = marked_logits(model.model, batch)
    by_index = {s.index: plain_distributions(model, s)[0] for s in sequences}
    theirs = torch.cat([by_index[index] for index in batch.indices])
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_every_metric_equals_its_plain_definition(loaded):
    model = loaded("llama")
    sequences = sequences_of(model)
    scores = score(model, sequences, SETTINGS)
    for index, sequence in enumerate(sequences):
        logits, tokens = plain_distributions(model, sequence)
        ranks = [int((row > row[t]).sum()) + 1 for row, t in zip(logits, tokens, strict=True)]
        right = [rank == 1 for rank in ranks]
        assert scores.tokens[index] == len(tokens)
        assert scores.greedy[index] == all(right)
        assert scores.exact_memorisation[index] == pytest.approx(np.mean(right))
        shortest = min(s for s in range(len(tokens) + 1) if all(right[s:]))
        assert scores.extraction_strength[index] == pytest.approx(1 - shortest / len(tokens))
        for row, decoding in enumerate(decoding_grid(SETTINGS)):
            p_z = math.prod(plain_q(lo, t, decoding) for lo, t in zip(logits, tokens, strict=True))
            assert math.exp(scores.log_p_z[row, index]) == pytest.approx(p_z, rel=1e-4, abs=1e-300)
        worst = max(
            math.prod(
                1 / rank if rank <= 10 else float((lo / temperature).double().softmax(0)[t])
                for lo, t, rank in zip(logits, tokens, ranks, strict=True)
            )
            for temperature in (1.0, 0.5)
        )
        assert scores.worst_case_bits[index] == pytest.approx(-math.log2(worst), rel=1e-4)


def test_greedy_verdict_equals_generation(loaded):
    model = loaded("gpt2")
    tokenizer = model.tokenizer
    prompts = []
    for prompt, _ in PROMPTS:
        ids = tokenizer(prompt, return_tensors="pt")
        made = model.model.generate(**ids, max_new_tokens=3, do_sample=False, pad_token_id=0)
        ids_made = made[0, ids["input_ids"].shape[1] :].tolist()
        prompts.append((ids["input_ids"][0].tolist(), ids_made))
    from editor.model.tokens import TokenSequence

    sequences = []
    for index, (prompt, made) in enumerate(prompts * 2):
        answer = made if index < len(prompts) else [*made[:-1], (made[-1] + 1) % 300]
        sequences.append(
            TokenSequence(
                ids=(*prompt, *answer), marked=(*[False] * len(prompt), *[True] * len(answer)), index=index
            )
        )
    scores = score(model, sequences, SETTINGS)
    assert scores.greedy.tolist() == [True] * 4 + [False] * 4
    assert scores.worst_case_bits[:4].tolist() == [0.0] * 4


def test_batching_changes_nothing(loaded):
    model = loaded("qwen2")
    alone = [score(model, sequences_of(model, [pair]), SETTINGS) for pair in PROMPTS]
    together = score(model, sequences_of(model), SETTINGS)
    np.testing.assert_allclose(together.log_probability, [s.log_probability[0] for s in alone], rtol=1e-4)


def test_extractable_is_exact_for_tiny_probabilities():
    assert extractable(np.log(np.array([1e-18])), 100)[0] == pytest.approx(1e-16, rel=1e-6)
    assert extractable(np.array([-np.inf, 0.0]), 5).tolist() == [0.0, 1.0]


def test_decodings_are_named():
    assert str(Decoding(temperature=0.7, top_k=40, top_p=0.95)) == "temperature 0.7, top-k 40, top-p 0.95"


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 3.0])
def test_a_sort_of_few_tokens_gives_what_a_sort_of_all_gives(sharpness, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    logits = sharpness * torch.randn(200, 5_000, generator=generator)
    # Targets of every rank: the best, some of the nucleus, and far beyond it.
    order = logits.argsort(dim=1, descending=True)
    ranks = torch.logspace(0, 3.6, 200).long().clamp(max=4_999)
    targets = order.gather(1, ranks[:, None])[:, 0]
    grid = decoding_grid(DecodingSettings(temperatures=(1.0, 0.5), top_k=(None, 40), top_p=(None, 0.5, 0.95)))
    few = score_tokens(logits, targets, grid, 40).log_q
    monkeypatch.setattr("editor.measuring.leakage.FEW_TOKENS", 5_000)
    torch.testing.assert_close(few, score_tokens(logits, targets, grid, 40).log_q, rtol=1e-4, atol=1e-4)


def test_scores_are_the_same_in_blocks_of_any_size(loaded, monkeypatch):
    model = loaded("llama")
    sequences = sequences_of(model)
    whole = score(model, sequences, SETTINGS)
    monkeypatch.setattr("editor.model.forward.LOGITS_AT_A_TIME", 3 * model.model.config.vocab_size)
    for name, values in vars(score(model, sequences, SETTINGS)).items():
        np.testing.assert_allclose(values, vars(whole)[name], rtol=1e-5, atol=1e-5, err_msg=name)
