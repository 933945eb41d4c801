"""Digests: of the files' bytes where files hold the model, of the model's own otherwise."""

from dataclasses import replace

import torch
from family_models import family

from editor.model.digests import model_digest, tensor_digests

NAME = "model.layers.0.mlp.up_proj.weight"


def test_digests_change_with_one_bit():
    model = family("qwen2")
    first = tensor_digests(model)
    parameter = model.model.get_parameter(NAME)
    kept = parameter.detach().clone()
    with torch.no_grad():
        parameter[0, 0] = torch.nextafter(parameter[0, 0], torch.tensor(9.0))
        second = tensor_digests(model)
        parameter.copy_(kept)
    assert {name for name in first if first[name] != second[name]} == {NAME}
    assert model_digest(first) != model_digest(second)


def test_a_file_and_the_model_that_it_makes_have_the_same_digests(loaded):
    for name in ("gpt2", "llama", "gemma2"):
        for dtype in (torch.float32, torch.bfloat16):
            model = loaded(name, dtype)
            assert model.files is not None
            assert tensor_digests(model) == tensor_digests(replace(model, stored=None))
