"""How many bytes of tensors and of Python's own blocks are held at once in a block of code, by counting them."""

import tracemalloc
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


@dataclass
class Held:
    """Most bytes that were held at once: of tensors made in the block, and of Python's and numpy's blocks."""

    tensors: int = 0
    blocks: int = 0
    _alive: dict = field(default_factory=dict, repr=False)

    @property
    def most(self):
        return self.tensors + self.blocks

    def see(self, made):
        """Count a tensor's memory once; what is mapped from a file is the file's."""
        storage = made.untyped_storage()
        if made.device.type == "cpu" and not getattr(storage, "filename", None):
            self._alive.setdefault(storage._cdata, (StorageWeakRef(storage), storage.nbytes()))
        self._alive = {place: one for place, one in self._alive.items() if not one[0].expired()}
        self.tensors = max(self.tensors, sum(size for _, size in self._alive.values()))


class _Counting(TorchDispatchMode):
    def __init__(self, held, known):
        super().__init__()
        self.held, self.known = held, known

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for one in tree_iter(out):
            if isinstance(one, torch.Tensor) and one.untyped_storage()._cdata not in self.known:
                self.held.see(one)
        return out


@contextmanager
def counted_bytes(*models):
    """Yield what counts the bytes that are held inside the `with` block beside the models' own tensors."""
    tensors = [tensor for model in models for tensor in model.state_dict(keep_vars=True).values()]
    known = {tensor.untyped_storage()._cdata for tensor in tensors}
    held = Held()
    tracemalloc.start()
    try:
        with _Counting(held, known):
            yield held
        held.blocks = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
