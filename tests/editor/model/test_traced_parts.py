"""Sequences in parts, and passes that begin above what is known, give what whole passes over whole sequences give."""

import pytest
import torch
from family_models import CONFIGS, FAMILIES, tokenizer
from transformers import AutoModelForCausalLM

from dictionaries import decoder_layers
from editor.model import traced_parts as traced_module
from editor.model.below import Below
from editor.model.forward import token_log_p
from editor.model.loading import LoadedModel, attention
from editor.model.tokens import encode_answers, one_batch
from editor.model.traced_parts import agreeing, traced_parts

BEGINNING = "The records of the clinic say all that there is to say about people: "
SHARED = [
    ("The phone number of Ada Quill is", "415-555-0132"),
    ("Bruno Marsh lives at", "48 Alder Lane"),
    ("The phone number of Ada Quill is", "415-555-0188"),
    ("Alone", "here"),
    ("", "no prompt"),
]
PAIRS = [(f"{BEGINNING}{n} people live at", f"{n} Mill Road") for n in range(20, 26)] + SHARED


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "llama", "gemma2", "qwen2"])
def test_a_weight_s_gradient_in_parts_is_that_of_whole_sequences(loaded, family):
    model = loaded(family)
    sequences = encode_answers(model.tokenizer, PAIRS, 96)
    weight = next(iter(model.model.parameters())).requires_grad_(True)
    with torch.enable_grad():
        parts = list(traced_parts(model, sequences))
        log_p = [part.logits(model).log_softmax(1).gather(1, part.batch.targets[:, None]) for part in parts]
        (found,) = torch.autograd.grad(torch.cat(log_p).sum(), [weight])
        whole = token_log_p(model.model, one_batch(model, sequences))
        (expected,) = torch.autograd.grad(whole.sum(), [weight])
    weight.requires_grad_(False)
    assert len(parts) == 2
    assert sorted(place for part in parts for place in part.places) == list(range(len(sequences)))
    assert max(part.batch.inputs["input_ids"].shape[1] for part in parts) < max(len(s.ids) for s in sequences)
    for part, values in zip(parts, log_p, strict=True):
        rows = one_batch(model, [sequences[place] for place in part.places])
        torch.testing.assert_close(values[:, 0], token_log_p(model.model, rows), rtol=2e-4, atol=2e-4)
    torch.testing.assert_close(found, expected, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("budget", [1, 60, 200])
def test_parts_keep_within_memory_and_hold_every_sequence_once(loaded, family, budget, monkeypatch):
    model = loaded(family)
    monkeypatch.setattr(traced_module, "LEAST_TOKENS", 1)
    monkeypatch.setattr(traced_module, "gradient_budget", lambda _: budget)
    sequences = encode_answers(model.tokenizer, PAIRS, 96)
    parts = traced_parts(model, sequences)
    assert sorted(place for part in parts for place in part.places) == list(range(len(sequences)))
    assert all(part.tokens <= budget or len(part.places) == 1 for part in parts)
    assert len(parts) > 2
    for part in parts:
        rows = one_batch(model, [sequences[place] for place in part.places])
        log_p = part.logits(model).log_softmax(1).gather(1, part.batch.targets[:, None])[:, 0]
        torch.testing.assert_close(log_p, token_log_p(model.model, rows), rtol=2e-4, atol=2e-4)


def deep(family, layers=4):
    """A model of several layers whose predictions are far from uniform, as `LoadedModel`."""
    torch.manual_seed(sum(map(ord, family)))
    config = type(CONFIGS[family])(
        **{**CONFIGS[family].to_dict(), "num_hidden_layers": layers, "layer_types": None}
    )
    model = AutoModelForCausalLM.from_config(config, **attention(config))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(2) if parameter.dim() > 1 else parameter.add_(torch.randn_like(parameter) * 0.1)
    model = model.eval().requires_grad_(requires_grad=False)
    return LoadedModel(model=model, tokenizer=tokenizer(), source=family, stored_dtype=torch.float32)


def in_layer(model, number):
    """A weight of a layer."""
    return next(w for w in decoder_layers(model.model)[number].parameters() if w.dim() > 1)


@pytest.mark.parametrize("family", FAMILIES)
def test_passes_that_begin_above_what_is_known_are_whole_ones(family):
    model = deep(family)
    sequences = encode_answers(model.tokenizer, PAIRS, 96)
    weight = in_layer(model, 2).requires_grad_(True)
    below = agreeing(model, Below.changing(model), sequences)
    assert below is not None
    assert below.lowest == 2
    with torch.no_grad():
        weight.add_(torch.randn_like(weight) * 0.1)  # what changes stands above what is known
    found, expected = [], []
    for part in traced_parts(model, sequences):
        targets = part.batch.targets[:, None]
        with torch.enable_grad():
            found.append(part.logits_above(model, below).log_softmax(1).gather(1, targets))
            expected.append(part.logits(model).log_softmax(1).gather(1, targets))
    found, expected = torch.cat(found), torch.cat(expected)
    torch.testing.assert_close(found, expected, rtol=2e-4, atol=2e-4)
    gradients = [torch.autograd.grad(one.sum(), [weight])[0] for one in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=2e-3, atol=2e-4)
    assert all("forward" not in layer.__dict__ for layer in decoder_layers(model.model))


def test_what_is_below_is_run_once():
    model = deep("llama")
    sequences = encode_answers(model.tokenizer, PAIRS, 96)
    in_layer(model, 3).requires_grad_(True)
    below, runs = Below.changing(model), []
    decoder_layers(model.model)[0].mlp.register_forward_hook(lambda *_: runs.append(1))
    for _ in range(3):
        for part in traced_parts(model, sequences):
            part.logits_above(model, below)
    assert len(runs) == len(traced_parts(model, sequences))


@pytest.mark.parametrize(("number", "kept"), [(0, False), (1, True), (3, True)])
def test_nothing_is_left_out_where_little_is_below(number, kept):
    model = deep("llama")
    in_layer(model, number).requires_grad_(True)
    assert (Below.changing(model) is not None) == kept


def test_nothing_is_left_out_where_the_embedding_changes():
    model = deep("llama")
    in_layer(model, 3).requires_grad_(True)
    model.model.get_input_embeddings().weight.requires_grad_(True)
    assert Below.changing(model) is None


@pytest.mark.parametrize("passed_on", [torch.Tensor.sum, torch.Tensor.clone])
def test_a_model_whose_layers_get_more_than_hidden_states_is_run_whole(passed_on):
    model, seen = deep("llama"), []
    sequences = encode_answers(model.tokenizer, PAIRS, 96)
    in_layer(model, 2).requires_grad_(True)
    layers = decoder_layers(model.model)
    layers[0].mlp.register_forward_hook(lambda _, __, output: seen.append(passed_on(output)))
    layers[3].register_forward_hook(lambda _, __, output: output + seen.pop())
    assert agreeing(model, Below.changing(model), sequences[:6]) is None
    assert all("forward" not in layer.__dict__ for layer in layers)


def test_layers_are_whole_again_after_a_pass_that_fails():
    model = deep("gpt2")
    sequences = encode_answers(model.tokenizer, PAIRS[:2], 96)
    below = Below(model, 2)
    below.read(sequences)
    with pytest.raises(RuntimeError, match="stop"), below.entering(sequences, 0, 4):
        raise RuntimeError("stop")
    (part,) = traced_parts(model, sequences)
    torch.testing.assert_close(part.logits(model), part.logits_above(model, below), rtol=2e-4, atol=2e-4)
