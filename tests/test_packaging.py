"""What is imported is declared, what is declared is imported, and both lists of pins agree with it."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PACKAGES = ("editor", "detectors", "dictionaries", "policies")
PARTS = {"pydantic-core": "pydantic"}  # published together, the one pinned by the other


@cache
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements(lines):
    return {canonicalize_name(one.name): one for one in map(Requirement, lines)}


def declared():
    return requirements(project()["dependencies"])


def extra(name):
    return requirements(project()["optional-dependencies"][name])


def of_users():
    """What users install for one purpose, and our packages import."""
    return extra("encrypt") | extra("parquet") | extra("sign")


def lowest(requirement):
    """The bound below; ours have no other."""
    (bound,) = requirement.specifier
    assert bound.operator == ">=", requirement
    return Version(bound.version)


def pins(name):
    lines = (ROOT / name).read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    assert len(pairs) == len({canonicalize_name(name) for name, _ in pairs})
    return {canonicalize_name(name): Version(version) for name, version in pairs}


def imports(path):
    """Top-level names that a file imports, and whether each import stands under `except ImportError`."""
    tree = ast.parse(path.read_text())
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try)
        and any("ImportError" in ast.unparse(handler.type) for handler in node.handlers if handler.type)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], id(node) in guarded) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).split(".")[0], id(node) in guarded


@cache
def imported():
    """Distributions of others that our packages import, each with the files, and with whether any is guarded."""
    of, ours = packages_distributions(), {*PACKAGES, *sys.stdlib_module_names}
    found = {}
    for path in sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py")):
        for module, guarded in imports(path):
            if module not in ours:
                (name,) = {canonicalize_name(one) for one in of[module]}
                found.setdefault(PARTS.get(name, name), []).append((path.relative_to(ROOT), guarded))
    return found


def test_every_import_is_declared_or_optional_and_guarded():
    optional = set(of_users())
    assert set(imported()) - set(declared()) == optional
    for name in optional:
        assert any(guarded for _, guarded in imported()[name]), (
            f"{name} needs an error that says what to install"
        )


def test_every_dependency_is_imported():
    assert set(declared()) <= set(imported())


def test_lowest_pins_are_the_lower_bounds():
    assert pins("constraints-lowest.txt") == {
        name: lowest(one) for name, one in (declared() | of_users()).items()
    }


@pytest.mark.parametrize("name", ["dependencies", "encrypt", "parquet", "sign", "docs", "dev"])
def test_pins_for_development_satisfy_every_bound(name):
    wanted = declared() if name == "dependencies" else extra(name)
    pinned = pins("constraints.txt")
    assert {one for one in wanted if one not in pinned} == set()
    assert [str(one) for key, one in wanted.items() if pinned[key] not in one.specifier] == []


def test_the_documents_name_the_lower_bounds():
    """The table of docs/installing.md has a row for each dependency."""
    text = (ROOT / "docs" / "installing.md").read_text()
    rows = re.findall(r"^\| `([\w-]+)` \| ([\d.]+) \| ([\d.]+) \|$", text, re.MULTILINE)
    table = {canonicalize_name(name): (Version(low), Version(high)) for name, low, high in rows}
    bounds = declared() | of_users()
    assert {name: low for name, (low, _) in table.items()} == {n: lowest(one) for n, one in bounds.items()}
    pinned = pins("constraints.txt")
    assert [name for name, (_, high) in table.items() if high < pinned[name]] == []


def test_the_pythons_of_the_documents_and_the_makefile_are_those_of_the_project():
    wanted = project()["requires-python"]
    assert wanted == ">=3.11,<3.14"
    assert "Python 3.11, 3.12 or 3.13" in (ROOT / "docs" / "installing.md").read_text()
    assert "3.11, 3.12 or 3.13" in (ROOT / "Makefile").read_text()


def test_a_tag_that_is_not_the_version_ends_the_release(tmp_path):
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    build, publish = workflow["jobs"]["build"], workflow["jobs"]["publish"]
    (check,) = (step["run"] for step in build["steps"] if step.get("name") == "The tag is the version")
    (tmp_path / "python").symlink_to(sys.executable)
    for tag, code in ((f"v{project()['version']}", 0), ("v9.9.9", 1), (project()["version"], 1)):
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "GITHUB_REF_NAME": tag}
        assert (
            subprocess.run(["bash", "-e", "-c", check], cwd=ROOT, env=environment, check=False).returncode
            == code
        )
    assert publish["permissions"] == {"id-token": "write"}
    assert publish["needs"] == "build"
    assert "secrets." not in (ROOT / ".github" / "workflows" / "release.yml").read_text()
