"""The bill of materials of an installation: Expunge and every package that it needs, as CycloneDX 1.6."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid5

from editor.api.doctor.packages import DEVELOPMENT, DISTRIBUTION, EXTRA, REQUIREMENT
from editor.attestation.bom import NAMESPACE, SCHEMA, SPEC_VERSION
from editor.attestation.statement import canonical
from policies.errors import OutputError

MOST_CHARACTERS = 100
"""Longest name of a licence: some packages state its whole text."""


@dataclass(frozen=True)
class Package:
    """An installed package.

    Attributes:
        name: Its name, in small letters with hyphens.
        version: Its version.
        expression: Its licence as an SPDX expression; empty where it states none.
        licenses: Its licences as it states them, the expression where there is one; none where it states none.
        needs: Names of the installed packages that it asks for.
    """

    name: str
    version: str
    expression: str
    licenses: tuple[str, ...]
    needs: tuple[str, ...]

    @property
    def reference(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{self.name}@{quote(self.version, safe='')}"


def installed_packages() -> dict[str, Package]:
    """Return Expunge and the installed packages that it needs, directly or not, by name; not those of development.

    Raises:
        OutputError: Expunge is not installed, so that nothing tells what it needs.
    """
    # Of two of one name the first is imported.
    installed = {_plain(one.name): one for one in reversed(list(distributions())) if one.name}
    needs: dict[str, set[str]] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(DISTRIBUTION, _own_extras(installed.get(DISTRIBUTION)))]
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen or name not in installed:
            continue
        seen.add((name, extras))
        asked = [one for one in _needed(installed[name], extras) if one[0] in installed]
        needs.setdefault(name, set()).update(needed for needed, _ in asked)
        waiting += asked
    if not needs:
        raise OutputError(
            "Expunge is not installed here, so that nothing tells what it needs",
            "Run `pip install .` in its folder",
        )
    return {name: _package(name, installed[name], needs[name]) for name in sorted(needs)}


def installation_bom() -> str:
    """Return the bill of materials, the same for the same packages."""
    packages = installed_packages()
    own = packages[DISTRIBUTION]
    bom = {
        "$schema": SCHEMA,
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {"component": _component(own, "application")},
        "components": [_component(one, "library") for one in packages.values() if one is not own],
        "dependencies": [
            {"ref": one.reference, "dependsOn": [packages[name].reference for name in one.needs]}
            for one in packages.values()
        ],
    }
    return canonical({**bom, "serialNumber": uuid5(NAMESPACE, canonical(bom)).urn})


def write_bom(path: Path) -> None:
    """Write the bill of materials to a new file.

    Raises:
        OutputError: the file is there, or cannot be written.
    """
    text = installation_bom()
    try:
        with path.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror})", "Name a new file in a folder that is there"
        ) from None


def _package(name: str, installed: Distribution, needs: Iterable[str]) -> Package:
    stated = installed.metadata.get_all
    expression = next(iter(stated("License-Expression") or ()), "")
    classifiers = [one for one in stated("Classifier") or () if one.startswith("License ::")]
    names = [one.rpartition(" :: ")[2] for one in classifiers if not one.endswith(":: OSI Approved")]
    texts = [text.strip() for text in stated("License") or ()]
    short = [text for text in texts if text and "\n" not in text and len(text) <= MOST_CHARACTERS]
    return Package(
        name=name,
        version=installed.version,
        expression=expression,
        licenses=(expression,) if expression else tuple(names or short),
        needs=tuple(sorted(needs)),
    )


def _component(package: Package, kind: str) -> dict[str, Any]:
    licenses: list[dict[str, Any]] = [{"license": {"name": name}} for name in package.licenses]
    if package.expression:
        licenses = [{"expression": package.expression}]
    return {
        "type": kind,
        "bom-ref": package.reference,
        "name": package.name,
        "version": package.version,
        "purl": package.reference,
        **({"licenses": licenses} if licenses else {}),
    }


def _needed(package: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield what a package asks for, each with the extras that it wants of it."""
    for line in package.requires or ():
        read = REQUIREMENT.match(line)
        if read is None:
            continue
        extra = EXTRA.search(read["marker"] or "")
        if extra is None or _plain(extra["extra"]) in extras:
            wanted = [_plain(one) for one in (read["extras"] or "").split(",") if one.strip()]
            yield _plain(read["name"]), frozenset(wanted)


def _own_extras(expunge: Distribution | None) -> frozenset[str]:
    stated: list[str] = (expunge.metadata.get_all("Provides-Extra") if expunge else None) or []
    return frozenset(_plain(one) for one in stated if one != DEVELOPMENT)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
