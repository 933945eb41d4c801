"""Fine-tuning through an adapter: the edit is the adapter, and the model is the same afterwards, bit for bit."""

from copy import deepcopy

import pytest
import torch
from people import people_problem
from problems import make_problem
from tokenizing import VOCABULARY, make_tokenizer
from transformers import AutoModelForCausalLM, MixtralConfig, OlmoeConfig, PhimoeConfig, Qwen2MoeConfig

from editor.edits.edit import Edit
from editor.methods.weights.grad_ascent import GradAscent
from editor.methods.weights.lora_tuning import LoraTuning, _delta, _log_p, lora_adapter
from editor.methods.weights.npo_lora import NpoLora, npo
from editor.model.loading import LoadedModel
from editor.model.tokens import one_batch

FAMILIES = ("gpt2", "gpt_neox", "llama", "gemma2", "qwen2", "mistral", "phi3")
SHORT = LoraTuning(rank=2, steps=6, learning_rate=5e-3, probes=2, texts=1)


def secrets(problem):
    with torch.no_grad():
        return float(_log_p(problem.loaded.model, one_batch(problem.loaded, problem.erase)).sum())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("method", [GradAscent(tuning=SHORT), NpoLora(tuning=SHORT)])
def test_secrets_become_less_probable_and_the_model_stays_as_it_was(loaded, family, method):
    model = loaded(family)
    problem = make_problem(model).changed(dictionaries={})
    before = {name: tensor.clone() for name, tensor in model.model.state_dict().items()}
    kinds = {name: type(module) for name, module in model.model.named_modules()}
    edit = method.fit(problem)
    assert {name: type(module) for name, module in model.model.named_modules()} == kinds
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.model.state_dict().items())
    assert not any(one.requires_grad for one in model.model.parameters())
    assert not any(delta.dense().requires_grad for delta in edit.deltas.values())
    assert edit.deltas.keys() <= dict(model.model.named_parameters()).keys()
    assert not any("lm_head" in name or "embed_out" in name for name in edit.deltas)
    clean = secrets(problem)
    with edit.applied(model.model):
        assert secrets(problem) < clean
    again = method.fit(problem)
    assert all(torch.equal(again.deltas[n].dense(), d.dense()) for n, d in edit.deltas.items())


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_the_edit_is_what_the_adapter_does(loaded, family):
    """Random adapters: the model with them and the model with their products say the same."""
    model = loaded(family)
    problem = make_problem(model)
    with lora_adapter(model.model, 2, 0) as layers:
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for _, layer in layers:
                for one in layer.lora_B.values():
                    one.weight.copy_(torch.randn(one.weight.shape, generator=generator) * 0.1)
        adapted = secrets(problem)
        deltas = {f"{name}.weight": _delta(layer) for name, layer in layers}
    clean = secrets(problem)
    with Edit(deltas=deltas, method="test").applied(model.model):
        assert secrets(problem) == pytest.approx(adapted, rel=1e-4)
    assert adapted != pytest.approx(clean, rel=1e-3)


def test_npo_is_ascent_where_beta_vanishes():
    log_p = torch.tensor([-1.0, -3.0], requires_grad=True)
    before = torch.tensor([-1.5, -2.0])
    (gradient,) = torch.autograd.grad(npo(log_p, before, torch.tensor([1, 1]), beta=1e-4), log_p)
    torch.testing.assert_close(gradient, torch.full((2,), 0.5), rtol=1e-3, atol=1e-4)
    expected = sum(
        2 / 0.5 * torch.log(1 + torch.exp(0.5 * (a - b))) for a, b in zip(log_p, before, strict=True)
    )
    torch.testing.assert_close(npo(log_p, before, torch.tensor([1, 1]), beta=0.5), expected / 2)


SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 40,
    "max_position_embeddings": 96,
    "num_experts_per_tok": 2,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
EXPERTS = {
    "mixtral": MixtralConfig(**SIZES, num_local_experts=4),
    "phimoe": PhimoeConfig(**SIZES, num_local_experts=4),  # its router is a linear layer that gives a tuple
    "olmoe": OlmoeConfig(**SIZES, num_experts=4),
    "qwen2_moe": Qwen2MoeConfig(
        **SIZES, num_experts=4, moe_intermediate_size=16, shared_expert_intermediate_size=16
    ),
}


@pytest.mark.parametrize("family", EXPERTS)
@pytest.mark.parametrize("method", [GradAscent(tuning=SHORT), NpoLora(tuning=SHORT)])
def test_of_a_mixture_of_experts_experts_and_router_stay(family, method):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(deepcopy(EXPERTS[family])).eval().requires_grad_(False)
    loaded = LoadedModel(model=model, tokenizer=make_tokenizer(), source=family, stored_dtype=torch.float32)
    problem = people_problem(loaded)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    edit = method.fit(problem)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    names = {name.removesuffix(".weight").rpartition(".")[2] for name in edit.deltas}
    assert {"q_proj", "k_proj", "v_proj", "o_proj"} <= names
    assert not any(".experts." in name or "router" in name or ".mlp.gate." in name for name in edit.deltas)
    assert edit.deltas.keys() <= before.keys()
    clean = secrets(problem)
    with edit.applied(model):
        assert secrets(problem) < clean
