"""Training in several processes: one shard of the token batches each, gradients averaged by accelerate.

`accelerate launch --multi_gpu --num_processes 2 -m editor.cli dictionary train ...` starts them (with
`--device cpu` they use the CPU and gloo); every process then holds the same dictionary and reads its own
activations. Alone, nothing here does anything.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor

from policies.errors import DictionaryError


@dataclass(frozen=True, kw_only=True)
class Processes:
    """One process among those that train together.

    Attributes:
        index: number of this process, from 0; process 0 writes and reports.
        count: number of processes.
        device: device of this process's model, or None where it is alone and free to choose.
    """

    index: int = 0
    count: int = 1
    device: torch.device | None = None

    @property
    def main(self) -> bool:
        """Whether this process writes and reports."""
        return self.index == 0

    def share(self, batch_size: int) -> int:
        """Return this process's part of a batch, in tokens.

        Raises:
            DictionaryError: the batch cannot be shared evenly.
        """
        if batch_size % self.count:
            raise DictionaryError(
                f"A batch of {batch_size} tokens cannot be shared by {self.count} processes",
                "Give a batch size that is a multiple of the number of processes",
            )
        return batch_size // self.count

    def shard(self, batches: Iterable[Any]) -> Iterable[Any]:
        """Return every `count`-th token batch; all of them, as they are given, where there is one process.

        Raises:
            DictionaryError: there are fewer batches than processes.
        """
        if self.count == 1:
            return batches
        listed = list(batches)
        if len(listed) < self.count:
            raise DictionaryError(
                f"{len(listed)} token batches cannot be shared by {self.count} processes",
                "Give a larger corpus, or fewer processes",
            )
        return listed[self.index :: self.count]

    def total(self, tensor: Tensor) -> Tensor:
        """Return the sum over processes; `tensor` itself where there is one."""
        return self._reduce(tensor, "sum")

    def average_(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its mean over processes, all in one exchange."""
        if self.count == 1:
            return
        listed = list(tensors)
        flat = self._reduce(torch.cat([tensor.flatten() for tensor in listed]), "mean")
        parts = torch.split(flat, [tensor.numel() for tensor in listed])
        for tensor, part in zip(listed, parts, strict=True):
            tensor.copy_(part.view(tensor.shape))

    def follow_(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by that of the first process."""
        if self.count > 1:
            from accelerate.utils import broadcast

            for tensor in tensors:
                tensor.copy_(broadcast(tensor.contiguous(), from_process=0))

    def _reduce(self, tensor: Tensor, how: str) -> Tensor:
        if self.count == 1:
            return tensor
        from accelerate.utils import reduce

        reduced: Tensor = reduce(tensor, reduction=how)
        return reduced


ALONE = Processes()


def launched_count() -> int:
    """Return the number of processes that were started together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def join_processes(*, cpu: bool, patience: timedelta | None = None) -> Processes:
    """Join the processes that `accelerate launch` or `torchrun` started; return this one alone where none were.

    Args:
        cpu: whether the processes use the CPU; otherwise each has a GPU.
        patience: time that one waits for the others; None for what torch thinks right for training.
    """
    if launched_count() == 1:
        return ALONE
    from accelerate import PartialState

    state = PartialState(cpu=cpu, **({} if patience is None else {"timeout": patience}))
    return Processes(index=state.process_index, count=state.num_processes, device=state.device)
