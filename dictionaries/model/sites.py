"""Sites: where in a decoder a dictionary reads, and how to record and replace what flows there.

A site is one stream of one layer:

    mlp_out     what the MLP adds to the residual stream: the output of its last projection, or of the norm after
                it where the architecture has one (Gemma-2)
    attn_out    what attention adds to it, likewise
    resid_post  the residual stream after the layer
    attn_heads  the heads' outputs side by side: the input of attention's output projection
    mlp_hidden  the MLP's neurons: the input of its output projection

Layers are found by structure, so models wrapped by PEFT or dispatched by accelerate resolve like plain ones.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, cast, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from dictionaries.model.structure import (
    Writer,
    attention_writer,
    expert_writers,
    mlp_writer,
    named_layers,
)
from policies.errors import DictionaryError

Stream = Literal["mlp_out", "attn_out", "resid_post", "attn_heads", "mlp_hidden"]
STREAMS: tuple[str, ...] = get_args(Stream)
Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True, order=True)
class Site:
    """One stream of one layer. `str(Site(3, "mlp_out"))` is `"mlp_out.3"`.

    Attributes:
        layer: number of the decoder layer, from 0.
        stream: name of the layer's tensor.
    """

    layer: int
    stream: Stream = "mlp_out"

    def __str__(self) -> str:
        return f"{self.stream}.{self.layer}"


@dataclass(frozen=True)
class SiteModules:
    """The modules of a site.

    Attributes:
        module: the module at which the activation is found.
        reads_input: whether the activation is what enters the module, rather than what leaves it.
        width: d, the width of the activation.
        writer: the projection whose output the activation is (mlp_out, attn_out), or None.
        experts: of a mixture of experts, the projections whose outputs add up to the activation (mlp_out).
    """

    module: nn.Module
    reads_input: bool
    width: int
    writer: Writer | None
    experts: tuple[Writer, ...] = ()

    @property
    def writers(self) -> tuple[Writer, ...]:
        """Every projection that writes the activation: one, or one an expert."""
        return self.experts or (self._require_writer(),)

    @property
    def output(self) -> nn.Module:
        """The module whose output is the activation of `mlp_out` and `attn_out`."""
        return self.module

    @property
    def projection(self) -> nn.Module:
        """The writer's projection."""
        return self._require_writer().projection

    @property
    def projection_name(self) -> str:
        """The name of the projection's weight in `model.named_parameters()`."""
        return self._require_writer().name

    @property
    def transposed(self) -> bool:
        """Whether the projection's weight is stored (m, d)."""
        return self._require_writer().transposed

    @property
    def norm(self) -> nn.Module | None:
        """The norm after the writers' projections, or None."""
        return self.writers[0].norm

    def _require_writer(self) -> Writer:
        if self.writer is None:
            raise DictionaryError(
                "The activation is not the output of one projection", "Ask `writing_sites` for what writes it"
            )
        return self.writer


@dataclass
class Captured:
    """The record that `capture` made of the latest forward pass.

    Attributes:
        outputs: (batch, sequence, d) activations by site.
        keys: (batch, sequence, m) inputs of the projection that writes each site, where one does.
    """

    outputs: dict[Site, Float[Tensor, "batch sequence d"]] = field(default_factory=dict)
    keys: dict[Site, Float[Tensor, "batch sequence m"]] = field(default_factory=dict)


class _DeepestSiteReached(Exception):  # noqa: N818  (control flow, not an error)
    """The end of a forward pass once the deepest wanted site has been recorded."""


def parse_site(text: str) -> Site:
    """Parse a site such as `"mlp_out.3"`.

    Raises:
        DictionaryError: the text names no stream and layer.
    """
    match = re.fullmatch(rf"({'|'.join(STREAMS)})\.(\d+)", text)
    if match is None:
        raise DictionaryError(
            f"{text!r} is not a site", f"Write one as mlp_out.3: {', '.join(STREAMS)} and a layer from 0"
        )
    return Site(int(match[2]), cast(Stream, match[1]))


def decoder_layers(model: nn.Module) -> nn.ModuleList:
    """Return the decoder layers of a causal language model, in order.

    Raises:
        ModelError: no module list has the length the config states, or several unrelated ones have.
    """
    return named_layers(model)[1]


def input_device(model: nn.Module) -> torch.device:
    """Return the device of the input embedding, where token ids go."""
    embedding: Any = getattr(model, "get_input_embeddings", lambda: None)()
    weight = embedding.weight if embedding is not None else next(model.parameters())
    device: torch.device = weight.device
    return device


def writing_sites(site: Site) -> tuple[Site, ...]:
    """Return the sites of the same layer that write what a site reads: one projection each; their outputs add up.

    The residual stream also carries what earlier layers wrote.

    Raises:
        DictionaryError: the site is not in the residual stream (attn_heads, mlp_hidden).
    """
    if site.stream == "resid_post":
        return (Site(site.layer, "attn_out"), Site(site.layer, "mlp_out"))
    if site.stream in {"mlp_out", "attn_out"}:
        return (site,)
    raise DictionaryError(
        f"What {site} reads is computed by the layer, no projection writes it",
        "Use a dictionary of mlp_out, attn_out or resid_post",
    )


