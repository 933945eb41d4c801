"""An upload to the hub: of a folder that agrees with itself, what nobody can derive the facts from."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from editor.api.folder_requests import Pushable, PushRequest
from editor.api.hub import Repository
from editor.api.known import Known
from editor.artefacts.output import SEALED_SUFFIX, VOCABULARIES
from editor.artefacts.replacing import MANIFEST
from editor.artefacts.scanner import SecretScanner
from editor.attestation.bom import BOM
from editor.attestation.checking import check_folder
from editor.attestation.findings import CheckedReport
from editor.attestation.folder import EvidenceFolder, Manifest
from editor.attestation.signing import ENVELOPE, MODEL_SIGNATURE
from editor.attestation.statement import STATEMENT
from editor.edits.edit import DELTAS, ORIGINALS
from editor.edits.kept_edit import find_kept
from editor.model.checks.sources import on_hub
from editor.report.readme import render_readme
from editor.report.write import FORMATS, REPORT_JSON
from editor.results.report import Report
from policies.errors import OutputError, RequestError

CHECKPOINT = "model/"
ADAPTER = "adapter/"
"""Folder of the adapter in that of a kept edit."""
REPORT = "report/"
"""Folder of the repository that a report lies in: a checkpoint may stand beside it."""
README = "README.md"
ADAPTER_CONFIG = "adapter_config.json"
BASE = "base_model_name_or_path"
EVIDENCE = (*FORMATS, MANIFEST, BOM, STATEMENT, ENVELOPE, MODEL_SIGNATURE)
"""Files of a report. `features.html` is none: it quotes the corpus, masked as far as detection goes."""
UNFINISHED = (".unfinished", ".arms", ".partial-", ".replaced-")
"""Parts of the names of folders that a run works in."""
WEIGHTS = {"checkpoint": "adapter_model.safetensors", "adapter": "model.safetensors"}
"""File of the other kind: a repository that has both gives the facts back."""

Content = Path | bytes


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What was uploaded, or would be.

    Attributes:
        what: What it is.
        repo: The repository.
        files: Size of every file in bytes, by its name in the repository.
        address: Address of the repository; None where nothing was uploaded.
        searched: Number of secrets and names that the files were searched for again.
        unchecked: What of the folder could not be compared, a sentence each.
    """

    what: Pushable
    repo: str
    files: Mapping[str, int]
    address: str | None
    searched: int = 0
    unchecked: tuple[str, ...] = ()


def run_push(request: PushRequest) -> Pushed:
    """Upload a checkpoint, an adapter or a report to the hub, after checking the folder and what of it is uploaded."""
    folder = EvidenceFolder(Path(request.output))
    report, manifest = _read(folder)
    known = Known.read(request.facts, request.request)
    files = _chosen(request, folder, report, manifest)
    repository = None if request.dry_run else Repository.look_up(request.repo, private=request.private)
    if repository is not None:
        _refuse_beside(request.what, repository)
    checked = _checked(folder.path)
    searched = _search(files, known, report)
    address = None
    if repository is not None:
        message = f"{request.what.capitalize()}, by Expunge {version('expunge')}"
        address = repository.upload(files, private=request.private, message=message)
    return Pushed(
        what=request.what,
        repo=request.repo,
        files={name: _size(content) for name, content in files.items()},
        address=address,
        searched=searched,
        unchecked=checked.unchecked,
    )


def _read(folder: EvidenceFolder) -> tuple[Report, Manifest]:
    """Return what a finished folder says of itself.

    Raises:
        OutputError: it is none, or holds what the facts can be derived from.
    """
    path = folder.path.resolve()
    if any(part in path.name for part in UNFINISHED):
        raise OutputError(
            f"{folder.path} is a folder that a run works in, and the facts can be derived from it",
            "Let the run end, and name its output folder",
        )
    if _leads_back(path) or _leads_back(path.parent):
        raise OutputError(
            f"{folder.path} holds the change of weights, which brings the facts back",
            "Name the output folder that it lies in, and what of it is to be uploaded (--what)",
        )
    if folder.manifest is None or folder.report is None:
        raise OutputError(
            f"{folder.path} is no output folder of audit, erase or verify: it lacks {MANIFEST} or {REPORT_JSON}",
            "Name the folder that a run wrote, whole",
        )
    return folder.report, folder.manifest


def _leads_back(path: Path) -> bool:
    """Return whether a folder is the one of a kept edit."""
    return any(
        (path / f"{name}{end}").is_file() for name in (DELTAS, ORIGINALS) for end in ("", SEALED_SUFFIX)
    )


