"""One reader: how valid files of it are written and read."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Reader:
    """A reader.

    Attributes:
        name: its name in reports.
        write: writes valid files into a folder.
        read: reads them.
        files: patterns of the files that are mutated.
        weight: share of the inputs, as slow readers get fewer.
    """

    name: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]
    files: tuple[str, ...] = ("*",)
    weight: float = 1.0


def of_file(name: str, file: str, content: str, read: Callable[[Path], object]) -> Reader:
    return Reader(
        name, lambda folder: (folder / file).write_text(content), lambda folder: read(folder / file)
    )


def lines(records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def copied(reader: Reader, seeds: Path, folder: Path) -> list[Path]:
    """Copy a reader's valid files, made once, into a folder, and return those that may be mutated."""
    made = seeds / "".join(filter(str.isalnum, reader.name))
    if not made.exists():
        made.mkdir(parents=True)
        reader.write(made)
    shutil.copytree(made, folder)
    found = {path for pattern in reader.files for path in folder.glob(pattern) if path.is_file()}
    return sorted(found)
