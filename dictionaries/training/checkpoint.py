"""Checkpoints of training: written whole or not at all, and exact.

A checkpoint is a folder `step-N` with `state.json` and `state.safetensors`, each under a digest. It is written beside
its place and renamed into it, and older ones are removed afterwards, so that a process killed at any moment leaves a
whole one. JSON keeps every float64 exactly.
"""

import hashlib
import json
import shutil
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from policies.errors import DictionaryError, OutputError

VALUES, TENSORS = "state.json", "state.safetensors"
VERSION = 2
_SEPARATOR = "/"


@dataclass(frozen=True, kw_only=True)
class Checkpoints:
    """The place where training is saved, and how often.

    Attributes:
        folder: folder that holds the latest checkpoint.
        every: number of steps between two checkpoints; 0 for never.
        resume: whether training resumes from the latest checkpoint, which must then be there.
    """

    folder: Path
    every: int = 0
    resume: bool = False

    def due(self, done: int) -> bool:
        """Return whether a checkpoint is due after this many steps."""
        return self.every > 0 and done % self.every == 0

    def save(self, done: int, state: Mapping[str, Any]) -> None:
        """Write nested tensors and plain values as the only checkpoint.

        Raises:
            OutputError: the folder cannot be written.
        """
        tensors: dict[str, Tensor] = {}
        values = _split(state, tensors, "")
        target = self.folder / f"step-{done:09}"
        partial = self.folder / f".partial-{uuid.uuid4().hex[:8]}"
        try:
            partial.mkdir(parents=True)
            save_file(tensors, partial / TENSORS)
            digests = _digests(values, partial / TENSORS)
            stored = {"version": VERSION, "sha256": digests, "state": values}
            (partial / VALUES).write_text(json.dumps(stored), encoding="utf-8")
            shutil.rmtree(target, ignore_errors=True)
            partial.rename(target)
        except OSError as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise OutputError(
                f"No checkpoint can be written to {self.folder} ({error.strerror})",
                "Check the folder and the disk",
            ) from None
        for other in self.folder.iterdir():
            if other != target and other.name.startswith((".partial-", "step-")):
                shutil.rmtree(other, ignore_errors=True)

    def load(self) -> dict[str, Any]:
        """Read the latest state.

        Raises:
            DictionaryError: there is none, or it is damaged or of another version.
        """
        found = sorted(self.folder.glob("step-*"))
        if not found:
            raise DictionaryError(
                f"There is no checkpoint in {self.folder}",
                "Leave out --resume, or give the --output of the run that was stopped",
            )
        try:
            stored = json.loads((found[-1] / VALUES).read_text(encoding="utf-8"))
            tensors = load_file(found[-1] / TENSORS)
            version, values = stored["version"], stored["state"]
            if version == VERSION and stored["sha256"] != _digests(values, found[-1] / TENSORS):
                raise ValueError
        except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError):
            raise DictionaryError(
                f"The checkpoint {found[-1]} is damaged", "Remove it and train again without --resume"
            ) from None
        if version != VERSION:
            raise DictionaryError(
                f"The checkpoint {found[-1]} has version {version}, this program reads {VERSION}",
                "Resume with the version of Expunge that wrote it",
            )
        state: dict[str, Any] = _join(values, tensors, "")
        return state

    def remove(self) -> None:
        """Remove what was saved: training has ended."""
        if self.folder.is_dir():
            for other in self.folder.iterdir():
                if other.name.startswith((".partial-", "step-")):
                    shutil.rmtree(other, ignore_errors=True)
            if not any(self.folder.iterdir()):
                self.folder.rmdir()


def _digests(values: Mapping[str, Any], tensors: Path) -> dict[str, str]:
    """Return the sha256 of the plain values, and of the file of tensors."""
    with tensors.open("rb") as file:
        return {
            VALUES: hashlib.sha256(json.dumps(values).encode()).hexdigest(),
            TENSORS: hashlib.file_digest(file, "sha256").hexdigest(),
        }


def _split(state: Mapping[str, Any], tensors: dict[str, Tensor], path: str) -> dict[str, Any]:
    """Return the plain values of nested mappings; tensors go into a flat mapping and leave their place empty."""
    values: dict[str, Any] = {}
    for name, value in state.items():
        place = f"{path}{name}"
        if isinstance(value, Tensor):
            tensors[place] = value.detach().cpu().contiguous()
        elif isinstance(value, Mapping):
            values[name] = _split(value, tensors, f"{place}{_SEPARATOR}")
        else:
            values[name] = value
    return values


def _join(values: Mapping[str, Any], tensors: Mapping[str, Tensor], path: str) -> dict[str, Any]:
    """Return the nested mapping that `_split` took apart."""
    state: dict[str, Any] = {}
    for name, value in values.items():
        nested = isinstance(value, Mapping)
        state[name] = _join(value, tensors, f"{path}{name}{_SEPARATOR}") if nested else value
    for place, tensor in tensors.items():
        name = place.removeprefix(path)
        if place.startswith(path) and _SEPARATOR not in name:
            state[name] = tensor
    return state
