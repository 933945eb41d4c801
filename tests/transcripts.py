"""Pages of the documentation, followed as a reader would: commands are run as printed, and what is said is compared.

A block `sh` holds commands, and a block `text` right after it what they print. In that, `…` stands for what differs
from run to run: within a line for any characters, alone on a line for any lines. A command that ends with
`# exit code N` must end so, any other with 0.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

FENCE = re.compile(r"^```(?P<kind>[\w-]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
EXIT_CODE = re.compile(r"# exit code (\d)$")
HEREDOC = re.compile(r"<<\s*'?(\w+)'?")


class Step(NamedTuple):
    """Commands of one block, and what they print; None where the page does not say."""

    section: str
    commands: tuple[str, ...]
    printed: str | None


def steps(page: Path) -> list[Step]:
    """Return the blocks of a page that hold commands, in turn."""
    text = page.read_text(encoding="utf-8")
    headings = [(match.start(), match[1]) for match in HEADING.finditer(text)]
    fences = list(FENCE.finditer(text))
    found = []
    for place, fence in enumerate(fences):
        if fence["kind"] != "sh":
            continue
        following = fences[place + 1] if place + 1 < len(fences) else None
        says = following is not None and following["kind"] == "text"
        section = next((name for start, name in reversed(headings) if start < fence.start()), "")
        found.append(Step(section, tuple(commands(fence["body"])), following["body"] if says else None))
    return found


def commands(body: str) -> Iterator[str]:
    """Yield the commands of a block: lines, with those that a backslash or a here-document adds."""
    lines = iter(body.splitlines())
    for line in lines:
        text = line
        while text.endswith("\\"):
            text = f"{text[:-1].rstrip()} {next(lines).strip()}"
        if ends := HEREDOC.search(text):
            for more in lines:
                text += f"\n{more}"
                if more == ends[1]:
                    break
        if text.strip() and not text.startswith("#"):
            yield text


def follow(step: Step, call: Callable[[str], tuple[int, str]] | None = None) -> None:
    """Run a step, in the working folder where nothing else runs it; compare how it ends and what it says."""
    said = ""
    for command in step.commands:
        code, printed = (call or run)(command)
        said += printed
        wanted = EXIT_CODE.search(command)
        assert code == (int(wanted[1]) if wanted else 0), f"{command} ended with {code}:\n{printed}"
    if step.printed is not None:
        assert fits(step.printed, said), f"{step.section}: the page does not say\n{said}"


def run(command: str) -> tuple[int, str]:
    """Run a command: Expunge's own in this process, which has imported what takes seconds, and others in bash."""
    words = shlex.split(command, comments=True) if "<<" not in command else []
    if words[:1] == ["expunge"]:
        from editor.cli import main

        return _ended(lambda: main(words[1:]), words)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", command],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def _ended(call: object, arguments: list[str]) -> tuple[int, str]:
    said, before = io.StringIO(), sys.argv
    sys.argv = arguments
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()) as errors:
            call()
    except SystemExit as ended:
        code = int(ended.code or 0)
        return code, said.getvalue() + (errors.getvalue() if code else "")
    finally:
        sys.argv = before
    return 0, said.getvalue()


def fits(page: str, said: str) -> bool:
    """Return whether a page's block is what was said."""
    lines = [line.rstrip() for line in page.strip("\n").split("\n")]
    pattern = "\n".join(
        r"(?:.*\n?)*?.*" if line.strip() == "…" else ".*?".join(map(re.escape, line.split("…")))
        for line in lines
    )
    plain = "\n".join(line.rstrip() for line in said.strip("\n").split("\n"))
    return re.fullmatch(pattern, plain) is not None
