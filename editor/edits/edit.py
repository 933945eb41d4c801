"""Edits: weight changes by parameter name, applied and taken back bit for bit, saved and loaded.

An edit is a value and never a runtime hook: what it does, it does to weights. A change is either of low rank
(`Delta`) or confined to chosen entries (`MaskedDelta`), all others staying what they are to the last bit.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from safetensors import SafetensorError
from torch import Tensor, nn

from detectors.files import file_digest
from editor.artefacts.staging import PRIVATE
from editor.edits.keeping import Keeping, read_tensors
from editor.edits.records import EDIT_FILE, EditRecord, unreadable
from editor.edits.sealed import Lock, damaged
from policies.errors import EditError

DELTAS = "deltas.safetensors"
ORIGINALS = "originals.safetensors"
IN_THE_CLEAR = Keeping()
EDIT_VERSION = 1
"""Version of edits of low rank alone."""
MASKED_VERSION = 2
"""Version of edits with masked changes, which say of each parameter which kind it is."""
RANK_TOLERANCE = 1e-6
"""Share of the largest singular value below which the others do not count."""
DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError)
"""Errors that reading a damaged edit raises: JSON may hold any value anywhere, and tensors any shape."""


@dataclass(frozen=True, kw_only=True)
class Delta:
    """The change of one parameter, ΔW = left @ right, in the parameter's own layout.

    Attributes:
        left: (rows, rank), float32 on the CPU.
        right: (rank, columns), float32 on the CPU.
    """

    left: Float[Tensor, "rows rank"] = field(repr=False)
    right: Float[Tensor, "rank columns"] = field(repr=False)

    @classmethod
    def from_dense(cls, dense: Float[Tensor, "rows columns"]) -> "Delta":
        """Factor a dense change at its numerical rank (singular values above 1e-6 of the largest)."""
        u, s, v = torch.linalg.svd(dense.detach().float().cpu(), full_matrices=False)
        rank = max(1, int((s > RANK_TOLERANCE * s[0]).sum())) if len(s) else 0
        root = s[:rank].sqrt()
        return cls(left=(u[:, :rank] * root).contiguous(), right=(root[:, None] * v[:rank]).contiguous())

    @property
    def rank(self) -> int:
        """Rank of the change."""
        return int(self.left.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the parameter."""
        return int(self.left.shape[0]), int(self.right.shape[1])

    def dense(self) -> Float[Tensor, "rows columns"]:
        """Return the whole matrix ΔW."""
        return self.left @ self.right

    def truncated(self, error: float) -> "Delta":
        """Return the change of least rank, 1 at least, that differs from this one by `error` at most, in ‖·‖_F.

        That is its largest singular values (Eckart and Young, 1936), found on the factors' QR decompositions.
        """
        q_left, r_left = torch.linalg.qr(self.left.double())
        q_right, r_right = torch.linalg.qr(self.right.double().T)
        u, s, v = torch.linalg.svd(r_left @ r_right.T)
        left_out = s.pow(2).flip(0).cumsum(0).flip(0).sqrt()  # by rank, what the smaller ones make together
        rank = max(1, int((left_out > error).sum()))
        if rank >= self.rank:
            return self
        root = s[:rank].sqrt()
        left, right = q_left @ (u[:, :rank] * root), (root[:, None] * v[:rank]) @ q_right.T
        return Delta(left=left.float().contiguous(), right=right.float().contiguous())

    def squared_norm(self) -> float:
        """Return ‖ΔW‖²_F without forming ΔW: the sum of (LᵀL) ∘ (R Rᵀ)."""
        gram = (self.left.double().T @ self.left.double()) * (self.right.double() @ self.right.double().T)
        return max(0.0, float(gram.sum()))

    def scaled(self, factor: float) -> "Delta":
        """Return `factor` times the change."""
        return Delta(left=self.left * factor, right=self.right)

    def added_to(self, weight: Tensor) -> Tensor:
        """Return the changed weight: the sum in float32, or in float64 where it is that, rounded once to its dtype."""
        change = self.dense().to(weight.device)
        if weight.dtype == torch.float64:
            return weight + change
        return change.add_(weight).to(weight.dtype)  # in place: no second matrix in float32