def _chosen(
    request: PushRequest, folder: EvidenceFolder, report: Report, manifest: Manifest
) -> dict[str, Content]:
    """Return what is uploaded, by its name in the repository: never what a folder holds besides.

    Raises:
        OutputError: the folder has no such thing, the checkpoint still leaks, or an adapter's base is a folder.
    """
    if request.what == "report":
        return {f"{REPORT}{name}": folder.path / name for name in EVIDENCE if name in folder.files}
    if report.kind != "erase":
        raise OutputError(
            f"A run of the kind {report.kind} wrote no {request.what}",
            "Name the output folder of an erasure, or give --what report",
        )
    leaking = [row.name for row in report.criteria if row.kind == "leakage" and row.failed]
    if leaking:
        raise OutputError(
            f"The checkpoint still leaks more than its policy allows ({'; '.join(leaking)})",
            "Erase again until the policy is met; --what report uploads the report alone",
        )
    if request.what == "adapter":
        return _adapter_files(request, folder, report)
    files = _inside(folder.path, manifest, CHECKPOINT)
    if request.base_model is not None:
        files[README] = render_readme(report, base_model=request.base_model).encode()
    return files


def _inside(path: Path, manifest: Manifest, folder: str) -> dict[str, Content]:
    """Return the files that a manifest lists in a folder, by their names in that."""
    return {name.removeprefix(folder): path / name for name in manifest.files if name.startswith(folder)}


def _adapter_files(request: PushRequest, folder: EvidenceFolder, report: Report) -> dict[str, Content]:
    """Return an adapter's files with a card, and with a base that others have too.

    Raises:
        EditError: the edit was not kept, or is of another run.
        OutputError: no adapter was written, it is not as it was, or its base is a folder and no name was given.
    """
    kept = EvidenceFolder(find_kept(folder.path, Path(request.edit) if request.edit else None))
    files = _inside(kept.path, kept.manifest, ADAPTER) if kept.manifest else {}
    config = kept.data(f"{ADAPTER}{ADAPTER_CONFIG}")
    if not files or not isinstance(config, dict):
        raise OutputError(
            f"The folder {kept.path} holds no adapter", "Upload the checkpoint (--what checkpoint)"
        )
    changed = [name for name in files if not kept.is_intact(f"{ADAPTER}{name}")]
    if changed:
        raise OutputError(
            f"{kept.path} does not agree with itself ({ADAPTER}{changed[0]} has another sha256)",
            "Take the folder as the run wrote it",
        )
    base = request.base_model or config.get(BASE)
    if not isinstance(base, str) or (request.base_model is None and not on_hub(base)):
        raise OutputError(
            "The adapter's base is a folder here, which nobody else has",
            "Give the name on the hub of the model that was edited (--base-model)",
        )
    text = json.dumps({**config, BASE: base}, indent=2, sort_keys=True) + "\n"
    card = render_readme(report, base_model=base, adapter=True)
    return {**files, ADAPTER_CONFIG: text.encode(), README: card.encode()}


def _refuse_beside(what: Pushable, repository: Repository) -> None:
    """Refuse an adapter beside a checkpoint.

    Raises:
        RequestError: the repository has the other kind.
    """
    other = WEIGHTS.get(what)
    if other is not None and any(name == other or _is_shard(name, other) for name in repository.files):
        raise RequestError(
            f"{repository.name} has {other}: the checkpoint and the adapter together give the facts back",
            "Name another repository",
        )


def _is_shard(name: str, whole: str) -> bool:
    stem, suffix = whole.split(".")
    return name.startswith(f"{stem}-") and name.endswith(suffix)


def _checked(path: Path) -> CheckedReport:
    """Return a folder's check.

    Raises:
        OutputError: it does not agree with itself.
    """
    checked = check_folder(path)
    if checked.disagreements:
        count, first = len(checked.disagreements), checked.disagreements[0]
        raise OutputError(
            f"{path} does not agree with itself ({first}{f', and {count - 1} more' if count > 1 else ''})",
            f"See `expunge verify-report {path}`, and take the folder as the run wrote it",
        )
    return checked


def _search(files: Mapping[str, Content], known: Known, report: Report) -> int:
    """Search what is uploaded for secrets and names, and return their number.

    Raises:
        OutputError: a file holds one.
    """
    looked_for = dict.fromkeys(known.full_names, "a full name") | dict.fromkeys(known.secrets, "a secret")
    scanner = SecretScanner(looked_for, issued=_labels(report))
    for name, content in files.items():
        if Path(name).name in VOCABULARIES:
            continue
        found = scanner.find(name) or (
            scanner.find_in(content) if isinstance(content, Path) else scanner.find(content.decode())
        )
        if found is not None:
            raise OutputError(
                f"{name} holds {found} of those that the facts file and the request name",
                "Take it out of the case, the policy or the model's folder, and erase again",
            )
    return len(looked_for)


def _labels(report: Report) -> Iterator[str]:
    """Yield the labels that a report names facts and people by: their digits are no secret."""
    for row in report.facts:
        yield from (row.fact, row.subject)


def _size(content: Content) -> int:
    return content.stat().st_size if isinstance(content, Path) else len(content)