def resolve(model: nn.Module, site: Site) -> SiteModules:
    """Find the modules of a site.

    Raises:
        DictionaryError: the model has no such layer.
        ModelError: the layer has no MLP or attention output projection that is known, or not the single one that the
            site needs.
    """
    name, layers = named_layers(model)
    if not 0 <= site.layer < len(layers):
        raise DictionaryError(
            f"Site {site} does not exist in a model of {len(layers)} layers",
            f"Use a layer from 0 to {len(layers) - 1}",
        )
    layer, path = layers[site.layer], f"{name}.{site.layer}"
    of_attention = site.stream in {"attn_heads", "attn_out"}
    experts = () if of_attention or site.stream == "mlp_hidden" else expert_writers(layer, path)
    if experts:
        first = experts[0]
        if site.stream == "resid_post":
            return SiteModules(layer, reads_input=False, width=first.outputs, writer=None)
        return SiteModules(first.output, reads_input=False, width=first.outputs, writer=None, experts=experts)
    writer = attention_writer(layer, path) if of_attention else mlp_writer(layer, path)
    if site.stream in {"attn_heads", "mlp_hidden"}:
        return SiteModules(writer.projection, reads_input=True, width=writer.inputs, writer=None)
    if site.stream == "resid_post":
        return SiteModules(layer, reads_input=False, width=writer.outputs, writer=None)
    return SiteModules(writer.output, reads_input=False, width=writer.outputs, writer=writer)


@contextmanager
def intercepted(model: nn.Module, site: Site, change: Change) -> Iterator[None]:
    """Put `change(activation)` in the place of a site's activation while the model runs inside the block.

    `change` gets the tensor as the model has it, (batch, sequence, d) or flattened to (tokens, d), and returns one
    of that shape.

    Raises:
        DictionaryError: the model has no such layer.
        ModelError: the model's structure is not understood.
    """
    handle = _attach(resolve(model, site), change)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def capture(
    model: nn.Module,
    sites: Iterable[Site],
    *,
    keys: bool = True,
    outputs: bool = True,
    grad: bool = False,
    stop_early: bool = False,
) -> Iterator[Captured]:
    """Record activations and keys of sites while the model runs inside the `with` block.

    A second forward pass overwrites what the first one left. Hooks are removed on leaving, whatever happens.

    Args:
        model: a causal language model, plain, PEFT-wrapped or dispatched.
        sites: the sites to record.
        keys: whether to record the inputs of the projections that write sites.
        outputs: whether to record the activations.
        grad: whether to keep tensors in the graph with `retain_grad()`, so that `taken.outputs[site].grad` is
            there after a backward pass even where every parameter is frozen. Otherwise tensors are detached. Not
            for use under `torch.no_grad()`.
        stop_early: whether to end the forward pass after the deepest site. Statements after `model(...)` in the
            block are then skipped: read `taken` after the block. Ignored where accelerate moves weights in and out.

    Raises:
        DictionaryError: a layer is out of range.
        ModelError: the model's structure is not understood.
    """
    wanted = sorted(set(sites))
    taken = Captured()
    stop_early = stop_early and not any(hasattr(module, "_hf_hook") for module in model.modules())
    modules = {site: resolve(model, site) for site in wanted}
    layers = decoder_layers(model)
    with ExitStack() as hooks:
        for site, found in modules.items():
            # In a layer, streams happen in the order of their names.
            hook = _Recorder(taken, site, grad, stop=stop_early and site == wanted[-1])
            hooks.callback(layers[site.layer].register_forward_pre_hook(hook.shape, with_kwargs=True).remove)
            if keys and found.writer is not None:
                hooks.callback(found.projection.register_forward_pre_hook(hook.key).remove)
            if outputs or hook.stop:
                hooks.callback(_attach(found, hook.output if outputs else hook.end).remove)
        try:
            yield taken
        except _DeepestSiteReached:
            return


def _attach(found: SiteModules, change: Change) -> RemovableHandle:
    """Hook a change to a site; a layer may return its activation first in a tuple.

    The model goes on with a copy of an output: some layers, such as Falcon's, add to it in place.
    """

    def entering(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (change(args[0]), *args[1:])

    def leaving(_: nn.Module, __: tuple[Any, ...], output: Any) -> Any:
        if isinstance(output, tuple):
            return (change(output[0]).clone(), *output[1:])
        return change(output).clone()

    if found.reads_input:
        return found.module.register_forward_pre_hook(entering)
    return found.module.register_forward_hook(leaving)


class _Recorder:
    """The hooks of one site."""

    def __init__(self, taken: Captured, site: Site, grad: bool, *, stop: bool) -> None:
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

    def output(self, output: Tensor) -> Tensor:
        """Record a site's activation."""
        self.taken.outputs[self.site], value = self._keep(output)
        if self.stop:
            raise _DeepestSiteReached
        return value

    def end(self, _: Tensor) -> Tensor:
        """End the pass where only keys were asked for."""
        raise _DeepestSiteReached

    def _keep(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return the tensor to record, shaped (batch, sequence, width), and the one that the model continues with."""
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
