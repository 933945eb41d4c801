"""The output folder: written whole or not at all, described by a manifest, and free of secrets."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Protocol, Self

from detectors.files import file_digest
from editor.artefacts.replacing import MANIFEST, check_replaceable
from editor.artefacts.scanner import SecretScanner
from editor.artefacts.staging import Staging
from policies.errors import ExpungeError, OutputError

MANIFEST_VERSION = 1
VOCABULARIES = ("tokenizer.json", "vocab.json", "vocab.txt", "merges.txt", "tokenizer.model")
"""Names of files copied from the model that was given; any word in them may be part of a secret."""

SEALED_SUFFIX = ".enc"
"""Suffix of encrypted files, which disclose nothing and are not looked through."""


def _now() -> datetime:
    return datetime.now(UTC)


class Attestor(Protocol):
    """What is written last into a folder, because it speaks of the files that are there."""

    def before_manifest(self, files: Mapping[str, str]) -> Mapping[str, str]:
        """Return further texts by name, which the manifest lists, given the digests of the files that it lists."""

    def after_manifest(self, manifest: str) -> Mapping[str, str]:
        """Return texts by name that speak of the manifest, and that it does not list."""


class OutputFolder:
    """A folder that appears when the block ends well, and not otherwise.

    Everything is written into a sibling folder, checked for secrets, listed in manifest.json and moved into
    place in one step. When the block raises, Ctrl-C included, nothing is left and what stood there before is
    as it was. Two runs cannot write the same folder at a time. Nothing is replaced but an earlier output, and what
    stands there is looked at again at the move: a finished output that cannot take its place is kept beside it.

        with OutputFolder(path, scanner=scanner, inputs={"policy": digest}, seed=0) as output:
            output.write_text("report.json", report.to_json())
            model.save_pretrained(output.subfolder("model"))

    Args:
        path: the path of the finished folder.
        overwrite: whether to replace an earlier output that stands there.
        scanner: a scanner that refuses artefacts that hold a secret; it can be set later, as `output.scanner`,
            and is applied to every file again before the move.
        inputs: the run's inputs by role, each with its digest or name, for the manifest.
        versions: the versions of Expunge and of what it uses, for the manifest.
        seed: the run's seed, for the manifest.
        unscanned: names of files that are not checked for secrets.
        clock: a function that gives the time, for the manifest.
        reads: paths of what the run reads; a folder that holds one of them is never replaced.
        private: whether the finished folder is readable by its owner alone.

    `attestor`, what is written last, and `checkpoint`, the digests of the files of a checkpoint that lies elsewhere,
    can be set while the block runs.

    Raises:
        OutputError: on entering, when the folder is not empty and `overwrite` is false, when it must not be
            replaced, cannot be written or is being written by another run; on leaving or writing, when a file would
            disclose a secret, the disk is full, or something else stands there by now.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        overwrite: bool = False,
        scanner: SecretScanner | None = None,
        inputs: Mapping[str, str] | None = None,
        versions: Mapping[str, str] | None = None,
        seed: int = 0,
        unscanned: tuple[str, ...] = VOCABULARIES,
        clock: Callable[[], datetime] = _now,
        reads: Iterable[Path | str] = (),
        private: bool = False,
    ) -> None:
        self.destination = Path(path).resolve()
        self.scanner = scanner
        self.inputs = dict(inputs or {})
        self.versions = dict(versions or {})
        self.seed = seed
        self.attestor: Attestor | None = None
        self.checkpoint: Mapping[str, str] = {}
        self._overwrite = overwrite
        self._unscanned = frozenset(unscanned)
        self._clock = clock
        self._reads = tuple(reads)
        self._private = private
        self._staging: Staging | None = None
        self._followed: Path | None = None

    @property
    def path(self) -> Path:
        """Folder to write to while the block runs, the finished folder afterwards."""
        if self._followed is not None:
            return self._followed
        return self._staging.path if self._staging else self.destination

    @property
    def started(self) -> str:
        """Time at which the block was entered, as the manifest says it."""
        return self._started.isoformat(timespec="seconds")

    def __enter__(self) -> Self:
        self._refuse_unusable()
        self._started = self._clock()
        staging = Staging(self.destination, private=self._private)
        staging.open()
        try:
            self._refuse_unusable()  # what a killed run had moved away is back
        except BaseException:
            staging.remove()
            raise
        self._staging = staging
        return self

    def followed(self, path: Path) -> Self:
        """Return it as a process that writes nothing sees it, while another writes into `path`."""
        self._followed = path
        return self

    def check(self) -> None:
        """Refuse what entering would refuse of what stands there, and change nothing.

        Raises:
            OutputError: the folder is not empty and is not to be replaced, or cannot be used.
        """
        self._refuse_unusable()

    def write_text(self, name: str, text: str) -> Path:
        """Write a text artefact after checking it for secrets, and return its path while the block runs.

        Raises:
            OutputError: the text discloses a secret, or the name leads out of the folder.
        """
        if self.scanner is not None:
            self.scanner.check(name, "The name of a file")
            self.scanner.check(text, name)
        path = self._inside(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        return path

    def subfolder(self, name: str) -> Path:
        """Make a folder inside for others to write to, such as `save_pretrained`, and return its path.

        Raises:
            OutputError: the name leads out of the folder.
        """
        path = self._inside(name)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        staging = self._staging
        assert staging is not None  # the block was entered
        try:
            if error is None:
                staging.check_there()
                self._write_manifest()
                staging.move(self._refuse_replacing if self._overwrite else None)
        except OSError as failed:
            raise staging.explain(failed) or failed from None
        finally:
            explained = staging.explain(error) if error is not None and _is_foreign(error) else None
            staging.remove()
            self._staging = None
        if explained is not None:
            raise explained from error

    def _refuse_unusable(self) -> None:
        path = self.destination
        if path.exists() and not path.is_dir():
            raise OutputError(f"The output {path} is a file", "Name a folder")
        if not path.is_dir():
            return
        if path.is_mount():
            raise OutputError(f"The output folder {path} is a mount point", "Name a folder inside it")
        if not any(path.iterdir()):
            return
        if not self._overwrite:
            raise OutputError(f"The output folder {path} is not empty", "Name another, or add --overwrite")
        self._refuse_replacing(path)

    def _refuse_replacing(self, folder: Path) -> None:
        """Refuse to replace a folder; where it was moved away for that already, by the name that it had."""
        check_replaceable(folder, self.destination, self._reads)

    def _inside(self, name: str) -> Path:
        relative = PurePosixPath(name)
        if self._staging is None:
            raise RuntimeError("an output folder is written to inside its `with` block")
        if relative.is_absolute() or ".." in relative.parts or not relative.parts:
            raise OutputError(f"{name} leads out of the output folder", "Name a file inside it")
        self._staging.check_there()
        return self._staging.path / relative

    def _write_manifest(self) -> None:
        """Write the manifest, and before and after it what the attestor says."""
        files = {name: self._entry(path) for name, path in self._files().items()}
        if self.attestor is not None:
            digests = {name: entry["sha256"] for name, entry in files.items()}
            for name, text in self.attestor.before_manifest(digests).items():
                files[name] = self._entry(self.write_text(name, text))
        manifest = {
            "version": MANIFEST_VERSION,
            "files": files,
            "inputs": self.inputs,
            "versions": self.versions,
            "seed": self.seed,
            "started": self.started,
            "ended": max(self._started, self._clock()).isoformat(timespec="seconds"),  # clocks are set back
            **({"checkpoint": dict(self.checkpoint)} if self.checkpoint else {}),
        }
        written = json.dumps(manifest, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
        self.write_text(MANIFEST, written)
        if self.attestor is not None:
            for name, text in self.attestor.after_manifest(written).items():
                self.write_text(name, text)

    def _files(self) -> dict[str, Path]:
        paths = sorted(path for path in self.path.rglob("*") if path.is_file())
        return {path.relative_to(self.path).as_posix(): path for path in paths}

    def _entry(self, path: Path) -> dict[str, Any]:
        """Return the digest and size of a finished file, once it is known to hold no secret."""
        name = path.relative_to(self.path).as_posix()
        sealed = path.suffix == SEALED_SUFFIX
        scanned = self.scanner is not None and path.name not in self._unscanned and not sealed
        if self.scanner is not None and scanned:
            self.scanner.check(name, "The name of a file")
            self.scanner.check(path, name)
        return {
            "sha256": file_digest(path),
            "bytes": path.stat().st_size,
            "checked_for_secrets": scanned,
        }


def _is_foreign(error: BaseException) -> bool:
    """Return whether an error is of a library or the system, and neither one of ours nor a stop."""
    return isinstance(error, Exception) and not isinstance(error, ExpungeError)
