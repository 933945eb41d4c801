"""Small mistakes in the code, one at a time, and whether tests find them: `python -m tests.mutation CODE TESTS`.

Comparisons, connectives, negations, truth values and numbers are changed in a copy, file after file, in an order that
the seed draws. What was tried is kept, a file for each file of code, and not tried again: so a run can be stopped, and
goes on when the command is given again. `--report` says what was found so far. A file that changed begins again.
"""

import argparse
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.mutation.changing import count_changes, mistaken
from tests.mutation.running import copy_packages, import_libraries, passes

ROOT = Path(__file__).parents[2]


@dataclass
class Tried:
    """What was tried of one file.

    Attributes:
        file: path of the code, from the root.
        kept: file that holds it.
        found: whether tests found a mistake, by its number.
    """

    file: str
    kept: Path
    found: dict[int, bool] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The code."""
        return (ROOT / self.file).read_text(encoding="utf-8")

    @classmethod
    def read(cls, path: Path, folder: Path) -> "Tried":
        """Read what is kept of a file; nothing where it has changed since."""
        name = str(path.relative_to(ROOT))
        tried = cls(name, folder / f"{name.replace('/', '.')}.json")
        if tried.kept.is_file():
            data = json.loads(tried.kept.read_text(encoding="utf-8"))
            if data["sha256"] == tried._digest():
                tried.found = {int(number): found for number, found in data["found"].items()}
        return tried

    def keep(self, number: int, found: bool) -> None:
        """Add one mistake, on disk too."""
        self.found[number] = found
        data: dict[str, Any] = {"file": self.file, "sha256": self._digest(), "found": self.found}
        self.kept.parent.mkdir(parents=True, exist_ok=True)
        partial = self.kept.with_suffix(".partial")
        partial.write_text(json.dumps(data), encoding="utf-8")
        partial.replace(self.kept)

    def _digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.mutation", description=__doc__)
    parser.add_argument("code", help="folder or file of the code")
    parser.add_argument("tests", nargs="*", help="what tests it, in the order in which it is run")
    parser.add_argument("--count", type=int, help="number of mistakes a file; all by default")
    parser.add_argument("--seed", type=int, default=0, help="draws the order of mistakes")
    parser.add_argument(
        "--kept", type=Path, default=ROOT / "build" / "mutation", help="folder of what was tried"
    )
    parser.add_argument("--report", action="store_true", help="say what was found so far, and try nothing")
    given = parser.parse_args()
    code = ROOT / given.code
    files = sorted(code.rglob("*.py")) if code.is_dir() else [code]
    parts = [
        Tried.read(file, given.kept) for file in files if count_changes(file.read_text(encoding="utf-8"))
    ]
    if not given.report:
        if not given.tests:
            parser.error("name what tests the code")
        if not _try(parts, given):
            _say("The tests fail without a mistake")
            return 1
    for line in _report(given.code, parts):
        _say(line)
    return 0


def _try(parts: list[Tried], given: argparse.Namespace) -> bool:
    """Try the mistakes that are left; return whether the tests pass without one."""
    left = [(part, number) for part in parts for number in _left(part, given)]
    if not left:
        return True
    package = given.code.split("/")[0]
    import_libraries(package)
    with tempfile.TemporaryDirectory(prefix="mutation-") as scratch:
        here = copy_packages(ROOT, [package], Path(scratch))
        if not passes(here, given.tests):
            return False
        for part, number in left:
            _, text = mistaken(part.text, number)
            target = here / part.file
            target.write_text(text, encoding="utf-8")
            part.keep(number, not passes(here, given.tests))
            target.write_text(part.text, encoding="utf-8")
            _say(f"{part.file} {number}: {'found' if part.found[number] else 'not found'}")
    return True


def _left(part: Tried, given: argparse.Namespace) -> list[int]:
    order = list(range(count_changes(part.text)))
    Random(f"{given.seed} {part.file}").shuffle(order)
    return [number for number in order[: given.count] if number not in part.found]


def _report(code: str, parts: list[Tried]) -> Iterator[str]:
    """Yield a line a file, each mistake that no test found, and the score."""
    for part in parts:
        yield f"{part.file}: {sum(part.found.values())} of {len(part.found)} found, of {count_changes(part.text)}"
        for number in sorted(number for number, found in part.found.items() if not found):
            yield f"  not found: {mistaken(part.text, number)[0]}"
    found, tried = (sum(sum(part.found.values()) for part in parts), sum(len(part.found) for part in parts))
    yield f"{code}: {found} of {tried} found, of {sum(count_changes(part.text) for part in parts)} that there are"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
