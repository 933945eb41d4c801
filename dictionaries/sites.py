"""Sites: where in a decoder a dictionary reads, and how to record what flows there.

A site is one stream of one layer. `mlp_out` is what the MLP adds to the residual stream: the output of the
MLP's last projection, or of the norm behind it where the architecture has one (Gemma-2). Layers are found by
structure, so models wrapped by PEFT or dispatched by accelerate resolve like plain ones.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from policies.errors import DictionaryError, ModelError

Stream = Literal["mlp_out"]
STREAMS: tuple[str, ...] = get_args(Stream)

# Where the MLP's last projection sits in a decoder layer, most specific first.
PROJECTIONS = (
    "mlp.down_proj",  # Llama, Qwen2, Gemma, Mistral, OLMo
    "mlp.c_proj",  # GPT-2, GPT-Neo, GPT-BigCode, StarCoder2
    "mlp.dense_4h_to_h",  # GPT-NeoX, Falcon, BLOOM
    "mlp.fc_out",  # GPT-J
    "mlp.fc2",  # Phi
    "fc2",  # OPT
)
# A norm between the projection and the residual stream.
POST_NORMS = ("post_feedforward_layernorm", "post_mlp_layernorm")


@dataclass(frozen=True, order=True)
class Site:
    """One stream of one layer. `str(Site(3, "mlp_out"))` is `"mlp_out.3"`.

    Attributes:
        layer: decoder layer, counted from 0.
        stream: which tensor of the layer.
    """

    layer: int
    stream: Stream = "mlp_out"

    def __str__(self) -> str:
        return f"{self.stream}.{self.layer}"


@dataclass(frozen=True)
class SiteModules:
    """The modules behind a site.

    Attributes:
        output: the module whose output is the site's activation (the norm, if there is one).
        projection: the MLP's output projection, a `Linear` or transformers' `Conv1D`; keys are its inputs.
        projection_name: its weight's name in `model.named_parameters()`.
        transposed: True where the weight is stored (m, d), as in `Conv1D`, rather than (d, m).
        norm: the norm between projection and residual stream, or None.
        width: d, the width of the activation.
    """

    output: nn.Module
    projection: nn.Module
    projection_name: str
    transposed: bool
    norm: nn.Module | None
    width: int


@dataclass
class Taken:
    """What `capture` recorded in the latest forward pass.

    Attributes:
        outputs: (batch, sequence, d) activations by site.
        keys: (batch, sequence, m) inputs of the output projection by site.
    """

    outputs: dict[Site, Float[Tensor, "batch sequence d"]] = field(default_factory=dict)
    keys: dict[Site, Float[Tensor, "batch sequence m"]] = field(default_factory=dict)


class _DeepestSiteReached(Exception):  # noqa: N818  (control flow, not an error)
    """Ends a forward pass once the deepest wanted site has been recorded."""


def parse_site(text: str) -> Site:
    """Read `"mlp_out.3"`.

    Raises:
        DictionaryError: the text names no stream and layer.
    """
    match = re.fullmatch(rf"({'|'.join(STREAMS)})\.(\d+)", text)
    if match is None:
        raise DictionaryError(f"{text!r} is not a site", f"Write one as {STREAMS[0]}.LAYER, layers from 0")
    return Site(int(match[2]), cast(Stream, match[1]))


def decoder_layers(model: nn.Module) -> nn.ModuleList:
    """The decoder layers of a causal language model, in order.

    Raises:
        ModelError: no module list has the length the config states, or several unrelated ones have.
    """
    return _named_layers(model)[1]


def input_device(model: nn.Module) -> torch.device:
    """Where token ids go: the device of the input embedding."""
    embedding: Any = getattr(model, "get_input_embeddings", lambda: None)()
    weight = embedding.weight if embedding is not None else next(model.parameters())
    device: torch.device = weight.device
    return device


def resolve(model: nn.Module, site: Site) -> SiteModules:
    """Find the modules behind a site.

    Raises:
        DictionaryError: the model has no such layer.
        ModelError: the layer has no single MLP output projection (a mixture of experts, for example).
    """
    name, layers = _named_layers(model)
    if not 0 <= site.layer < len(layers):
        raise DictionaryError(
            f"Site {site} does not exist in a model of {len(layers)} layers",
            f"Use a layer from 0 to {len(layers) - 1}",
        )
    layer = layers[site.layer]
    path, outer = _projection(layer, site)
    inner = getattr(outer, "base_layer", outer)  # PEFT keeps the wrapped projection there
    norm = next((getattr(layer, norm) for norm in POST_NORMS if hasattr(layer, norm)), None)
    return SiteModules(
        output=norm if norm is not None else outer,
        projection=inner,
        projection_name=f"{name}.{site.layer}.{path}{'.base_layer' if inner is not outer else ''}.weight",
        transposed=isinstance(inner, Conv1D),
        norm=norm,
        width=int(cast(Any, inner).nf if isinstance(inner, Conv1D) else cast(Any, inner).out_features),
    )


@contextmanager
def capture(
    model: nn.Module,
    sites: Iterable[Site],
    *,
    keys: bool = True,
    outputs: bool = True,
    grad: bool = False,
    stop_early: bool = False,
) -> Iterator[Taken]:
    """Record activations and keys of sites while the model runs inside the `with` block.

    A second forward pass overwrites what the first one left. Hooks are removed on leaving, whatever happens.

    Args:
        model: a causal language model, plain, PEFT-wrapped or dispatched.
        sites: what to record.
        keys: record the projections' inputs.
        outputs: record the activations.
        grad: keep tensors in the graph with `retain_grad()`, so that `taken.outputs[site].grad` is there
            after a backward pass even where every parameter is frozen. Otherwise tensors are detached. Not
            for use under `torch.no_grad()`.
        stop_early: end the forward pass after the deepest site. Statements after `model(...)` in the block
            are then skipped: read `taken` behind it. Ignored where accelerate moves weights in and out.

    Raises:
        DictionaryError: a layer is out of range.
        ModelError: the model's structure is not understood.
    """
    wanted = sorted(set(sites))
    taken = Taken()
    stop_early = stop_early and not any(hasattr(module, "_hf_hook") for module in model.modules())
    modules = {site: resolve(model, site) for site in wanted}
    layers = decoder_layers(model)
    with ExitStack() as hooks:
        for site, found in modules.items():
            hook = _Recorder(taken, site, grad, stop=stop_early and site == wanted[-1])
            hooks.callback(layers[site.layer].register_forward_pre_hook(hook.shape, with_kwargs=True).remove)
            if keys:
                hooks.callback(found.projection.register_forward_pre_hook(hook.key).remove)
            if outputs or hook.stop:
                hooks.callback(
                    found.output.register_forward_hook(hook.output if outputs else hook.end).remove
                )
        try:
            yield taken
        except _DeepestSiteReached:
            return


class _Recorder:
    """The hooks of one site."""

    def __init__(self, taken: Taken, site: Site, grad: bool, *, stop: bool) -> None:
        self.taken, self.site, self.grad, self.stop = taken, site, grad, stop
        self.leading: torch.Size | None = None

    def shape(self, _: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Note batch and sequence length: OPT flattens them inside its layers."""
        hidden = args[0] if args else kwargs.get("hidden_states")
        self.leading = hidden.shape[:-1] if isinstance(hidden, Tensor) else None

    def key(self, _: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Record a projection's input."""
        self.taken.keys[self.site], value = self._keep(args[0])
        return (value, *args[1:])

    def output(self, _: nn.Module, __: tuple[Any, ...], output: Tensor) -> Tensor:
        """Record a site's activation."""
        self.taken.outputs[self.site], value = self._keep(output)
        if self.stop:
            raise _DeepestSiteReached
        return value

    def end(self, _: nn.Module, __: tuple[Any, ...], ___: Tensor) -> None:
        """End the pass where only keys were asked for."""
        raise _DeepestSiteReached

    def _keep(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """The tensor to record, shaped (batch, sequence, width), and the one that the model goes on with."""
        flattened = self.leading is not None and value.dim() == 2 and len(self.leading) == 2
        if not self.grad:
            kept = value.detach()
            return (kept.view(*self.leading, -1) if flattened and self.leading else kept), value
        if not value.requires_grad:
            value = value.detach().requires_grad_()
        # The recorded tensor must be an ancestor of the loss, or no gradient reaches it.
        kept = value.view(*self.leading, -1) if flattened and self.leading else value
        kept.retain_grad()
        return kept, kept.view_as(value)


def _named_layers(model: nn.Module) -> tuple[str, nn.ModuleList]:
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
    usable = [(name, layers) for name, layers in found if _find_projection(layers[0]) is not None]
    candidates = usable or found
    if len(candidates) != 1:
        raise ModelError(
            f"{len(candidates)} lists of {count} layers were found in {type(model).__name__}",
            "Use a decoder-only language model of transformers",
        )
    return candidates[0]


def _find_projection(layer: nn.Module) -> tuple[str, nn.Module] | None:
    for path in PROJECTIONS:
        module: Any = layer
        for part in path.split("."):
            module = getattr(module, part, None)
        if isinstance(getattr(module, "base_layer", module), nn.Linear | Conv1D):
            return path, cast(nn.Module, module)
    return None


def _projection(layer: nn.Module, site: Site) -> tuple[str, nn.Module]:
    found = _find_projection(layer)
    if found is None:
        raise ModelError(
            f"Layer {site.layer} ({type(layer).__name__}) has no single MLP output projection",
            "Use a dense decoder such as GPT-2, GPT-NeoX, Llama, Qwen2, Gemma-2, Mistral, Phi or OPT",
        )
    return found
