"""All arms over all seeds, in processes of their own; what is finished is kept, so that a run can be resumed.

The reference arms of all seeds go first: they set what the others are brought to, who tune themselves meanwhile and
then wait for it. Long jobs come before short ones, so that the last ones end together.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from detectors.files import file_digest
from editor.comparing.job import LOOK_S, Finished, Job, run_job
from editor.comparing.processes import worker_pool
from editor.comparing.steps import StepCounter
from editor.kept_work import KeptWork
from editor.methods import METHODS
from editor.results.names import MethodFamily
from policies.errors import ModelError, OutputError

REFERENCE = "feature-edit"
"""Arm that sets what the others are brought to."""
HEAD = "settings.json"
DIGEST = ".sha256"
"""Suffix of the file that holds the digest of a result."""
SUPPLIED = "dictionaries"
"""Folder of dictionaries that were trained for all jobs, and file beside it that says that they are whole."""
PARTS = "parts"
"""Folder of what is made of arms that are not finished."""
_OURS = re.compile(rf"[\w-]+-\d+\.(json|sha256|partial|steps\.partial)|(settings|{SUPPLIED})\.(json|partial)")
LONG_FIRST: tuple[MethodFamily, ...] = ("circuits", "weights", "random", "features", "neurons")
"""Families by how long their arms take."""


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Finished jobs on disk, one file each, under the settings they were run with.

    Attributes:
        folder: folder of the files.
        settings: all that results depend on, by name; a run resumes only with the same.
    """

    folder: Path
    settings: dict[str, Any]

    def open(self, *, resume: bool) -> None:
        """Begin, or resume.

        Raises:
            OutputError: a run was stopped here and `resume` was not said, or it had other settings; or the folder
                holds something else.
        """
        head = self.folder / HEAD
        text = json.dumps(self.settings, sort_keys=True, indent=2) + "\n"
        if not head.exists():
            self._refuse_anything_else()
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(head, text)
        elif not resume:
            raise OutputError(
                f"{self.folder} holds the finished arms of a run that was stopped",
                "Add --resume to resume it, or remove the folder",
            )
        elif head.read_bytes() != text.encode():
            changed = _changed(_settings_in(head), self.settings)
            raise OutputError(
                f"The stopped run in {self.folder} had another {changed}",
                "Resume with the same options and inputs, or remove the folder",
            )

    @contextmanager
    def opened(self, *, resume: bool) -> Iterator[None]:
        """Open it; where the block raises before anything was finished, or made of an arm, leave nothing."""
        self.open(resume=resume)
        try:
            yield
        except BaseException:
            made = [path.name for path in self.folder.glob("*.json") if path.name != HEAD]
            if not made and not (self.folder / PARTS).exists():
                self.remove()
            raise

    def find(self, arm: str, seed: int) -> Finished | None:
        """Return a job's result, if it was finished.

        Raises:
            OutputError: its file is damaged, or was changed since.
        """
        path = self.path(arm, seed)
        if not path.exists():
            return None
        try:
            if path.with_suffix(DIGEST).read_bytes().decode() != file_digest(path):
                raise ValueError
            return Finished.model_validate_json(path.read_bytes())
        except (OSError, ValueError):
            raise OutputError(
                f"{path} is damaged", "Remove that file and add --resume; its arm is run again"
            ) from None

    def keep(self, finished: Finished) -> None:
        """Write a job's result and its digest, whole or not at all."""
        text = finished.model_dump_json(exclude_computed_fields=True)
        path = self.path(finished.run.arm, finished.run.seed)
        _write(path.with_suffix(DIGEST), hashlib.sha256(text.encode()).hexdigest())
        _write(path, text)

    def remove(self) -> None:
        """Remove all results: the run has ended. What others have put into the folder stays."""
        if not self.folder.is_dir():
            return
        # The settings go after what they are of, and then what says that the run has ended: it may be killed here.
        for path in sorted(self.folder.iterdir(), key=lambda path: path.name == HEAD):
            if path.name == SUPPLIED:
                shutil.rmtree(path, ignore_errors=True)
            elif _OURS.fullmatch(path.name):
                path.unlink(missing_ok=True)
        KeptWork(folder=self.folder / PARTS).remove()
        with suppress(OSError):
            self.folder.rmdir()

    def _refuse_anything_else(self) -> None:
        """Refuse a folder that holds something else: it is removed in the end."""
        if not self.folder.exists():
            return
        if not self.folder.is_dir() or any(
            path.suffix != ".partial" and path.name != PARTS for path in self.folder.iterdir()
        ):
            raise OutputError(
                f"{self.folder}, where finished arms are kept, holds something else",
                "Move it away, or name another --output",
            )

    def path(self, arm: str, seed: int) -> Path:
        """Return the path of a job's result."""
        return self.folder / f"{arm}-{seed}.json"

    def steps(self, arm: str, seed: int) -> Path:
        """Return the path of the file that says how far a job is."""
        return self.folder / f"{arm}-{seed}.steps.partial"


