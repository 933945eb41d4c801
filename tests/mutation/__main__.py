"""Small mistakes in the code, one at a time, and whether tests find them: `python -m tests.mutation CODE TESTS`.

A sample of comparisons, connectives, negations, truth values and numbers is changed in a copy, by a seed.
"""

import argparse
import ast
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from shutil import copytree

ROOT = Path(__file__).parents[2]
OTHERS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}
TIMED_OUT_S = 300


def changes(tree: ast.AST) -> Iterator[tuple[int, Callable[[], None]]]:
    """Yield the lines of what can be mistaken, each with what makes the mistake in the tree."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and type(node.ops[0]) in OTHERS:
            yield node.lineno, lambda one=node: one.ops.__setitem__(0, OTHERS[type(one.ops[0])]())
        elif isinstance(node, ast.BoolOp) or (isinstance(node, ast.BinOp) and type(node.op) in OTHERS):
            yield node.lineno, lambda one=node: setattr(one, "op", OTHERS[type(one.op)]())
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            yield node.lineno, lambda one=node: setattr(one, "op", ast.UAdd())
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
            yield node.lineno, lambda one=node: setattr(one, "value", not one.value)
        elif isinstance(node, ast.Constant) and isinstance(node.value, int):
            yield node.lineno, lambda one=node: setattr(one, "value", one.value + 1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.mutation", description=__doc__)
    parser.add_argument("code", help="folder or file of the code")
    parser.add_argument("tests", nargs="+", help="what tests it")
    parser.add_argument("--count", type=int, default=50, help="number of mistakes")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    files = sorted((ROOT / given.code).rglob("*.py")) if (ROOT / given.code).is_dir() else [ROOT / given.code]
    places = [(file, n) for file in files for n, _ in enumerate(changes(ast.parse(file.read_text())))]
    chosen = Random(given.seed).sample(places, min(given.count, len(places)))
    found = 0
    with tempfile.TemporaryDirectory(prefix="mutation-") as scratch:
        here = _copy(Path(scratch), given.code.split("/")[0])
        if _fails(here, given.tests):
            _say("The tests fail without a mistake")
            return 1
        for file, number in chosen:
            target, text = here / file.relative_to(ROOT), file.read_text(encoding="utf-8")
            tree = ast.parse(text)
            line, change = list(changes(tree))[number]
            change()
            target.write_text(ast.unparse(tree), encoding="utf-8")
            failed = _fails(here, given.tests)
            target.write_text(text, encoding="utf-8")
            found += failed
            if not failed:
                _say(f"not found: {file.relative_to(ROOT)}:{line}: {text.splitlines()[line - 1].strip()}")
    _say(f"{given.code}: {found} of {len(chosen)} found, of {len(places)} that there are")
    return 0


def _copy(scratch: Path, package: str) -> Path:
    """Return a folder like the repository's, in which the package alone is a copy."""
    for path in ROOT.iterdir():
        if path.name != package and not path.name.startswith("."):
            (scratch / path.name).symlink_to(path)
    copytree(ROOT / package, scratch / package)
    return scratch


def _fails(here: Path, tests: list[str]) -> bool:
    command = [
        sys.executable,
        "-B",
        "-m",
        "pytest",
        "-q",
        "-x",
        "-n0",
        "-m",
        "not slow",
        "-p",
        "no:cacheprovider",
    ]
    try:
        done = subprocess.run(
            [*command, *tests],
            cwd=here,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            timeout=TIMED_OUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
