"""What `--overwrite` may replace: an earlier output of Expunge, whole and nothing besides, that no run reads from."""

import json
from collections.abc import Iterable
from pathlib import Path

from policies.errors import OutputError

MANIFEST = "manifest.json"
UNLISTED = (MANIFEST, "statement.json", "statement.dsse.json")
"""Files that a manifest does not list: itself, and those that speak of it."""
_LEFT_BY_SYSTEMS = (".DS_Store", "Thumbs.db", "desktop.ini")
"""Files that file managers leave in the folders that they show."""


def edit_beside(output: str | Path) -> Path:
    """Return the folder beside an output that its edit is kept in, where none is named: `OUTPUT.edit`."""
    whole = Path(output).resolve()
    return whole.with_name(f"{whole.name}.edit")


def check_replaceable(folder: Path, shown: Path, reads: Iterable[Path | str] = ()) -> None:
    """Refuse to replace a folder that is no output, or holds more than one, or what the run reads.

    Args:
        folder: the folder that would be removed.
        shown: its path in messages and for comparison with others, where it was moved away already.
        reads: paths of what the run reads.

    Raises:
        OutputError: it must not be replaced.
    """
    if _is_precious(folder, shown):
        raise OutputError(
            f"The folder {shown} holds more than an output and is not replaced", "Name a folder inside it"
        )
    for path in reads:
        if _lies_in(Path(path), shown):
            raise OutputError(
                f"The folder {shown} holds {path}, which the run reads, and is not replaced",
                "Name an output apart from it",
            )
    listed = _listed(folder)
    if listed is None:
        raise OutputError(
            f"The folder {shown} is no output of Expunge (it has no {MANIFEST} of one) and is not replaced",
            "Name another folder, or remove that one yourself",
        )
    other = next((name for name in _names(folder) if name not in listed), None)
    if other is not None:
        raise OutputError(
            f"The folder {shown} holds {other}, which the run that wrote it did not leave there, and is not replaced",
            "Move that file elsewhere, or name another folder",
        )


def _listed(folder: Path) -> frozenset[str] | None:
    """Return the names of the files that the manifest of an output lists, and of those beside it; None for none."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        files = manifest["files"]
        if not isinstance(manifest["version"], int) or not all("sha256" in about for about in files.values()):
            return None
        return frozenset((*files, *UNLISTED))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _names(folder: Path) -> list[str]:
    """Return the names of everything in a folder that is no folder itself; links are files."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in found if path.name not in _LEFT_BY_SYSTEMS)


def _is_precious(folder: Path, shown: Path) -> bool:
    """Return whether replacing a folder would remove a home, a repository or where the user stands."""
    try:
        here = Path.cwd()
    except OSError:  # the folder where the user stands is gone
        return True
    return here.is_relative_to(shown) or shown == Path.home().resolve() or (folder / ".git").exists()


def _lies_in(path: Path, folder: Path) -> bool:
    """Return whether a path, or what it leads to, lies in a folder or is that folder."""
    try:
        places = (path.resolve(), path.absolute().parent.resolve() / path.name)
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a name that no file can have
        return False
    return any(place.is_relative_to(folder) for place in places)
