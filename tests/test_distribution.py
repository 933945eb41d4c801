"""The wheel and the sdist, built from the tracked files, and run where nothing of the source tree is."""

import json
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest
from installing import borrow, copy_tracked, environment, plain, ran, tracked_files

pytestmark = pytest.mark.slow

PACKAGES = ("editor", "detectors", "dictionaries", "policies")
LAB = "examples/rivermouth/"


@pytest.fixture(scope="module")
def tracked():
    return tracked_files()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with a wheel and an sdist of the tracked files."""
    folder = tmp_path_factory.mktemp("build")
    copy_tracked(folder / "tree")
    python = environment(folder / "builder")
    asked = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "hatchling>=1.25"],
        env=plain(),
        capture_output=True,
        text=True,
        check=False,
    )
    if asked.returncode:
        pytest.skip("no package index has hatchling")
    ran(python, "-m", "hatchling", "build", "-d", folder / "dist", cwd=folder / "tree")
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = (built / "dist").glob("*.whl")
    return path


def names_in(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_has_every_file_of_the_packages_and_nothing_else(wheel, tracked):
    packages = {name for name in tracked if name.split("/")[0] in PACKAGES}
    lab = {f"editor/rivermouth/{name.removeprefix(LAB)}" for name in tracked if name.startswith(LAB)}
    assert names_in(wheel) == packages | lab | {"expunge.py"}


def test_the_sdist_builds_the_same_wheel(built, wheel):
    (path,) = (built / "dist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        archive.extractall(built / "unpacked", filter="data")
    (tree,) = (built / "unpacked").iterdir()
    assert (tree / "LICENSE").is_file()
    python = built / "builder" / "bin" / "python"
    ran(python, "-m", "hatchling", "build", "-t", "wheel", "-d", built / "again", cwd=tree)
    (again,) = (built / "again").glob("*.whl")
    assert names_in(again) == names_in(wheel)
    with zipfile.ZipFile(again) as first, zipfile.ZipFile(wheel) as second:
        assert all(first.read(name) == second.read(name) for name in names_in(wheel))


def test_what_is_installed_runs_where_nothing_of_the_source_tree_is(built, wheel):
    """Help, the installation's check, and an audit of the lab that comes along."""
    python = environment(built / "user")
    ran(python, "-m", "pip", "install", "--quiet", "--no-deps", wheel, cwd=built)
    site = borrow(python, built / "borrowed")
    expunge, here = built / "user" / "bin" / "expunge", built / "here"
    here.mkdir()
    assert "Erase five people" in ran(expunge, "--help", cwd=here)
    place = ran(python, "-c", "import editor, expunge; print(editor.__file__)", cwd=here)
    assert Path(place.strip()).is_relative_to(site)
    ran(expunge, "doctor", "--bom", "bom.json", cwd=here)
    assert json.loads((here / "bom.json").read_text())["metadata"]["component"]["name"] == "expunge"
    lab = site / "editor" / "rivermouth"
    given = (
        "--corpus",
        lab / "corpus.jsonl",
        "--policy",
        lab / "policy.yaml",
        "--request",
        lab / "request.yaml",
    )
    counted = ran(
        expunge, "audit", lab / "model", *given, "--output", "out", "--dry-run", "--json", "--quiet", cwd=here
    )
    assert json.loads(counted)["exit_code"] == 0
    assert not (here / "out").exists()
