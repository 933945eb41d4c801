"""An erasure on a model that was edited before: which edits it has, and whether their requests were given again."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from editor.api.requests import EraseRequest
from editor.api.running import read_earlier
from editor.artefacts.masking import CaseKey
from editor.case import Case
from editor.edits.records import EditedCheckpoint, EditRecord, read_previous, read_record, record_folder
from editor.model.loading import LoadedModel
from policies import ErasureRequest
from policies.errors import EditError


def read_stack(request: EraseRequest, loaded: LoadedModel, key: CaseKey) -> tuple[EditRecord, ...]:
    """Return the edits of `--previous`, which the model has and whose people `--also-erased` names.

    Raises:
        EditError: the model does not have one of them, or people are missing from the requests.
        OutputError: a case key beside one of them cannot be read.
        PolicyError: a request cannot be read.
    """
    folders = [Path(folder) for folder in request.previous]
    records = read_previous(folders, loaded.files)
    earlier, own = read_earlier(request), dict(_own_keys(folders))
    for record in records:
        _check_people(record, earlier, own.get(record.after), [key, *own.values()])
    return records


def with_unchecked(case: Case, loaded: LoadedModel, previous: Sequence[EditRecord]) -> Case:
    """Return the case, incomplete where the model has an edit on record that `--previous` does not name."""
    checked = {record.after for record in previous}
    edits = EditedCheckpoint.at(Path(loaded.source)).edits if Path(loaded.source).is_dir() else ()
    unchecked = tuple(
        f"The model was edited before ({edit.case}). Whether what was erased then has come back was not tested: give "
        "its folder by --previous and its request by --also-erased."
        for edit in edits
        if edit.after not in checked
    )
    return replace(case, incomplete=case.incomplete or bool(unchecked), unchecked=unchecked)


def _own_keys(folders: Iterable[Path]) -> Iterator[tuple[str, CaseKey]]:
    """Yield the case key beside each folder, where there is one, by the digest of what was written there."""
    for folder in folders:
        path = folder.resolve().with_name(f"{folder.resolve().name}.key")
        record, _ = read_record(record_folder(folder))
        if record is not None and path.is_file():
            yield record.after, CaseKey.load_or_generate(path)


def _check_people(
    record: EditRecord, requests: Sequence[ErasureRequest], own: CaseKey | None, others: Iterable[CaseKey]
) -> None:
    """Refuse requests that lack somebody whom an edit was asked for.

    People are known by their labels under the edit's own key, or another that gives some; else they are counted.
    """
    names = {subject.name for request in requests for subject in request.subjects}
    found = [
        len({key.subject_label(name) for name in names} & set(record.subjects))
        for key in ([own] if own else others)
    ]
    given = max(found, default=0)
    missing = len(record.subjects) - (given if own or given else len(names))
    if missing > 0:
        raise EditError(
            f"The edit of {record.case} was asked for by {len(record.subjects)} people, of whom the requests of "
            f"--also-erased lack {missing}",
            "Give the request of that case again, as it was then",
        )
