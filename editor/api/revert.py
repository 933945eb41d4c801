"""Taking an edit back."""

from dataclasses import dataclass
from pathlib import Path

from editor.api.folder_requests import RevertRequest
from editor.api.read_paths import read_paths
from editor.api.running import as_path
from editor.artefacts.output import OutputFolder
from editor.edits.reverting import check_subject, revert_checkpoint
from editor.edits.sealed import Lock
from editor.measuring.summaries import versions


@dataclass(frozen=True, kw_only=True)
class Reverted:
    """A checkpoint without an edit.

    Attributes:
        tensors: Number of tensors put back.
        checkpoint: Folder of the checkpoint.
        is_original: Whether its digest is that of the model that the edit was made on, or that it had before all edits
            on record.
        edits: Number of edits on record that it still has.
    """

    tensors: int
    checkpoint: Path
    is_original: bool = True
    edits: int = 0


def run_revert(request: RevertRequest) -> Reverted:
    """Put the original tensors back, check the digest and write the checkpoint."""
    assert request.output is not None  # its request names one
    erased = Path(request.erased)
    lock = Lock.given(as_path(request.key), as_path(request.passphrase_file))
    if request.subject is not None:
        check_subject(erased, request.subject, as_path(request.case_key))
    with OutputFolder(
        request.output, overwrite=request.overwrite, versions=versions(), reads=read_paths(request)
    ) as output:
        done = revert_checkpoint(
            erased,
            output.path,
            edit=as_path(request.edit),
            lock=lock,
            base=None if request.base is None else str(request.base),
            out_of=as_path(request.out_of),
        )
    return Reverted(
        tensors=done.tensors,
        checkpoint=Path(request.output),
        is_original=done.is_original,
        edits=done.edits,
    )
