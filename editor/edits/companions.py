"""The files beside a model's weights: copied into the edited checkpoint, and so free of the case's secrets.

What is copied is published. So nothing is but what a checkpoint is made of, and no file that lies elsewhere: a link
in a model's folder may lead to anything.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from detectors.files import file_digest
from editor.artefacts.output import VOCABULARIES
from editor.artefacts.scanner import SecretScanner
from editor.edits.records import EDITS_FILE
from editor.model.adapters.reading import is_adapter
from policies.errors import OutputError

COPIED = (
    *("config.json", "generation_config.json", "*processor_config.json", "quantize_config.json"),
    *("tokenizer*.json", "special_tokens_map.json", "added_tokens.json", "normalizer.json"),
    *("vocab*.json", "vocab*.txt", "merges*.txt", "*.model", "*.tiktoken", "chat_template*.json", "*.jinja"),
)
"""Patterns of the names that the files of a checkpoint have, besides its weights."""
CODE = "*.py"
"""Pattern of code that comes with a checkpoint: copied only where whoever runs Expunge has had it run."""
BESIDE = ("*.json", "*.model", "*.txt", "*.tiktoken", "*.jinja")
"""Patterns of what may decide what a checkpoint says, whether or not it is copied."""
WEIGHT_INDEX = ".index.json"


def companions(source: Path, *, code: bool = False) -> list[Path]:
    """Return the files of a checkpoint folder that an edited checkpoint gets as they are.

    A link to nothing is left out: what is needed of the folder was checked when the model was loaded. So is a link out
    of the folder, but for those of the hub's cache. An adapter's files describe it, and its base before merging: none
    is copied.

    Args:
        source: the checkpoint.
        code: whether Python code that comes with it is copied too.
    """
    return [path for path in _parts(source, code=code) if not _leads_out(path)]


def _parts(source: Path, *, code: bool) -> list[Path]:
    if not (source / "config.json").is_file() or is_adapter(str(source)):
        return []
    return _found(source, (*COPIED, *([CODE] if code else ())))


def _found(source: Path, patterns: tuple[str, ...]) -> list[Path]:
    found = {path for pattern in patterns for path in source.glob(pattern)}
    return sorted(
        path
        for path in found
        if path.is_file() and path.name != EDITS_FILE and not path.name.endswith(WEIGHT_INDEX)
    )


def _leads_out(path: Path) -> bool:
    """Return whether a file is a link to one that neither lies in its folder nor in the hub's cache of its model."""
    if not path.is_symlink():
        return False
    target = path.resolve()
    blobs = target.parent
    is_cached = blobs.name == "blobs" and blobs.parent.name.startswith("models--")
    return not is_cached and not target.is_relative_to(path.parent.resolve())


def python_files(folder: Path) -> list[str]:
    """Return the names in a checkpoint folder of its Python files, also of those in folders inside it."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob(CODE) if path.is_file())


def companions_digest(folder: Path) -> str:
    """Return one sha256, in hexadecimal, over names and bytes of what beside weights decides what a checkpoint says."""
    is_checkpoint = (folder / "config.json").is_file() and not is_adapter(str(folder))
    found = _found(folder, BESIDE) if is_checkpoint else []
    named = {path.relative_to(folder).as_posix(): path for path in found}
    named |= {name: folder / name for name in python_files(folder)}
    total = hashlib.sha256()
    for name in sorted(named):
        total.update(f"{file_digest(named[name])} {name}\n".encode())
    return total.hexdigest()


def check_companions(source: Path, scanner: SecretScanner, *, code: bool = False) -> None:
    """Refuse a checkpoint folder of which a file that would be copied holds a secret, or lies elsewhere.

    Args:
        source: the checkpoint.
        scanner: finds the case's secrets.
        code: whether Python code that comes with it would be copied too.

    Raises:
        OutputError: one does. The file and the secret's label are named, never the secret.
    """
    for number, path in enumerate(_parts(source, code=code), start=1):
        for why, remedy in _objections(path, number, scanner):
            raise OutputError(why, remedy)


def _objections(path: Path, number: int, scanner: SecretScanner) -> Iterator[tuple[str, str]]:
    """Yield what speaks against copying a file, with its remedy."""
    named = scanner.find(path.name)
    if named is not None:
        yield (
            f"The name of a file of the model holds {named} (number {number} of those to be copied, by name), and an "
            "edited model would disclose it",
            "Rename the file, or move it out of the model's folder",
        )
    if _leads_out(path):
        yield (
            f"{path} is a link out of the model's folder, and an edited model would publish what it leads to",
            "Put the file itself in place of the link",
        )
    held = None if path.name in VOCABULARIES else scanner.find_in(path)
    if held is not None:
        yield (
            f"{path} holds {held}, and an edited model, which gets a copy of the file, would disclose it",
            "Take it out of that file, or move the file out of the model's folder",
        )
