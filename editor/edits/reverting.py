"""Taking an edit back: out of the checkpoint that it made, or out of one that was edited since."""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from editor.artefacts.masking import CaseKey
from editor.edits.companions import companions
from editor.edits.edit import Originals, load_originals
from editor.edits.export import save_model
from editor.edits.kept_edit import find_kept
from editor.edits.records import EditedCheckpoint, EditRecord, read_record, record_folder
from editor.edits.sealed import Lock
from editor.model.adapters.reading import is_adapter
from editor.model.digests import file_digests, model_digest
from editor.model.loading import load_model
from editor.model.stored import StoredWeights, tensor_bytes
from policies.errors import EditError

BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Integers by size in bytes: two numbers are the same where they have the same bits."""


@dataclass(frozen=True, kw_only=True)
class RevertedCheckpoint:
    """What a revert wrote.

    Attributes:
        tensors: number of tensors put back.
        is_original: whether the digest is that of the model that the edit was made on, or that it had before all edits
            on record.
        edits: number of edits on record that the checkpoint still has.
    """

    tensors: int
    is_original: bool
    edits: int = 0


def revert_checkpoint(
    erased: Path,
    target: Path,
    *,
    edit: Path | None = None,
    lock: Lock | None = None,
    base: str | None = None,
    out_of: Path | None = None,
) -> RevertedCheckpoint:
    """Write the checkpoint without an edit.

    Args:
        erased: an output folder of `erase`.
        target: the folder to write to.
        edit: the folder that its edit was kept in; None for the usual places.
        lock: what the originals were sealed with; None where they lie in the clear.
        base: the model that the edit was made on, whose tensors are put back; None for those that were kept.
        out_of: the checkpoint to take the edit out of, or the output folder that holds it, where it was edited since;
            None for the one that the edit made.

    Raises:
        EditError: what is needed is missing, damaged or not opened, the checkpoint was changed by something else, or a
            later edit changed the same entries.
        ModelError: a checkpoint is missing or damaged.
    """
    record, previous = read_record(record_folder(erased))
    edited = EditedCheckpoint(folder=erased / "model").weights()
    originals = (
        load_originals(find_kept(erased, edit), lock) if base is None else _originals_in(base, record, erased)
    )
    if record is not None and originals.digest != record.before:
        raise _changed(erased)
    if not _fit(originals, edited):
        raise _changed(erased)
    if out_of is None:
        there = EditedCheckpoint(folder=erased / "model", edits=(*previous, *([record] if record else ())))
        restored = dict(originals.tensors)
    else:
        there = EditedCheckpoint.at(out_of)
        restored = _taken_out(originals, edited, there, record, erased)
    stored = there.weights().copy(target)
    stored.write(restored)
    digest = model_digest(file_digests(stored))
    if out_of is None and digest != originals.digest:
        raise _changed(erased)
    for path in companions(there.folder, code=True):  # what the edited checkpoint was given
        shutil.copyfile(path, target / path.name)
    left = tuple(edit for edit in there.edits if record is None or edit.after != record.after)
    EditedCheckpoint(folder=target, edits=left, digest=digest).write_record(target)
    is_original = digest in {originals.digest, *(edit.before for edit in previous[:1])}
    return RevertedCheckpoint(tensors=len(restored), is_original=is_original, edits=len(left))


def check_subject(erased: Path, name: str, case_key: Path | None) -> None:
    """Refuse to take one person's share out of an edit, unless the edit is about that person alone.

    Args:
        erased: an output folder of `erase`.
        name: the person's name in the request.
        case_key: the case's key; None for the one beside the folder.

    Raises:
        EditError: the edit is about others too, or not about the person, or that cannot be told.
        OutputError: the key cannot be read.
    """
    record, _ = read_record(record_folder(erased))
    path = case_key or erased.resolve().with_name(f"{erased.resolve().name}.key")
    if record is None or not path.is_file():
        raise EditError(
            f"Whom the edit in {erased} is about cannot be told without its case key ({path})",
            "Name the key by --case-key, or revert the whole edit without --subject",
        )
    if CaseKey.load_or_generate(path).subject_label(name) not in record.subjects:
        raise EditError(
            f"The edit in {erased} ({record.case}) is not about the person of --subject",
            "Check the name, as the request spelled it, and the case key",
        )
    if len(record.subjects) > 1:
        raise EditError(
            f"The edit in {erased} ({record.case}) was fitted to {len(record.subjects)} people together: no one's "
            "share can be taken out of it bit for bit",
            "Revert the whole edit without --subject, and erase the others from the original again",
        )


def _originals_in(base: str, record: EditRecord | None, erased: Path) -> Originals:
    """Take the original tensors from the model that an edit was made on.

    Raises:
        EditError: the model is another, or the edit's record does not say which it was made on.
        ModelError: the model cannot be loaded.
    """
    if record is None:
        raise EditError(
            f"The edit in {erased} was written before edits were given digests",
            "Leave --from out: its originals were kept",
        )
    with _weights_of(base) as stored:
        digests = file_digests(stored)
        known = all(digests.get(name) == first for name, (first, _) in record.tensors.items())
        if not known or model_digest(digests) != record.before:
            raise EditError(
                f"{base} is not the model that the edit in {erased} was made on: its digest is another",
                "Name the folder, the hub name or the adapter that `erase` was given",
            )
        return Originals(
            tensors={name: stored.read(name).clone() for name in record.tensors}, digest=record.before
        )


@contextmanager
def _weights_of(base: str) -> Iterator[StoredWeights]:
    """Return a model's files, or those that `erase` saves of it where they are no safetensors of its own."""
    stored = StoredWeights.find(Path(base)) if Path(base).is_dir() and not is_adapter(base) else None
    if stored is not None and stored.is_safetensors:
        yield stored
        return
    loaded = load_model(base, device="cpu")
    if loaded.files is not None:
        yield loaded.files
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield save_model(loaded, Path(scratch))


