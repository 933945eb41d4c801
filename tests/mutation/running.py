"""Tests of a copy of the repository, run by forks of a process that has imported libraries, and nothing of ours."""

import importlib
import os
import resource
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from shutil import copytree

MOST_CPU_S = 600
"""What tests take at most, in seconds of the processor: a mistake may make a loop that never ends."""
ALL_IMPORT = ("pydantic", "pytest", "yaml")
SLOW_TO_IMPORT = (
    "presidio_analyzer",
    "rich.progress",
    "scipy.stats",
    "sklearn",
    "torch",
    "torch._dynamo",
    "transformers",
    "transformers.models.gpt2.modeling_gpt2",
    "transformers.models.llama.modeling_llama",
)
OPTIONS = ("-q", "-x", "-n0", "-m", "not slow and not parity", "-p", "no:cacheprovider")
IMPORTED_BEFORE = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
"""What pytest says of libraries that were imported before it began."""


def import_libraries(package: str) -> None:
    """Import what tests of a package would import, each time again, before their own code."""
    for name in ALL_IMPORT if package == "policies" else ALL_IMPORT + SLOW_TO_IMPORT:
        importlib.import_module(name)


def copy_packages(root: Path, names: Sequence[str], folder: Path) -> Path:
    """Make a folder like the repository's, in which some packages are copies; return it."""
    for path in root.iterdir():
        if path.name not in names and not path.name.startswith("."):
            (folder / path.name).symlink_to(path)
    for name in names:
        copytree(root / name, folder / name)
    return folder


def passes(here: Path, tests: Sequence[str]) -> bool:
    """Return whether tests pass in a folder."""
    return _forked(lambda: _run(here, tests))


def _run(here: Path, tests: Sequence[str]) -> int:
    os.chdir(here)
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["PYTHONPATH"] = str(here)
    sys.dont_write_bytecode = True
    sys.path[:] = [str(here), *(path for path in sys.path if Path(path or ".").resolve() != here.parent)]
    for name in [name for name in sys.modules if name.split(".")[0] == "tests"]:
        del sys.modules[name]
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))
    import pytest

    return int(pytest.main([*OPTIONS, *IMPORTED_BEFORE, *tests]))


def _forked(call: Callable[[], int]) -> bool:
    """Call in a fork that says nothing; return whether it gave 0."""
    child = os.fork()
    if not child:
        code = 1
        try:
            os.setsid()
            silent = os.open(os.devnull, os.O_RDWR)
            for number in range(3):
                os.dup2(silent, number)
            code = call()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return status == 0
