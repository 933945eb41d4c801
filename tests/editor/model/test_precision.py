"""Gradients in bfloat16, where a processor is quicker in it and a model is wide."""

import pytest
import torch
from problems import RETAIN, encode

from editor.model import precision
from editor.model.forward import token_log_p
from editor.model.precision import quick_precision, quick_weights
from editor.model.tokens import one_batch


@pytest.mark.parametrize(
    ("wide", "gains", "quick"), [(8, True, True), (8, False, False), (10**6, True, False)]
)
def test_bfloat16_is_for_wide_models_on_processors_that_gain(loaded, monkeypatch, wide, gains, quick):
    model = loaded("llama")
    monkeypatch.setattr(precision, "WIDE", wide)
    monkeypatch.setattr(precision, "bfloat16_gains", lambda: gains)
    batch = one_batch(model, encode(model, RETAIN))
    exact = token_log_p(model.model, batch)
    with quick_precision(model):
        found = token_log_p(model.model, batch)
    assert found.dtype == torch.float32
    assert torch.equal(found, exact) is not quick
    torch.testing.assert_close(found, exact, rtol=0.02, atol=0.02)


def test_gradients_of_weights_stay_float32(loaded, monkeypatch):
    model = loaded("llama")
    monkeypatch.setattr(precision, "WIDE", 8)
    monkeypatch.setattr(precision, "bfloat16_gains", lambda: True)
    weight = model.model.get_parameter("model.layers.0.mlp.down_proj.weight").requires_grad_(True)
    with torch.enable_grad(), quick_precision(model):
        loss = -token_log_p(model.model, one_batch(model, encode(model, RETAIN))).mean()
    (gradient,) = torch.autograd.grad(loss, [weight])
    weight.requires_grad_(False)
    assert gradient.dtype == torch.float32
    assert float(gradient.abs().max()) > 0


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2"])
def test_weights_that_do_not_change_are_held_in_bfloat16_and_are_the_same_tensors_afterwards(
    loaded, monkeypatch, family
):
    model = loaded(family)
    monkeypatch.setattr(precision, "WIDE", 8)
    monkeypatch.setattr(precision, "bfloat16_gains", lambda: True)
    names = [f"{n}.weight" for n, m in model.model.named_modules() if isinstance(m, torch.nn.Linear)]
    before = {name: (id(p), p.clone(), p.requires_grad) for name, p in model.model.named_parameters()}
    batch = one_batch(model, encode(model, RETAIN))
    with quick_precision(model):
        expected = token_log_p(model.model, batch)
    with quick_weights(model, names[:1]):
        for name in names:
            dtype = torch.float32 if name == names[0] else torch.bfloat16
            assert model.model.get_parameter(name).dtype == dtype
        with quick_precision(model):
            assert torch.equal(token_log_p(model.model, batch), expected)
    after = {name: (id(p), p, p.requires_grad) for name, p in model.model.named_parameters()}
    assert {name: (a, c) for name, (a, _, c) in after.items()} == {
        n: (a, c) for n, (a, _, c) in before.items()
    }
    assert all(torch.equal(tensor, before[name][1]) for name, (_, tensor, _) in after.items())


def test_narrow_models_keep_their_weights(loaded):
    model = loaded("llama")
    with quick_weights(model, ()):
        assert {p.dtype for p in model.model.parameters()} == {torch.float32}
