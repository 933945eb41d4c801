"""Where the change of weights and the originals lie, which lead back to the facts: apart from the output."""

from pathlib import Path

from editor.artefacts.replacing import edit_beside
from editor.edits.records import EDIT_FILE, INSIDE, has_record, read_record, record_folder
from policies.errors import EditError


def find_kept(erased: Path, named: Path | None = None) -> Path:
    """Return the folder that holds what a revert of an erasure needs.

    Args:
        erased: an output folder of `erase`.
        named: the folder that was named; None for the one beside the output, or inside as earlier versions left it.

    Raises:
        EditError: there is none, or it is of another run.
    """
    record, previous = read_record(record_folder(erased))
    usual = (edit_beside(erased), erased / INSIDE)
    folder = named or next((place for place in usual if (place / EDIT_FILE).is_file()), None)
    if record is not None and record.originals == "none":
        raise EditError(
            f"The originals of {erased} were not kept (--keep-edit)",
            "Name the model that the edit was made on: --from MODEL",
        )
    if folder is None:
        raise EditError(
            f"The originals of {erased} are kept elsewhere",
            "Name the folder of --keep-edit (--edit FOLDER), or the model that the edit was made on (--from MODEL)",
        )
    if not has_record(folder):
        raise EditError(f"{folder} holds no edit", "Name the folder that `erase --keep-edit` wrote")
    if read_record(folder) != (record, previous):
        raise EditError(
            f"The edit in {folder} is not the one of {erased}",
            "Name the folder that was kept by the same run",
        )
    return folder
