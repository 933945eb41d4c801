"""`python -m examples.studies.many`: many people erased at once, and many requests one after another.

A lab's independent judge asks for what every request so far was to erase, and for everybody else. Each row is written
when it is there; `--resume` keeps those that are.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from os import environ
from pathlib import Path

from examples.labs.building import POLICY, ROOT, Lab, ensure_lab
from examples.labs.erasing import VERDICTS, Outcome
from examples.labs.judge import Judgement, judge, open_checkpoint, read_questions, read_texts
from examples.labs.shapes import LabShape
from examples.labs.table import markdown, read_table, write_table
from examples.rivermouth.build import ENVIRONMENT

SHAPE = LabShape(
    name="llama-hundred",
    architecture="llama",
    styles=("notes",),
    width=160,
    tied=False,
    people=100,
    erased=50,
    mentions=4,
)
"""A lab of 100 people, 50 of whom ask, all at once or one by one in the order of the list."""
WORK = ROOT / "build" / "many"
RESULTS = Path(__file__).resolve().parent / "results"
SEED = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Erase, judge and print the table; return 1 where an erasure wrote no checkpoint."""
    asked = _parser().parse_args(arguments)
    lab = ensure_lab(SHAPE, SEED)
    done = {outcome.lab: outcome for outcome in read_table(RESULTS, "many")} if asked.resume else {}
    for count in asked.at_once:
        title = f"{count} at once"
        if title not in done:
            done[title] = _erase(lab, title, lab.model, lab.erased[:count], [])
            write_table(RESULTS, "many", list(done.values()))
    model, previous = lab.model, list[str]()
    for place in range(asked.in_a_row):
        title = f"{place + 1} in a row"
        if title not in done or not (_output(title) / "model").is_dir():
            done[title] = _erase(lab, title, model, [lab.erased[place]], previous)
            write_table(RESULTS, "many", list(done.values()))
        if done[title].judgement is None:
            break
        model, previous = _output(title) / "model", [*previous, title]
    print(markdown(list(done.values())), end="")
    return int(any(outcome.judgement is None for outcome in done.values()))


def _output(title: str) -> Path:
    return WORK / title.replace(" ", "-")


def _request(title: str) -> Path:
    return WORK / f"{title.replace(' ', '-')}.yaml"


def _erase(lab: Lab, title: str, model: Path, names: Sequence[str], previous: Sequence[str]) -> Outcome:
    """Erase people from a model that earlier requests have edited, and judge it by all of them."""
    WORK.mkdir(parents=True, exist_ok=True)
    subjects = [{"name": name} for name in names]
    _request(title).write_text(json.dumps({"subjects": subjects}), encoding="utf-8")  # JSON is YAML
    output = _output(title)
    command = [sys.executable, "-m", "editor.cli", "erase", str(model), "--corpus", str(lab.corpus)]
    command += ["--policy", POLICY, "--request", str(_request(title)), "--output", str(output)]
    command += ["--overwrite", "--quiet", "--no-controls", "--attacks", "none"]
    for earlier in previous:
        command += ["--previous", str(_output(earlier)), "--also-erased", str(_request(earlier))]
    started = time.monotonic()
    with output.with_suffix(".log").open("w", encoding="utf-8") as log:
        code = subprocess.run(
            command, env=ENVIRONMENT | environ, cwd=ROOT, stdout=log, stderr=log, check=False
        ).returncode
    minutes = (time.monotonic() - started) / 60
    gone = [*(one["name"] for earlier in previous for one in _subjects(earlier)), *names]
    return Outcome(
        lab=title,
        seed=SEED,
        group="",
        verdict=VERDICTS.get(code, f"failed ({code})"),
        minutes=round(minutes, 2),
        judgement=_judge(lab, output / "model", gone) if code in VERDICTS else None,
    )


def _subjects(title: str) -> list[dict[str, str]]:
    return list(json.loads(_request(title).read_text(encoding="utf-8"))["subjects"])


def _judge(lab: Lab, edited: Path, gone: Sequence[str]) -> Judgement:
    """Judge a checkpoint against the lab's first model by everybody who was to go."""
    questions = [replace(one, erased=one.subject in gone) for one in read_questions(lab.judge)]
    # Of the others who will ask later nothing may be lost yet.
    return judge(open_checkpoint(lab.model), open_checkpoint(edited), questions, read_texts(lab.corpus, gone))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.studies.many", description=__doc__)
    parser.add_argument("--at-once", type=int, nargs="*", default=[1, 5, 20, 50], metavar="N")
    parser.add_argument("--in-a-row", type=int, default=20, metavar="N")
    parser.add_argument("--resume", action="store_true", help="keep the rows that are there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
