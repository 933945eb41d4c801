"""An output folder as a check reads it, and whether its files are those of its manifest."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from detectors.files import file_digest
from editor.artefacts.replacing import MANIFEST, UNLISTED
from editor.attestation.findings import Finding
from editor.report.write import REPORT_JSON
from editor.results.report import Report

EDIT = "edit"
"""Folder in which earlier versions left the edit inside the output."""


class FileEntry(BaseModel):
    """What a manifest says of a file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int
    checked_for_secrets: bool


class Manifest(BaseModel):
    """A manifest, as `editor.artefacts.output` writes it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: int
    files: dict[str, FileEntry]
    inputs: dict[str, str]
    versions: dict[str, str]
    seed: int
    started: str
    ended: str
    checkpoint: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class EvidenceFolder:
    """An output folder of a run that is judged.

    Attributes:
        path: The folder.
    """

    path: Path

    @cached_property
    def files(self) -> dict[str, Path]:
        """Files that are there, by their names in the folder."""
        found = sorted(path for path in self.path.rglob("*") if path.is_symlink() or not path.is_dir())
        return {path.relative_to(self.path).as_posix(): path for path in found}

    @cached_property
    def manifest_text(self) -> str | None:
        """Text of the manifest; None where it is missing or no text."""
        return self.text(MANIFEST)

    @cached_property
    def manifest(self) -> Manifest | None:
        """The manifest; None where it is missing or none."""
        try:
            return Manifest.model_validate(json.loads(self.manifest_text or ""))
        except (ValueError, ValidationError, RecursionError):
            return None

    @cached_property
    def report(self) -> Report | None:
        """The report; None where it is missing or none."""
        try:
            return Report.from_json(self.text(REPORT_JSON) or "")
        except (ValueError, ValidationError, RecursionError, TypeError, AttributeError):
            return None

    @cached_property
    def digests(self) -> dict[str, str | None]:
        """Digests of the files that are there; None for one that cannot be read."""
        return {name: _digest(path) for name, path in self.files.items()}

    def is_intact(self, name: str) -> bool:
        """Return whether a file is the one that the manifest lists."""
        entry = self.manifest.files.get(name) if self.manifest else None
        return entry is not None and self.digests.get(name) == entry.sha256

    def text(self, name: str) -> str | None:
        """Return the text of a file, byte for byte; None where it is missing or no text."""
        path = self.path / name
        try:
            return path.read_bytes().decode("utf-8") if path.is_file() else None
        except (OSError, UnicodeDecodeError):
            return None

    def data(self, name: str) -> Any:
        """Return the JSON of a file; None where it is missing or none."""
        try:
            return json.loads(self.text(name) or "")
        except (ValueError, RecursionError):
            return None


def check_files(folder: EvidenceFolder) -> Iterator[Finding]:
    """Compare the files that are there with the manifest."""
    manifest = folder.manifest
    if manifest is None:
        yield Finding(f"{MANIFEST} is missing or is no manifest")
        return
    withheld = not (folder.path / EDIT).exists()
    if withheld and any(name.startswith(f"{EDIT}/") for name in manifest.files):
        yield Finding(f"The folder {EDIT} is kept apart, so its files were not compared", "note")
    for name, entry in manifest.files.items():
        if name not in folder.files:
            if not (withheld and name.startswith(f"{EDIT}/")):
                yield Finding(f"{name!r} is in the manifest and missing")
        elif not folder.is_intact(name):
            yield Finding(f"{name!r} has another sha256 than in the manifest")
        elif folder.files[name].stat().st_size != entry.bytes:
            yield Finding(f"{name!r} has another size than in the manifest")
    for name in folder.files:
        if name not in manifest.files and name not in UNLISTED:
            yield Finding(f"{name!r} is not in the manifest")


def _digest(path: Path) -> str | None:
    try:
        return file_digest(path) if path.is_file() else None
    except OSError:
        return None
