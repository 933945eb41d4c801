"""Experts apart compute what they compute together, from the same memory; odd layouts stay as they are."""

import pytest
import torch
from torch import nn
from transformers import AutoModelForCausalLM, MixtralConfig

from dictionaries.model.experts import RoutedExperts, has_experts, separate_experts

IDS = torch.tensor([[5, 9, 13, 40, 7, 9, 5, 21]])


@pytest.fixture
def mixture():
    config = MixtralConfig(
        vocab_size=48,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        num_local_experts=4,
        num_experts_per_tok=2,
        bos_token_id=0,
        eos_token_id=0,
    )
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()


def routed(model):
    return [module for module in model.modules() if isinstance(module, RoutedExperts)]


def test_they_give_what_they_give_together_from_the_same_memory(mixture):
    memory = {weight.untyped_storage().data_ptr() for weight in mixture.parameters()}
    with torch.no_grad():
        together = mixture(IDS).logits
        separate_experts(mixture)
        apart = mixture(IDS).logits
    torch.testing.assert_close(apart, together)
    assert has_experts(mixture)
    assert [len(one) for one in routed(mixture)] == [4, 4]
    assert {weight.untyped_storage().data_ptr() for weight in mixture.parameters()} == memory


def test_an_expert_knows_its_tokens_while_it_runs_and_not_afterwards(mixture):
    separate_experts(mixture)
    layer, seen = routed(mixture)[0], []
    for expert in layer:
        expert.register_forward_hook(lambda *_: seen.append(layer.tokens))
    with torch.no_grad():
        mixture(IDS)
    assert sorted(torch.cat(seen).tolist()) == sorted(2 * list(range(IDS.numel())))
    assert layer.tokens is None


def test_a_token_that_goes_to_no_expert_gets_nothing(mixture):
    separate_experts(mixture)
    layer = routed(mixture)[0]
    x = torch.randn(2, 16)
    nobody = layer(x, torch.tensor([[4], [1]]), torch.ones(2, 1))
    assert nobody[0].abs().sum() == 0
    torch.testing.assert_close(nobody[1], layer[1](x[1:])[0])


def test_what_is_dispatched_over_devices_or_laid_out_otherwise_stays(mixture):
    mixture.model._hf_hook = object()
    separate_experts(mixture)
    assert not has_experts(mixture)
    del mixture.model._hf_hook
    for layer in mixture.model.layers:
        for module in layer.modules():
            if hasattr(module, "gate_up_proj"):
                module.extra = nn.Parameter(torch.zeros(1))
    separate_experts(mixture)
    assert not has_experts(mixture)
