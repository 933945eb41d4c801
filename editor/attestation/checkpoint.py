"""Whether a checkpoint's tensors are those that the report was measured on, and the edit leads back to the original."""

from collections.abc import Iterator
from pathlib import Path

from torch import nn

from detectors.files import file_digest
from editor.artefacts.output import SEALED_SUFFIX
from editor.attestation.findings import Finding
from editor.attestation.folder import EDIT, EvidenceFolder, check_files
from editor.attestation.statement import checkpoint_files
from editor.edits.companions import companions_digest
from editor.edits.edit import ORIGINALS, load_originals
from editor.edits.kept_edit import find_kept
from editor.edits.records import EDIT_FILE, declared_parameters, has_record, read_record, record_folder
from editor.model.digests import (
    checkpoint_digests,
    file_digests,
    model_digest,
    tensor_digest,
    tensor_digests,
)
from editor.model.loading import load_model
from editor.model.stored import StoredWeights
from editor.model.unloaded import empty_model
from editor.report.write import REPORT_JSON
from editor.results.report import Report
from policies.errors import EditError, ModelError

MODEL = "model"


def check_checkpoint(folder: EvidenceFolder) -> Iterator[Finding]:
    """Compare the tensors of the checkpoint that an erasure wrote with the report, before the edit and after it.

    Files that are damaged are named by their digests already: they are not read.
    """
    report, manifest = folder.report, folder.manifest
    if report is None or manifest is None:
        return
    path = folder.path / MODEL
    if report.kind != "erase":
        if path.exists():
            yield Finding(f"The folder {MODEL} is none that a run of this kind writes")
        return
    if report.model_after is None:
        yield Finding("The report of an erasure names no checkpoint")
        return
    if not path.is_dir():
        yield Finding(f"The folder {MODEL} is missing")
        return
    if report.model_after.digest == report.model_before.digest:
        yield Finding("The checkpoint after the edit is the one before it")
    if all(folder.is_intact(name) for name in folder.files if name.startswith(f"{MODEL}/")):
        yield from _check_tensors(folder, path, report)
        yield from _check_beside(path, report)


def _check_beside(checkpoint: Path, report: Report) -> Iterator[Finding]:
    """Compare what stands beside the weights with what the report was measured on."""
    judged = report.model_after
    if judged is not None and judged.beside is not None and companions_digest(checkpoint) != judged.beside:
        yield Finding(
            "What stands beside the weights (configuration, generation settings, tokenizer, chat template or code) is "
            "not what the report was measured on"
        )


def _check_tensors(folder: EvidenceFolder, path: Path, report: Report) -> Iterator[Finding]:
    try:
        model = empty_model(path)
        if report.model_after is not None and not _is_judged(path, model, report.model_after.digest):
            yield Finding("The tensors of the checkpoint are not those that the report was measured on")
    except ModelError:
        yield Finding(
            "The checkpoint cannot be loaded as it stands, so its tensors were not compared", "unchecked"
        )
        return
    yield from _check_record(folder.path, path, model, report)


def _is_judged(path: Path, model: nn.Module, digest: str) -> bool:
    """Return whether a checkpoint has a digest; it is loaded where the files alone do not say so.

    Raises:
        ModelError: it cannot be loaded.
    """
    digests = checkpoint_digests(path, model)
    if digests is not None and model_digest(digests) == digest:
        return True
    return model_digest(tensor_digests(load_model(str(path), device="cpu"))) == digest


def _check_record(folder: Path, path: Path, model: nn.Module, report: Report) -> Iterator[Finding]:
    """Compare the digests of `edit.json` with the checkpoint and, in their place before the edit, with the original."""
    if not has_record(folder):
        if not _withheld(folder):
            yield Finding(f"{EDIT_FILE} is missing")
        return
    try:
        record, _ = read_record(record_folder(folder))
        named = declared_parameters(record_folder(folder))
    except EditError:
        yield Finding(f"{EDIT_FILE} is none that a run writes")
        return
    if report.edit is not None and named != set(report.edit.parameters):
        yield Finding(f"{EDIT_FILE} and {REPORT_JSON} name other tensors")
    stored = StoredWeights.find(path)
    if record is None or stored is None:
        return
    present = file_digests(stored)
    after = {name: last for name, (_, last) in record.tensors.items()}
    if model_digest(present | after) != record.after or not after.items() <= present.items():
        yield Finding(f"The tensors of the checkpoint are not those that {EDIT_FILE} names after the edit")
    before = {name: first for name, (first, _) in record.tensors.items()}
    digests = checkpoint_digests(path, model, before)
    is_original = digests is None or model_digest(digests) == report.model_before.digest
    if not is_original or model_digest(present | before) != record.before:
        yield Finding(f"{EDIT_FILE} does not lead back to the model that the report names")


def check_kept(folder: EvidenceFolder, edit: Path | None) -> Iterator[Finding]:
    """Compare the files of an edit that is kept apart with its manifest, and its originals with `edit.json`."""
    if edit is None:
        return
    for finding in check_files(EvidenceFolder(edit)):
        yield Finding(f"In {edit}: {finding.text}", finding.kind)
    try:
        find_kept(folder.path, edit)
        record, _ = read_record(edit)
        originals = load_originals(edit)
    except EditError as error:
        sealed = (edit / f"{ORIGINALS}{SEALED_SUFFIX}").is_file()
        encrypted = "The edit is encrypted, so its originals were not compared"
        yield Finding(encrypted, "note") if sealed else Finding(str(error))
        return
    if record is not None and any(
        tensor_digest(originals.tensors[name]) != first if name in originals.tensors else True
        for name, (first, _) in record.tensors.items()
    ):
        yield Finding(f"The originals in {edit} are not those that {EDIT_FILE} names")


def _withheld(folder: Path) -> bool:
    """Return whether the manifest lists the folder in which earlier versions left the edit, and it is kept apart."""
    manifest = EvidenceFolder(folder).manifest
    return manifest is not None and not (folder / EDIT).exists() and f"{EDIT}/{EDIT_FILE}" in manifest.files


def check_elsewhere(folder: EvidenceFolder, checkpoint: Path | None) -> Iterator[Finding]:
    """Compare the files of a checkpoint that lies elsewhere with those that the run judged."""
    if checkpoint is None or folder.manifest is None:
        return
    agrees = True
    for name, digest in checkpoint_files(folder.manifest.model_dump()).items():
        path = checkpoint / name
        if path.is_file() and file_digest(path) == digest:
            continue
        agrees = False
        missing = f"The checkpoint lacks {name!r}"
        other = f"The checkpoint's {name!r} is not the one that the run judged"
        yield Finding(other if path.is_file() else missing)
    if agrees and folder.report is not None:
        yield from _check_beside(checkpoint, folder.report)