@dataclass(frozen=True, kw_only=True)
class MaskedDelta:
    """The change of chosen entries of one parameter; the others keep their bits.

    Attributes:
        mask: mask of the entries that may change, of the parameter's shape, on the CPU.
        values: their changes in row-major order, float32 on the CPU.
    """

    mask: Bool[Tensor, "..."] = field(repr=False)
    values: Float[Tensor, " entries"] = field(repr=False)

    @classmethod
    def from_dense(cls, dense: Float[Tensor, "..."], mask: Bool[Tensor, "..."]) -> "MaskedDelta":
        """Take the masked entries of a change, and nothing of the others."""
        mask = mask.detach().cpu()
        return cls(mask=mask, values=dense.detach().float().cpu()[mask])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the parameter."""
        return tuple(self.mask.shape)

    def dense(self) -> Float[Tensor, "..."]:
        """Return the whole change, 0 outside the mask."""
        return torch.zeros(self.shape).masked_scatter_(self.mask, self.values)

    def squared_norm(self) -> float:
        """Return the sum of squares, ‖ΔW‖²_F."""
        return float(self.values.double().pow(2).sum())

    def scaled(self, factor: float) -> "MaskedDelta":
        """Return `factor` times the change."""
        return MaskedDelta(mask=self.mask, values=self.values * factor)

    def added_to(self, weight: Tensor) -> Tensor:
        """Return the changed weight: masked entries in float32, rounded once to its dtype; the others bit for bit."""
        mask = self.mask.to(weight.device)
        changed = weight.clone()
        changed[mask] = (_wide(weight[mask]) + self.values.to(weight.device)).to(weight.dtype)
        return changed


AnyDelta = Delta | MaskedDelta


def _wide(weight: Tensor) -> Tensor:
    """Return a weight in float32, or in float64 where it is that."""
    return weight if weight.dtype == torch.float64 else weight.float()


@dataclass(frozen=True, kw_only=True)
class Originals:
    """What taking an edit back needs. Whoever holds it can bring the facts back.

    Attributes:
        tensors: the edited tensors as they were stored before, by their names in the checkpoint's files. They may be
            read whenever somebody asks for one (`editor.model.stored.ReadTensors`).
        digest: the sha256 over all tensors of those files, in hexadecimal.
        edited: the same of the edited files; empty where it is not known.
        changed: the edited tensors' own digests, before and after.
    """

    tensors: Mapping[str, Tensor] = field(repr=False)
    digest: str
    edited: str = ""
    changed: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, kw_only=True)
class Edit:
    """Changes of parameters and where they came from.

    Attributes:
        deltas: parameter name -> change.
        method: the edit method's name.
        settings: the method's settings.
    """

    deltas: Mapping[str, AnyDelta]
    method: str
    settings: Mapping[str, float | str] = field(default_factory=dict)

    @property
    def norm(self) -> float:
        """‖ΔW‖_F over all parameters together."""
        return math.sqrt(sum(delta.squared_norm() for delta in self.deltas.values()))

    @property
    def is_empty(self) -> bool:
        """Whether it changes nothing."""
        return self.norm == 0.0

    def scaled(self, factor: float) -> "Edit":
        """Return the same edit, `factor` times as strong."""
        deltas = {name: delta.scaled(factor) for name, delta in self.deltas.items()}
        return Edit(deltas=deltas, method=self.method, settings=self.settings)

    def composed(self, other: "Edit") -> "Edit":
        """Return this edit and `other` together: the sum of their changes."""
        deltas = dict(self.deltas)
        for name, delta in other.deltas.items():
            mine = deltas.get(name)
            deltas[name] = delta if mine is None else _sum(mine, delta)
        method = f"{self.method}+{other.method}"
        return Edit(deltas=deltas, method=method, settings={**self.settings, **other.settings})

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Apply the edit inside the `with` block; afterwards the weights are what they were, bit for bit."""
        with preserved(model, self.deltas):
            self.apply_to(model)
            yield

    @torch.no_grad()
    def apply_to(self, model: nn.Module) -> None:
        """Add the changes to the model's weights, computed in float32 and rounded once to their dtype.

        Raises:
            EditError: the model lacks a parameter, or has it in another shape.
        """
        for name, delta in self.deltas.items():
            weight = _parameter(model, name)
            if tuple(weight.shape) != delta.shape:
                raise EditError(
                    f"The edit of {name} is {delta.shape}, the model's is {tuple(weight.shape)}",
                    "Apply it to the model it was made for",
                )
            weight.copy_(delta.added_to(weight))

    def save(
        self,
        folder: Path,
        originals: Originals | None = None,
        *,
        keeping: Keeping = IN_THE_CLEAR,
        record: EditRecord | None = None,
        previous: Sequence[EditRecord] = (),
    ) -> None:
        """Write `edit.json`, `deltas.safetensors`, and `originals.safetensors` where they are given.

        Args:
            folder: the folder to write to, made if it is missing.
            originals: what a revert needs; None to leave it out.
            keeping: how both files of tensors are kept.
            record: what is on record of the edit; None to leave it out.
            previous: the same of the edits that the model had before.
        """
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(PRIVATE)  # what is in it leads back to the facts
        tensors: dict[str, Tensor] = {}
        for name, delta in self.deltas.items():
            tensors |= _pack(name, delta)
        keeping.write(folder / DELTAS, tensors)
        if originals is not None:
            keeping.write(folder / ORIGINALS, originals.tensors, {"digest": originals.digest})
        self.describe(folder, record, previous)

    def describe(
        self, folder: Path, record: EditRecord | None = None, previous: Sequence[EditRecord] = ()
    ) -> None:
        """Write `edit.json` alone, which gives nobody's data back, with the digest of the changes beside it.

        Args:
            folder: the folder to write to.
            record: what is on record of the edit; None to leave it out.
            previous: the same of the edits that the model had before.
        """
        masked = any(isinstance(delta, MaskedDelta) for delta in self.deltas.values())
        head = {
            "version": MASKED_VERSION if masked else EDIT_VERSION,
            "method": self.method,
            "settings": dict(self.settings),
            "norm": self.norm,
            "parameters": {name: _describe(delta) for name, delta in self.deltas.items()},
        }
        if (folder / DELTAS).is_file():
            head["sha256"] = {DELTAS: file_digest(folder / DELTAS)}
        if record is not None:
            head |= {**record.to_json(), "previous": [one.to_json() for one in previous]}
        (folder / EDIT_FILE).write_text(json.dumps(head, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, lock: Lock | None = None) -> "Edit":
        """Read what `save` wrote.

        Raises:
            EditError: a file is missing or damaged, of another version, or sealed and `lock` does not open it.
        """
        try:
            head: dict[str, Any] = json.loads((folder / EDIT_FILE).read_text(encoding="utf-8"))
            if head["version"] not in (EDIT_VERSION, MASKED_VERSION):
                raise EditError(
                    f"{folder} is of edit version {head['version']}", "Use the Expunge that wrote it"
                )
            stated = head.get("sha256", {}).get(DELTAS)  # files of earlier versions state none
            if stated is not None and (folder / DELTAS).is_file() and stated != file_digest(folder / DELTAS):
                raise damaged(folder / DELTAS)
            tensors, _ = read_tensors(folder / DELTAS, lock)
            deltas = {name: _unpack(name, about, tensors) for name, about in head["parameters"].items()}
            return cls(deltas=deltas, method=str(head["method"]), settings=dict(head["settings"]))
        except DAMAGE as error:
            raise unreadable(folder, error) from None


def _sum(first: AnyDelta, second: AnyDelta) -> AnyDelta:
    """Add two changes of one parameter: the sum is masked only where both are."""
    total = first.dense() + second.dense()
    if isinstance(first, MaskedDelta) and isinstance(second, MaskedDelta):
        return MaskedDelta.from_dense(total, first.mask | second.mask)
    return Delta.from_dense(total)


def _describe(delta: AnyDelta) -> dict[str, Any]:
    """Return what `edit.json` says of a change."""
    if isinstance(delta, Delta):
        return {"rank": delta.rank, "shape": delta.shape}
    return {"kind": "masked", "entries": len(delta.values), "shape": delta.shape}


def _pack(name: str, delta: AnyDelta) -> dict[str, Tensor]:
    """Return a change's tensors: its factors, or its mask as bits (first entry highest) and the masked entries."""
    if isinstance(delta, Delta):
        return {f"{name}.left": delta.left.contiguous(), f"{name}.right": delta.right.contiguous()}
    bits = torch.from_numpy(np.packbits(delta.mask.flatten().numpy()))
    return {f"{name}.mask": bits, f"{name}.values": delta.values.contiguous()}


def _unpack(name: str, about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> AnyDelta:
    """Read back what `_pack` and `_describe` gave; raise an error of `DAMAGE` where they do not fit together."""
    if about.get("kind") != "masked":
        delta = Delta(left=tensors[f"{name}.left"], right=tensors[f"{name}.right"])
        if delta.left.shape[1:] != delta.right.shape[:1] or list(delta.shape) != about["shape"]:
            raise ValueError(name)
        return delta
    shape, values = tuple(about["shape"]), tensors[f"{name}.values"]
    packed, count = tensors[f"{name}.mask"], math.prod(shape)
    if len(packed) != math.ceil(count / 8):
        raise ValueError(name)
    bits = np.unpackbits(packed.numpy(), count=count)
    mask = torch.from_numpy(bits).bool().view(shape)
    if int(mask.sum()) != len(values):
        raise ValueError(name)
    return MaskedDelta(mask=mask, values=values)


def load_originals(folder: Path, lock: Lock | None = None) -> Originals:
    """Read what a revert needs.

    Raises:
        EditError: it was deleted or is damaged, so that the edit cannot be taken back, or `lock` does not open it.
    """
    tensors, metadata = read_tensors(folder / ORIGINALS, lock)
    if "digest" not in metadata:
        raise damaged(folder / ORIGINALS)
    return Originals(tensors=tensors, digest=metadata["digest"])


@contextmanager
def preserved(model: nn.Module, names: Mapping[str, Any] | set[str]) -> Iterator[None]:
    """Keep copies of parameters and put them back on leaving, whatever happens inside the block.

    Raises:
        EditError: the model lacks a parameter.
    """
    kept = {name: _parameter(model, name).detach().clone() for name in names}
    try:
        yield
    finally:
        with torch.no_grad():
            for name, value in kept.items():
                _parameter(model, name).copy_(value)


def _parameter(model: nn.Module, name: str) -> nn.Parameter:
    try:
        return model.get_parameter(name)
    except AttributeError:
        raise EditError(f"The model has no parameter {name}", "Use the model the edit was made for") from None
