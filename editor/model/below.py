"""What enters the lowest layer that changes. Below it nothing does, so that each sequence is run there once.

A fit runs the same sequences many times while weights of some layers change. With l the lowest of them, the hidden
states h that enter layer l are a constant of each sequence. They are read once and kept; from then on a pass begins
at layer l. Layers below hand on what they are given, and keep keys and values that nobody reads, of the right length.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dictionaries import decoder_layers
from editor.model.forward import backbone
from editor.model.loading import LoadedModel
from editor.model.precision import multiplied_in, quick_precision
from editor.model.tokens import TokenSequence, batches, lowest_that_changes
from policies.errors import ModelError

LEAST_SHARE = 4
"""The layers below are left out where they are at least one in so many."""


class _ReachedError(Exception):
    """The pass has come to the layer at which it was to end."""


class Below:
    """Hidden states that enter layer l, by a sequence's tokens.

    Attributes:
        lowest: l.

    Args:
        loaded: model, of whose layers below l no weight changes as long as this is used.
        lowest: l.
    """

    def __init__(self, loaded: LoadedModel, lowest: int) -> None:
        self.loaded, self.lowest = loaded, lowest
        self._layers = list(decoder_layers(loaded.model))
        self._known: dict[tuple[int, ...], Float[Tensor, "positions width"]] = {}  # h
        self._hands_on_tuples = False

    @classmethod
    def changing(cls, loaded: LoadedModel) -> "Below | None":
        """Return it for the weights that want gradients; None where too few layers are below, or none is known."""
        try:
            layers = len(decoder_layers(loaded.model))
        except ModelError:
            return None
        lowest = lowest_that_changes(loaded.model)
        return cls(loaded, lowest) if lowest * LEAST_SHARE >= layers and lowest else None

    @property
    def names(self) -> set[str]:
        """Names of the weights below, which are read no more than once a sequence."""
        mine = {id(weight) for layer in self._layers[: self.lowest] for weight in layer.parameters()}
        return {name for name, weight in self.loaded.model.named_parameters() if id(weight) in mine}

    def read(self, sequences: Iterable[TokenSequence]) -> None:
        """Run sequences up to layer l, those that were not yet; so that `entering` knows them."""
        missing = list({one.ids: one for one in sequences if one.ids not in self._known}.values())
        loaded = self.loaded
        for batch in batches(missing, pad=loaded.pad_id, device=loaded.device, passes=loaded.passes):
            hidden = self._run(batch.inputs).to(multiplied_in(loaded))
            lengths = batch.inputs["attention_mask"].sum(1).tolist()
            ids = batch.inputs["input_ids"].tolist()
            for row, length in enumerate(lengths):
                self._known[tuple(ids[row][:length])] = hidden[row, :length].clone()

    @contextmanager
    def entering(self, sequences: Sequence[TokenSequence], start: int, length: int) -> Iterator[None]:
        """Let passes in the `with` block begin at layer l, with some positions of sequences that were read.

        Args:
            sequences: a row each.
            start: first position that is run.
            length: number of positions that are run, padding on the right included.
        """
        dtype = self.loaded.model.dtype
        width = self._known[sequences[0].ids].shape[1]
        hidden = torch.zeros(len(sequences), length, width, dtype=dtype, device=self.loaded.device)
        for row, sequence in enumerate(sequences):
            mine = self._known[sequence.ids][start : start + length]
            hidden[row, : len(mine)] = mine.to(dtype)

        def put(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            if given:
                return (hidden, *given[1:]), named
            return given, {**named, "hidden_states": hidden}

        handle = self._layers[self.lowest].register_forward_pre_hook(put, with_kwargs=True)
        try:
            with self._handing_on():
                yield
        finally:
            handle.remove()

    @torch.no_grad()
    def _run(self, inputs: dict[str, Tensor]) -> Float[Tensor, "rows positions width"]:
        found: list[Tensor] = []

        def take(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> None:
            found.append(given[0] if given else named["hidden_states"])
            raise _ReachedError

        def note(_: nn.Module, __: tuple[Any, ...], output: Any) -> None:
            self._hands_on_tuples = isinstance(output, tuple)

        handles = [
            self._layers[self.lowest].register_forward_pre_hook(take, with_kwargs=True),
            self._layers[0].register_forward_hook(note),
        ]
        try:
            with quick_precision(self.loaded):
                backbone(self.loaded.model)(**inputs, use_cache=False)
        except _ReachedError:
            pass
        finally:
            for handle in handles:
                handle.remove()
        return found[0]

    @contextmanager
    def _handing_on(self) -> Iterator[None]:
        """Let the layers below return what they are given in the `with` block."""
        own = [layer.__dict__.get("forward") for layer in self._layers[: self.lowest]]
        for number, layer in enumerate(self._layers[: self.lowest]):
            layer.forward = self._hand_on(number)
        try:
            yield
        finally:
            for layer, forward in zip(self._layers, own, strict=False):
                if forward is None:
                    del layer.forward
                else:
                    layer.forward = forward

    def _hand_on(self, number: int) -> Callable[..., Any]:
        from transformers import Cache

        def forward(*given: Any, **named: Any) -> Any:
            hidden = given[0] if given else named["hidden_states"]
            for value in (*given, *named.values()):
                if isinstance(value, Cache):
                    nothing = hidden.new_zeros(len(hidden), 1, hidden.shape[1], 1)
                    value.update(nothing, nothing, number)
            return (hidden,) if self._hands_on_tuples else hidden

        return forward