def _write(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8", newline="\n")
    partial.replace(path)


def _settings_in(head: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(head.read_text(encoding="utf-8")))
    except (ValueError, TypeError, RecursionError):
        raise OutputError(f"{head} is damaged", "Remove its folder and begin from scratch") from None


def _changed(before: dict[str, Any], now: dict[str, Any]) -> str:
    names = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return ", ".join(names)


def run_all(
    first: Job,
    arms: Sequence[str],
    seeds: Sequence[int],
    ledger: Ledger,
    progress: Callable[[Finished], None],
    on_steps: Callable[[int], None] = lambda _: None,
) -> list[Finished]:
    """Run what is not finished; return all, by seed and in the order of `arms`.

    Args:
        first: what all jobs have in common.
        arms: names, the reference among them.
        seeds: seeds of each arm.
        ledger: ledger that keeps results.
        progress: function called with each result.
        on_steps: function called with the number of steps done since, of `STEPS` each job.
    """
    done: dict[tuple[str, int], Finished] = {}
    counter = StepCounter(on_steps)
    for seed in seeds:
        for arm in arms:
            if found := ledger.find(arm, seed):
                done[arm, seed] = found
                counter.end(ledger.steps(arm, seed))
                progress(found)
    jobs = [
        replace(
            first,
            arm=arm,
            seed=seed,
            reference=None if arm == REFERENCE else ledger.path(REFERENCE, seed),
            steps=ledger.steps(arm, seed),
        )
        for arm, seed in in_order(arms, seeds)
        if (arm, seed) not in done
    ]
    with _pool(first.processes) as submit:
        waiting = {submit(job) for job in jobs}
        while waiting:
            ended, waiting = wait(waiting, timeout=LOOK_S, return_when=FIRST_COMPLETED)
            for job in jobs:
                counter.look(ledger.steps(job.arm, job.seed))
            # What ended well is kept before a failure ends the run.
            for future in sorted(ended, key=lambda one: one.exception() is not None):
                finished = _result(future)
                ledger.keep(finished)
                # As a run that is resumed finds it.
                finished = ledger.find(finished.run.arm, finished.run.seed) or finished
                done[finished.run.arm, finished.run.seed] = finished
                counter.end(ledger.steps(finished.run.arm, finished.run.seed))
                progress(finished)
    return [done[arm, seed] for seed in seeds for arm in arms]


def in_order(arms: Sequence[str], seeds: Sequence[int]) -> list[tuple[str, int]]:
    """Order arms and seeds as they are to begin: a job that waits then has what it waits for running or done."""
    others = sorted(
        (arm for arm in arms if arm != REFERENCE), key=lambda arm: LONG_FIRST.index(METHODS[arm].family)
    )
    return [(REFERENCE, seed) for seed in seeds] + [(arm, seed) for seed in seeds for arm in others]


def _result(future: "Future[Finished]") -> Finished:
    """Return what a job found.

    Raises:
        ModelError: its process was killed.
    """
    try:
        return future.result()
    except BrokenProcessPool:
        raise ModelError(
            "A process that ran an arm was killed, most likely because memory ran out",
            "Run fewer at a time with --parallel, and resume with --resume",
        ) from None


Submit = Callable[[Job], "Future[Finished]"]


@contextmanager
def _pool(processes: int) -> Iterator[Submit]:
    with worker_pool(processes) as pool:
        yield lambda job: pool.submit(run_job, job)


def digest(parts: Sequence[object]) -> str:
    """Return a short name of some inputs: equal for equal ones, telling nothing of them."""
    return hashlib.sha256(json.dumps([str(part) for part in parts]).encode()).hexdigest()[:16]
