"""The structure of decoders: their layers, and what writes to the residual stream, found without a table of models."""

from dataclasses import dataclass
from typing import Any, cast

from torch import nn
from transformers.pytorch_utils import Conv1D

from dictionaries.model.experts import RoutedExperts
from policies.errors import ModelError

# Where the MLP's last projection sits in a decoder layer, most specific first.
MLP_PROJECTIONS = (
    "mlp.down_proj",  # Llama, Qwen2, Gemma, Mistral, Phi-3, OLMo
    "mlp.c_proj",  # GPT-2, GPT-Neo, GPT-BigCode, StarCoder2
    "mlp.dense_4h_to_h",  # GPT-NeoX, Falcon, BLOOM
    "mlp.fc_out",  # GPT-J
    "mlp.fc2",  # Phi
    "fc2",  # OPT
)
# Where attention's output projection sits.
ATTENTION_PROJECTIONS = (
    "self_attn.o_proj",  # Llama, Qwen2, Gemma, Mistral, Phi-3, OLMo
    "self_attn.out_proj",  # OPT
    "self_attn.dense",  # Phi
    "attn.c_proj",  # GPT-2, GPT-BigCode
    "attn.out_proj",  # GPT-J
    "attn.attention.out_proj",  # GPT-Neo
    "attention.dense",  # GPT-NeoX
    "self_attention.dense",  # Falcon, BLOOM
)
# What an expert's output projection is called.
EXPERT_PROJECTION = ".down_proj"
# Norms between the MLP's projection and the residual stream, with those that then stand after attention: in
# layers without the former, a `post_attention_layernorm` stands before the MLP.
POST_NORMS = {
    "post_feedforward_layernorm": "post_attention_layernorm",
    "post_mlp_layernorm": "post_self_attn_layernorm",
}


@dataclass(frozen=True)
class Writer:
    """A projection whose output is added to the residual stream.

    Attributes:
        projection: a `Linear` or transformers' `Conv1D`; keys are its inputs.
        name: name of the projection's weight in `model.named_parameters()`.
        transposed: whether the weight is stored (m, d), as in `Conv1D`, rather than (d, m).
        norm: the norm between projection and residual stream, or None.
        output: the module whose output is added: the norm, if there is one.
        inputs: m, the width of the projection's inputs.
        outputs: d, the width of its outputs.
    """

    projection: nn.Module
    name: str
    transposed: bool
    norm: nn.Module | None
    output: nn.Module
    inputs: int
    outputs: int


def named_layers(model: nn.Module) -> tuple[str, nn.ModuleList]:
    """Return the name of a causal language model's list of decoder layers, and the layers in order.

    Raises:
        ModelError: no module list has the length the config states, or several unrelated ones have.
    """
    config = getattr(model, "config", None)
    if config is None:
        raise ModelError(f"{type(model).__name__} has no config", "Load the model with transformers")
    config = config.get_text_config(decoder=True) if hasattr(config, "get_text_config") else config
    count = getattr(config, "num_hidden_layers", None)
    found: list[tuple[str, nn.ModuleList]] = []
    for name, module in model.named_modules():
        nested = any(name.startswith(f"{outer}.") for outer, _ in found)  # experts inside a layer
        if isinstance(module, nn.ModuleList) and len(module) == count and not nested:
            found.append((name, module))
    usable = [(name, layers) for name, layers in found if _find(layers[0], MLP_PROJECTIONS) is not None]
    candidates = usable or found
    if len(candidates) != 1:
        raise ModelError(
            f"{len(candidates)} lists of {count} layers were found in {type(model).__name__}",
            "Use a decoder-only language model of transformers",
        )
    return candidates[0]


def mlp_writer(layer: nn.Module, name: str) -> Writer:
    """Find the MLP's output projection of a layer.

    Raises:
        ModelError: there is no single one (a mixture of experts, for example).
    """
    norm = next((getattr(layer, norm) for norm in POST_NORMS if hasattr(layer, norm)), None)
    return _writer(layer, name, MLP_PROJECTIONS, norm, "MLP")


def expert_writers(layer: nn.Module, name: str) -> tuple[Writer, ...]:
    """Find the output projections of every expert of a layer, routed ones and shared ones; none of a dense layer.

    Their outputs add up to the MLP's, those of routed experts weighted by the router.
    """
    for path, block in layer.named_children():
        if not any(isinstance(child, RoutedExperts) for child in block.children()):
            continue
        norm = next((getattr(layer, one) for one in POST_NORMS if hasattr(layer, one)), None)
        return tuple(
            Writer(
                projection=module,
                name=f"{name}.{path}.{inside}.weight",
                transposed=False,
                norm=norm,
                output=norm if norm is not None else block,
                inputs=int(module.in_features),
                outputs=int(module.out_features),
            )
            for inside, module in block.named_modules()
            if isinstance(module, nn.Linear) and inside.endswith(EXPERT_PROJECTION)
        )
    return ()


def attention_writer(layer: nn.Module, name: str) -> Writer:
    """Find attention's output projection of a layer.

    Raises:
        ModelError: there is no single one.
    """
    after = next((attention for mlp, attention in POST_NORMS.items() if hasattr(layer, mlp)), "")
    return _writer(layer, name, ATTENTION_PROJECTIONS, getattr(layer, after, None), "attention")


def _writer(layer: nn.Module, name: str, paths: tuple[str, ...], norm: nn.Module | None, what: str) -> Writer:
    found = _find(layer, paths)
    if found is None:
        raise ModelError(
            f"Layer {name} ({type(layer).__name__}) has no single {what} output projection",
            "Use a dense decoder such as GPT-2, GPT-NeoX, Llama, Qwen2, Gemma-2, Mistral, Phi or OPT",
        )
    path, outer = found
    inner: Any = getattr(outer, "base_layer", outer)  # PEFT keeps the wrapped projection there
    transposed = isinstance(inner, Conv1D)
    return Writer(
        projection=inner,
        name=f"{name}.{path}{'.base_layer' if inner is not outer else ''}.weight",
        transposed=transposed,
        norm=norm,
        output=norm if norm is not None else outer,
        inputs=int(inner.weight.shape[0] if transposed else inner.in_features),
        outputs=int(inner.nf if transposed else inner.out_features),
    )


def _find(layer: nn.Module, paths: tuple[str, ...]) -> tuple[str, nn.Module] | None:
    for path in paths:
        module: Any = layer
        for part in path.split("."):
            module = getattr(module, part, None)
        if isinstance(getattr(module, "base_layer", module), nn.Linear | Conv1D):
            return path, cast(nn.Module, module)
    return None
