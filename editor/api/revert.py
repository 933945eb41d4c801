"""Taking an edit back."""

from dataclasses import dataclass
from pathlib import Path

from editor.api.requests import RevertRequest
from editor.artefacts.output import OutputFolder
from editor.edits.export import revert_checkpoint
from editor.measuring.summaries import versions


@dataclass(frozen=True, kw_only=True)
class Reverted:
    """A checkpoint as it was before an edit.

    Attributes:
        tensors: Number of tensors put back.
        checkpoint: Folder of the checkpoint.
    """

    tensors: int
    checkpoint: Path


def run_revert(request: RevertRequest) -> Reverted:
    """Put the original tensors back, check the digest and write the checkpoint."""
    assert request.output is not None  # its request names one
    with OutputFolder(request.output, overwrite=request.overwrite, versions=versions()) as output:
        tensors = revert_checkpoint(
            Path(request.erased), output.path, trust_remote_code=request.trust_remote_code
        )
    return Reverted(tensors=tensors, checkpoint=Path(request.output))