def _taken_out(
    originals: Originals,
    edited: StoredWeights,
    there: EditedCheckpoint,
    record: EditRecord | None,
    erased: Path,
) -> dict[str, Tensor]:
    """Return the edit's tensors in a checkpoint edited since, the entries that the edit changed as they were before.

    Entries that the edit did not change stay as they are, so that edits of other entries stay whole.
    """
    stored = there.weights()
    if there.digest is not None and model_digest(file_digests(stored)) != there.digest:
        raise EditError(
            f"{there.folder} is not as it was written",
            "Name an intact checkpoint, or go back to the original",
        )
    if record is not None and any(
        file_digests(edited, [name])[name] != last for name, (_, last) in record.tensors.items()
    ):
        raise _changed(erased)
    if not _fit(originals, stored):
        raise EditError(
            f"{there.folder} is no checkpoint that the edit of {erased} was made in",
            "Name one that was made from its model",
        )
    restored, conflicts, is_there = {}, [], False
    for name, original in originals.tensors.items():
        now, left = stored.read(name).clone(), edited.read(name)
        mine = _bits(left) != _bits(original)
        is_there |= not torch.equal(_bits(now)[mine], _bits(original)[mine])
        if not torch.equal(_bits(now)[mine], _bits(left)[mine]):
            conflicts.append(name)
            continue
        _bits(now)[mine] = _bits(original)[mine]
        restored[name] = now
    if not is_there:
        raise EditError(f"{there.folder} does not have the edit of {erased}", "It was taken back already")
    if conflicts:
        raise _conflict(erased, record, there, conflicts)
    return restored


def _bits(tensor: Tensor) -> Tensor:
    """Return a contiguous tensor's numbers as integers of the same bits, in one row, in the same memory."""
    flat = tensor.reshape(-1)
    return flat.view(BITS[tensor.element_size()]) if tensor.element_size() in BITS else flat.view(torch.uint8)


def _conflict(
    erased: Path, record: EditRecord | None, there: EditedCheckpoint, conflicts: Iterable[str]
) -> EditError:
    names = sorted(conflicts)
    places = [place for place, edit in enumerate(there.edits) if record and edit.after == record.after]
    later = there.edits[places[-1] + 1 :] if places else there.edits
    others = [edit.case for edit in later if set(edit.tensors) & set(names)]
    who = f"the later edit of {' and of '.join(others)}" if others else "a later change"
    more = f" and {len(names) - 1} more" if len(names) > 1 else ""
    mine = f" ({record.case})" if record else ""
    return EditError(
        f"The edit of {erased}{mine} and {who} changed the same entries, in {names[0]}{more}",
        "Revert the later one first; or revert to the common original, and erase the remaining requests again",
    )


def _fit(originals: Originals, edited: StoredWeights) -> bool:
    """Return whether a checkpoint's files hold tensors of the originals' names and sizes."""
    return edited.is_safetensors and all(
        name in edited.tensors and len(tensor_bytes(edited.read(name))) == len(tensor_bytes(tensor))
        for name, tensor in originals.tensors.items()
    )


def _changed(erased: Path) -> EditError:
    return EditError(
        f"Putting back the originals of {erased} does not give the original's digest",
        "The checkpoint was changed after it was written; go back to the original",
    )
