"""Gradients in bfloat16, where a processor is quicker in it and a model is wide."""

import pytest
import torch
from problems import RETAIN, encode

from editor.model import precision
from editor.model.forward import token_log_p
from editor.model.precision import quick_precision
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
