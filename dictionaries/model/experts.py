"""Mixtures of experts, each expert's matrices by themselves.

transformers holds the experts of a layer in two tensors, (experts, 2 m, d) and (experts, d, m), and a checkpoint's
files hold each expert's matrices. Here every expert is a module with three linear maps whose weights are parts of
those tensors, in the same memory and under the names that the files have. Which tokens go to which expert, and with
what weight, is the router's business still.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Expert(nn.Module):
    """One gated MLP: down(act(gate(x)) * up(x)).

    Args:
        gate_up: weights of gate and up, one above the other.
        down: weight of down.
        act: activation.
    """

    def __init__(
        self, gate_up: Float[Tensor, "twice_m d"], down: Float[Tensor, "d m"], act: nn.Module
    ) -> None:
        super().__init__()
        gate, up = gate_up.chunk(2)
        self.gate_proj, self.up_proj, self.down_proj = map(_linear, (gate, up, down))
        self.act_fn = act

    def forward(self, x: Float[Tensor, "tokens d"]) -> Float[Tensor, "tokens d"]:
        """Return what the expert makes of its tokens."""
        made: Tensor = self.down_proj(self.act_fn(self.gate_proj(x)) * self.up_proj(x))
        return made


class RoutedExperts(nn.ModuleList):
    """The experts of a layer, in the place of transformers' module of them.

    Attributes:
        tokens: tokens that go to the expert that runs, by their places in the flattened batch.

    Args:
        fused: transformers' module, whose weights these are.
    """

    def __init__(self, fused: Any) -> None:
        weights = zip(fused.gate_up_proj.detach(), fused.down_proj.detach(), strict=True)
        super().__init__(Expert(gate_up, down, fused.act_fn) for gate_up, down in weights)
        self.tokens: Tensor | None = None

    def forward(
        self,
        hidden_states: Float[Tensor, "tokens d"],
        top_k_index: Int[Tensor, "tokens k"],
        top_k_weights: Float[Tensor, "tokens k"],
    ) -> Float[Tensor, "tokens d"]:
        """Return the sum of what each token's experts make of it, weighted by the router."""
        total = torch.zeros_like(hidden_states)
        for number in sorted(set(top_k_index.flatten().tolist())):
            if number >= len(self):  # a token that goes to none
                continue
            self.tokens, places = torch.where(top_k_index == number)
            made = self[number](hidden_states[self.tokens]) * top_k_weights[self.tokens, places, None]
            total = total.index_add(0, self.tokens, made.to(total.dtype))
        self.tokens = None
        return total


def separate_experts(model: nn.Module) -> None:
    """Give every expert of a model its own modules, where the layer's are laid out in the usual way.

    No weight is copied. Layers of another layout, quantised ones, and models that are dispatched over devices stay as
    they are.
    """
    if any(hasattr(module, "_hf_hook") for module in model.modules()):
        return
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if _is_usual(child):
                setattr(module, name, RoutedExperts(child))


def has_experts(model: nn.Module) -> bool:
    """Return whether a model is a mixture of experts whose experts have modules of their own."""
    return any(isinstance(module, RoutedExperts) for module in model.modules())


def _is_usual(experts: Any) -> bool:
    from transformers.integrations.moe import _default_apply_gate

    weights = [getattr(experts, name, None) for name in ("gate_up_proj", "down_proj")]
    return (
        all(isinstance(one, nn.Parameter) and one.dim() == 3 and one.is_floating_point() for one in weights)
        and all(one.element_size() > 1 for one in weights if one is not None)
        and getattr(type(experts), "_apply_gate", None) is _default_apply_gate
        and getattr(experts, "has_gate", False)
        and getattr(experts, "is_concatenated", False)
        and not any(
            getattr(experts, odd, True) for odd in ("has_bias", "is_transposed", "has_post_expert_norm")
        )
        and {name for name, _ in experts.named_parameters()} == {"gate_up_proj", "down_proj"}
    )


def _linear(weight: Float[Tensor, "outputs inputs"]) -> nn.Linear:
    """Return a linear map with a weight that stays where it lies."""
    outputs, inputs = weight.shape
    made = nn.Linear(inputs, outputs, bias=False, device="meta")
    made.weight = nn.Parameter(weight, requires_grad=False)
    return made
