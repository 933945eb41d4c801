"""What is on record of an edit: its case, masked, and digests before and after; and of the edits under it."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from editor.edits.keeping import Kept
from editor.model.digests import file_digests, model_digest
from editor.model.stored import StoredWeights
from policies.errors import EditError, ModelError

EDITS_FILE = "edits.json"
"""File beside a reverted checkpoint's weights that says which edits it still has."""
EDIT_FILE = "edit.json"
"""File that says which tensors an edit changed, and their digests; it gives nobody's data back."""
INSIDE = "edit"
"""Folder in which earlier versions left the edit inside the output."""
DAMAGE = (OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True, kw_only=True)
class EditRecord:
    """One edit, without its change of weights and without personal data.

    Attributes:
        case: keyed label of the case.
        subjects: keyed labels of the people it was asked for; of everybody in scope where nobody was named.
        before: digest of the checkpoint's files before.
        after: the same afterwards.
        tensors: by the names in the files of the tensors that it changed, their digests before and after.
        originals: how what a revert needs was kept.
    """

    case: str
    subjects: tuple[str, ...]
    before: str
    after: str
    tensors: Mapping[str, tuple[str, str]] = field(repr=False)
    originals: Kept

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "case": self.case,
            "subjects": list(self.subjects),
            "before": self.before,
            "after": self.after,
            "tensors": {name: list(digests) for name, digests in self.tensors.items()},
            "originals": self.originals,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave; raise an error of `DAMAGE` where it is something else."""
        if data["originals"] not in ("kept", "encrypted", "none"):
            raise ValueError
        return cls(
            case=str(data["case"]),
            subjects=tuple(map(str, data["subjects"])),
            before=str(data["before"]),
            after=str(data["after"]),
            tensors={str(name): _pair(digests) for name, digests in data["tensors"].items()},
            originals=data["originals"],
        )


def _pair(digests: Any) -> tuple[str, str]:
    if not isinstance(digests, list) or len(digests) != 2:
        raise ValueError
    return str(digests[0]), str(digests[1])


@dataclass(frozen=True, kw_only=True)
class EditedCheckpoint:
    """A checkpoint and the edits that are on record of it.

    Attributes:
        folder: folder of its weights.
        edits: its edits in the order in which they were made.
        digest: digest of its files, as it was written down; None where nothing was.
    """

    folder: Path
    edits: tuple[EditRecord, ...] = ()
    digest: str | None = None

    @classmethod
    def at(cls, folder: Path) -> Self:
        """Read what is on record of an output folder of `erase`, of the checkpoint in one, or of a reverted one.

        Raises:
            EditError: the record is damaged.
        """
        erased = folder if (folder / "model").is_dir() else folder.parent if folder.name == "model" else None
        if erased is not None and has_record(erased):
            record, previous = read_record(record_folder(erased))
            edits = (*previous, record) if record else ()
            return cls(folder=erased / "model", edits=edits, digest=record.after if record else None)
        path = folder / EDITS_FILE
        if not path.is_file():
            return cls(folder=folder)
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            edits = tuple(map(EditRecord.from_json, data["edits"]))
            return cls(folder=folder, edits=edits, digest=str(data["digest"]))
        except DAMAGE as error:
            raise unreadable(folder, error) from None

    def weights(self) -> StoredWeights:
        """Return its weights.

        Raises:
            ModelError: there are none, or a file is damaged.
        """
        stored = StoredWeights.find(self.folder)
        if stored is None:
            raise ModelError(
                f"{self.folder} holds no weights",
                "Name the output folder that `erase` wrote, or a checkpoint",
            )
        return stored

    def write_record(self, folder: Path) -> None:
        """Write the record beside the weights in a folder; nothing where there is no edit."""
        if self.edits:
            data = {"digest": self.digest, "edits": [edit.to_json() for edit in self.edits]}
            text = json.dumps(data, indent=2, sort_keys=True) + "\n"
            (folder / EDITS_FILE).write_text(text, encoding="utf-8", newline="\n")


def record_folder(erased: Path) -> Path:
    """Return where `edit.json` lies of an output folder of `erase`: in it, or in `edit` as earlier versions left it."""
    inside = erased / INSIDE
    return inside if (inside / EDIT_FILE).is_file() else erased


def has_record(erased: Path) -> bool:
    """Return whether a folder holds `edit.json`, as an output folder of `erase` does."""
    return (record_folder(erased) / EDIT_FILE).is_file()


def read_record(folder: Path) -> tuple[EditRecord | None, tuple[EditRecord, ...]]:
    """Read from `edit.json` what is on record of an edit, and of those before it; None of an older one.

    Raises:
        EditError: it is missing or damaged.
    """
    try:
        head = json.loads((folder / EDIT_FILE).read_text(encoding="utf-8"))
        if "before" not in head:
            return None, ()
        return EditRecord.from_json(head), tuple(map(EditRecord.from_json, head["previous"]))
    except DAMAGE as error:
        raise unreadable(folder, error) from None


def declared_parameters(folder: Path) -> set[str]:
    """Return the names of the parameters that an edit says it changes, which are never encrypted.

    Raises:
        EditError: `edit.json` is missing or damaged.
    """
    try:
        return set(json.loads((folder / EDIT_FILE).read_text(encoding="utf-8"))["parameters"].keys())
    except DAMAGE as error:
        raise unreadable(folder, error) from None


def unreadable(folder: Path, error: Exception) -> EditError:
    """Return the error of an edit's folder that is damaged or none."""
    missing = isinstance(error, FileNotFoundError)
    why = "a file of it is missing" if missing else f"a file of it is damaged ({type(error).__name__})"
    return EditError(
        f"The edit in {folder} cannot be read: {why}", "Name a folder that `expunge erase` wrote"
    )


def read_previous(folders: Sequence[Path], stored: StoredWeights | None) -> tuple[EditRecord, ...]:
    """Read the edits of earlier output folders, and of those under them, and check that a checkpoint still has them.

    Args:
        folders: output folders of `erase`, in any order.
        stored: the checkpoint's files; None where they are no safetensors of its own.

    Returns:
        The records, each once, in the order in which they were made as far as the folders tell.

    Raises:
        EditError: a folder holds no edit, or the checkpoint does not have it.
    """
    found: dict[str, EditRecord] = {}
    for folder in folders:
        record, previous = read_record(record_folder(folder))
        if record is None:
            raise EditError(
                f"The edit in {folder} was written before edits were given digests",
                "Erase its request again from the original",
            )
        found |= {one.after: one for one in (*previous, record)}
    if not found:
        return ()
    present = file_digests(stored) if stored else {}
    digest = model_digest(present)
    for folder in folders:
        record, _ = read_record(record_folder(folder))
        if record and not _stands(record, found.values(), present, digest):
            raise EditError(
                f"The model does not have the edit of {folder} ({record.case}): its digest is another",
                "Name the checkpoint that was written there, or one that was edited since, and the folders in between",
            )
    return tuple(found.values())


def _stands(
    record: EditRecord, others: Collection[EditRecord], present: Mapping[str, str], digest: str
) -> bool:
    """Return whether a checkpoint has an edit: as a whole, under another that it has, or in the tensors it changed."""
    if record.after == digest or all(present.get(name) == last for name, (_, last) in record.tensors.items()):
        return True
    rest = [one for one in others if one is not record]
    return any(_stands(one, rest, present, digest) for one in rest if one.before == record.after)
