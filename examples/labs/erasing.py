"""An erasure of a lab as its owner would run it, in a process of its own, and what the judge says of it."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from examples.labs.building import POLICY, ROOT, Lab
from examples.labs.judge import Judgement, judge, open_checkpoint, read_questions, read_texts
from examples.rivermouth.build import ENVIRONMENT

VERDICTS = {0: "met", 1: "leaks", 3: "damaged", 4: "incomplete"}
"""The product's own verdict by exit code; after any other there is no checkpoint."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How an erasure is run; None leaves the product's default.

    Attributes:
        method: name of a method.
        trials: number of search trials, at most.
        labelled: whether the corpus that lists each document's people is given instead of the plain one.
    """

    method: str | None = None
    trials: int | None = None
    labelled: bool = False

    @property
    def title(self) -> str:
        """The options as part of a file's name."""
        parts = [self.method or "default", *([f"{self.trials}-trials"] if self.trials else [])]
        return "-".join([*parts, *(["labelled"] if self.labelled else [])])


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A row of the table.

    Attributes:
        lab: name of the lab.
        seed: its seed.
        group: `development` or `judging`.
        verdict: what the product says: met, leaks, damaged, incomplete, or `failed` with its exit code.
        minutes: how long it took by the clock.
        judgement: what the judge says; None where no checkpoint was written.
    """

    lab: str
    seed: int
    group: str
    verdict: str
    minutes: float
    judgement: Judgement | None

    def record(self) -> dict[str, Any]:
        """Return the outcome as JSON has it."""
        return asdict(self)


def command_of(lab: Lab, output: Path, options: Options) -> list[str]:
    """Return the command line of an erasure: corpus, policy, names, and nothing else that is not asked for."""
    corpus = lab.labelled if options.labelled else lab.corpus
    command = [sys.executable, "-m", "editor.cli", "erase", str(lab.model), "--corpus", str(corpus)]
    command += ["--policy", POLICY, "--output", str(output), "--overwrite", "--quiet"]
    for name in lab.erased:
        command += ["--subject", name]
    command += ["--method", options.method] if options.method else []
    command += ["--trials", str(options.trials)] if options.trials else []
    return command


def erase_and_judge(lab: Lab, output: Path, options: Options, *, name: str, seed: int, group: str) -> Outcome:
    """Erase the lab's people and judge the checkpoint.

    Args:
        lab: a lab that was built.
        output: folder of the erasure, replaced if it exists; its log stands beside it.
        options: how it is run.
        name: name of the lab.
        seed: seed of the lab.
        group: group of the lab.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with output.with_suffix(".log").open("w", encoding="utf-8") as log:
        environment = ENVIRONMENT | os.environ
        command = command_of(lab, output, options)
        code = subprocess.run(
            command, env=environment, cwd=ROOT, stdout=log, stderr=log, check=False
        ).returncode
    minutes = (time.monotonic() - started) / 60
    return Outcome(
        lab=name,
        seed=seed,
        group=group,
        verdict=VERDICTS.get(code, f"failed ({code})"),
        minutes=round(minutes, 2),
        judgement=judge_folder(lab, output / "model") if code in VERDICTS else None,
    )


def judge_folder(lab: Lab, edited: Path) -> Judgement:
    """Judge a checkpoint that was made from a lab's model."""
    return judge(
        open_checkpoint(lab.model),
        open_checkpoint(edited),
        read_questions(lab.judge),
        read_texts(lab.corpus, lab.erased),
    )


def write_outcome(path: Path, outcome: Outcome) -> None:
    """Write an outcome as JSON."""
    path.write_text(json.dumps(outcome.record(), indent=2) + "\n", encoding="utf-8")
