"""Is everything installed, in a version that is allowed, and are our import names our own?"""

import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, files, packages_distributions, requires, version
from importlib.util import find_spec
from pathlib import Path

from editor.api.doctor.finding import Finding

DISTRIBUTION = "expunge"
NAMES = ("expunge", "editor", "detectors", "dictionaries", "policies")
"""Names that Expunge is imported by; packages of others have some of them too."""
OWN_ENVIRONMENT = (
    "Install Expunge into an environment of its own, and run it from a folder without such files"
)
REQUIREMENT = re.compile(
    r"^(?P<name>[\w.-]+)\s*(?:\[(?P<extras>[^\]]*)\])?[^>;]*(?:>=(?P<bound>[\d.]+))?[^;]*(?:;(?P<marker>.*))?$"
)
"""A requirement as a package's metadata write it."""
EXTRA = re.compile(r"extra\s*==\s*['\"](?P<extra>[\w-]+)['\"]")
DEVELOPMENT = "dev"


def check_python() -> Iterator[Finding]:
    """Say which Python and which Expunge run, and from where."""
    try:
        installed = f"Expunge {version(DISTRIBUTION)}"
    except PackageNotFoundError:
        yield Finding(
            area="installation",
            state="bad",
            text="Expunge is not installed here, so that nothing tells which packages it needs",
            remedy="Run `pip install .` in its folder",
        )
        return
    yield Finding(
        area="installation",
        state="good",
        text=f"{installed} on Python {platform.python_version()} ({sys.prefix})",
    )


def check_versions(needed: Sequence[str] | None = None) -> Iterator[Finding]:
    """Compare what is installed with the bounds that Expunge was installed under.

    Args:
        needed: requirements as a package's metadata write them; None for Expunge's own.
    """
    found = _requirements() if needed is None else needed
    missing: dict[str, list[str]] = {}
    good: set[str] = set()
    for line in found:
        read = REQUIREMENT.match(line)
        if read is None:
            continue
        name, bound, extra = read["name"], read["bound"], EXTRA.search(read["marker"] or "")
        if extra is not None and extra["extra"] == DEVELOPMENT:
            continue
        here = _version(name)
        if here is None and extra is not None:
            missing.setdefault(extra["extra"], []).append(name)
        elif here is None:
            yield _wrong(f"{name} is not installed", name, bound)
        elif bound is not None and _release(here) < _release(bound):
            yield _wrong(f"{name} {here} is older than {bound}, the oldest that is supported", name, bound)
        else:
            good.add(name)
    if good:
        yield Finding(area="versions", state="good", text=f"{len(good)} packages are new enough")
    for extra_name, names in missing.items():
        yield Finding(
            area="versions",
            state="note",
            text=f"The extra `{extra_name}` is not installed ({', '.join(names)})",
            remedy=f"Where it is needed, run `pip install '.[{extra_name}]'` in Expunge's folder",
        )


def check_names(
    search: Sequence[str] | None = None, distributions: Mapping[str, Sequence[str]] | None = None
) -> Iterator[Finding]:
    """Look for packages of others that have one of our import names.

    Args:
        search: folders in which modules are looked for; None for Python's own list.
        distributions: import name -> installed packages that bring it; None to look.
    """
    import editor

    root = Path(str(editor.__file__)).resolve().parent.parent
    owners = packages_distributions() if distributions is None else distributions
    folders = [Path(entry or ".").resolve() for entry in (sys.path if search is None else search)]
    copies = {folder for folder in folders if folder != root and _is_copy(folder)}
    for copy in sorted(copies):
        yield Finding(
            area="import names",
            state="note",
            text=f"There is another copy of Expunge in {copy}; what runs is the one in {root}",
        )
    folders = [folder for folder in folders if folder not in {root, *copies}]
    own = _installed_files()
    clashes = 0
    for name in NAMES:
        others = {owner for owner in owners.get(name, ()) if owner != DISTRIBUTION}
        places = [str(place) for place in _places(name, folders) if place not in own]
        spec = find_spec(name)
        if spec is not None and spec.origin and not Path(spec.origin).resolve().is_relative_to(root):
            places.insert(0, spec.origin)
        for other in (*sorted(others), *dict.fromkeys(places)):
            clashes += 1
            yield Finding(
                area="import names",
                state="bad",
                text=f"`import {name}` is Expunge's, and {other} has that name too",
                remedy=OWN_ENVIRONMENT,
            )
    if not clashes:
        yield Finding(area="import names", state="good", text=f"{', '.join(NAMES)} are Expunge's alone")


def _requirements() -> list[str]:
    try:
        return requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return []


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _release(written: str) -> tuple[int, ...]:
    """Return the numbers of a version up to its first letter; a bound of ours has nothing else."""
    read = re.match(r"\d+(?:\.\d+)*", written)
    parts = [int(part) for part in read.group().split(".")] if read else []
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)


def _wrong(text: str, name: str, bound: str | None) -> Finding:
    asked = f"{name}>={bound}" if bound else name
    return Finding(area="versions", state="bad", text=text, remedy=f"Run `pip install '{asked}'`")


def _places(name: str, folders: Sequence[Path]) -> Iterator[Path]:
    """Yield where a module of a name lies."""
    for folder in folders:
        for place in (folder / name / "__init__.py", folder / f"{name}.py"):
            if place.is_file():
                yield place


def _is_copy(folder: Path) -> bool:
    """Return whether a folder holds all of our packages: a package of another has one of the names."""
    return all(any(_places(name, [folder])) for name in NAMES)


def _installed_files() -> set[Path]:
    """Return the files that the installation of Expunge brought; one that only points to a folder brings a few."""
    try:
        brought = files(DISTRIBUTION) or []
    except PackageNotFoundError:
        return set()
    return {Path(str(file.locate())).resolve() for file in brought}
