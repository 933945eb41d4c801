"""The bill of materials of an installation: Expunge and every package that it needs, as CycloneDX 1.6."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
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
        installed: What its metadata say.
        needs: Names of the installed packages that it asks for.
    """

    name: str
    installed: Distribution
    needs: tuple[str, ...]

    @property
    def reference(self) -> str:
        """Its package URL."""
        return f"pkg:pypi/{self.name}@{quote(self.installed.version, safe='')}"

    @property
    def expression(self) -> str:
        """Its licence as an SPDX expression; empty where it states none."""
        return next(iter(self._stated("License-Expression")), "")

    @property
    def licenses(self) -> tuple[str, ...]:
        """Its licences as it states them, an SPDX expression where there is one; none where it states none."""
        if self.expression:
            return (self.expression,)
        classifiers = [one for one in self._stated("Classifier") if one.startswith("License ::")]
        names = [one.rpartition(" :: ")[2] for one in classifiers if not one.endswith(":: OSI Approved")]
        texts = [text.strip() for text in self._stated("License")]
        short = [text for text in texts if text and "\n" not in text and len(text) <= MOST_CHARACTERS]
        return tuple(names or short)

    def _stated(self, name: str) -> list[str]:
        return self.installed.metadata.get_all(name) or []


def installed_packages() -> dict[str, Package]:
    """Return Expunge and the installed packages that it needs, directly or not, by name; not those of development.

    Raises:
        OutputError: Expunge is not installed, so that nothing tells what it needs.
    """
    found: dict[str, Package] = {}
    waiting = [(DISTRIBUTION, frozenset(_extras(DISTRIBUTION)))]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        here = _installed(name)
        if here is None:
            continue
        asked = {needed: wanted for needed, wanted in _needed(here, extras) if _installed(needed)}
        before = found[name].needs if name in found else ()
        found[name] = Package(name, here, tuple(sorted({*before, *asked})))
        waiting += asked.items()
    if DISTRIBUTION not in found:
        raise OutputError(
            "Expunge is not installed here, so that nothing tells what it needs",
            "Run `pip install .` in its folder",
        )
    return dict(sorted(found.items()))


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
        raise OutputError(f"{path} cannot be written ({error.strerror})", "Name a new file") from None


def _component(package: Package, kind: str) -> dict[str, Any]:
    licenses: list[dict[str, Any]] = [{"license": {"name": name}} for name in package.licenses]
    if package.expression:
        licenses = [{"expression": package.expression}]
    return {
        "type": kind,
        "bom-ref": package.reference,
        "name": package.name,
        "version": package.installed.version,
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


def _extras(name: str) -> list[str]:
    here = _installed(name)
    stated: list[str] = (here.metadata.get_all("Provides-Extra") if here else None) or []
    return [_plain(one) for one in stated if one != DEVELOPMENT]


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()
