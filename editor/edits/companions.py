"""The files beside a model's weights: copied into the edited checkpoint, and so free of the case's secrets."""

import hashlib
from pathlib import Path

from detectors.files import file_digest
from editor.artefacts.output import VOCABULARIES
from editor.artefacts.scanner import SecretScanner
from editor.edits.records import EDITS_FILE
from editor.model.adapters.reading import is_adapter
from policies.errors import OutputError

COPIED = ("*.json", "*.model", "*.txt", "*.tiktoken", "*.jinja", "*.py")
WEIGHT_INDEX = ".index.json"


def companions(source: Path) -> list[Path]:
    """Return the files of a checkpoint folder that an edited checkpoint gets as they are.

    A link to nothing is left out: what is needed of the folder was checked when the model was loaded. An adapter's
    files describe it, and its base before merging: none is copied.
    """
    if not (source / "config.json").is_file() or is_adapter(str(source)):
        return []
    found = {path for pattern in COPIED for path in source.glob(pattern)}
    return sorted(
        path
        for path in found
        if path.is_file() and path.name != EDITS_FILE and not path.name.endswith(WEIGHT_INDEX)
    )


def python_files(folder: Path) -> list[str]:
    """Return the names in a checkpoint folder of its Python files, also of those in folders inside it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.py") if path.is_file())


def companions_digest(folder: Path) -> str:
    """Return one sha256, in hexadecimal, over names and bytes of what beside weights decides what a checkpoint says."""
    named = {path.relative_to(folder).as_posix(): path for path in companions(folder)}
    named |= {name: folder / name for name in python_files(folder)}
    total = hashlib.sha256()
    for name in sorted(named):
        total.update(f"{file_digest(named[name])} {name}\n".encode())
    return total.hexdigest()


def check_companions(source: Path, scanner: SecretScanner) -> None:
    """Refuse a checkpoint folder of which a file that would be copied holds a secret.

    Raises:
        OutputError: one does. The file and the secret's label are named, never the secret.
    """
    for number, path in enumerate(companions(source), start=1):
        named = scanner.find(path.name)
        if named is not None:
            raise OutputError(
                f"The name of a file of the model holds {named} (number {number} of those to be copied, by name), and "
                "an edited model would disclose it",
                "Rename the file, or move it out of the model's folder",
            )
        held = None if path.name in VOCABULARIES else scanner.find_in(path)
        if held is not None:
            raise OutputError(
                f"{path} holds {held}, and an edited model, which gets a copy of the file, would disclose it",
                "Take it out of that file, or move the file out of the model's folder",
            )
