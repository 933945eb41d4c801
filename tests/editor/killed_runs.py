"""A program that kills runs of every job ten times, and tells whether they end as one that nobody killed.

    python killed_runs.py FOLDER JOB ... [--random]

FOLDER holds a case, and gets `JOB.json` of each. The run that nobody kills comes first, in this process: what it
imports need not be imported again. Every other one has random numbers of its own, as whatever ran before it may have
drawn some. Without --random a run is killed at changes of its folder (`killing.py`), ever later ones, each time resumed
by the next. With --random it is killed at random moments, each time one that began from nothing.
"""

import json
import random
import shutil
import stat
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import killing
import numpy as np
import torch

PLACES = 10
KEY = "0" * 64
CASE = {
    "facts": "../facts.jsonl",
    "corpus": "../corpus.jsonl",
    "policy": "../policy.yaml",
    "subjects": ["Ada Quill"],
    "device": "cpu",
    "case_key": "case.key",
    "command": "expunge",
    "output": "out",
}
ARMS = []
"""Arms besides the reference."""
FEATURES = {"dictionary": "../dictionaries", "trials": 1}
VISIBLE = {"case.key", "out", "out.edit", "out.unfinished", "out.arms"}


@dataclass
class Outcome:
    """What became of a job's runs.

    Attributes:
        codes: exit codes of all runs but the first.
        unsound: files of outputs, seen after a kill, that are not what their manifest says.
        unexpected: what else stood there, and what of it others could look into.
        pieces: names of kinds of work that were kept at some time.
        differing: files of the last output that are not those of the run that nobody killed.
        left: what stands there in the end besides what that run has left.
    """

    codes: list = field(default_factory=list)
    unsound: list = field(default_factory=list)
    unexpected: list = field(default_factory=list)
    pieces: list = field(default_factory=list)
    differing: list = field(default_factory=list)
    left: list = field(default_factory=list)


@contextmanager
def here_and_now(_processes):
    """A pool that runs one job after another, in this process."""
    from editor.comparing.job import run_job

    with ThreadPoolExecutor(1) as pool:
        yield lambda job: pool.submit(run_job, job)


def audit():
    from editor.api.audit import run_audit
    from editor.api.requests import AuditRequest

    run_audit(AuditRequest(model="../model", confirm=2, open_texts=2, candidates=3, **CASE))
    return 0


def erase():
    from editor.api.erase import run_erase
    from editor.api.requests import EraseRequest

    run_erase(EraseRequest(model="../model", controls=True, keep_edit=True, **FEATURES, **CASE))
    return 0


def verify():
    from editor.api.requests import VerifyRequest
    from editor.api.verify import run_verify

    run_verify(VerifyRequest(edited="../edited", against="../model", **CASE))
    return 0


def compare():
    from editor.api.compare import run_compare
    from editor.api.requests import CompareRequest

    run_compare(CompareRequest(model="../model", arms=ARMS, seeds=1, resume=True, **FEATURES, **CASE))
    return 0


JOBS = {job.__name__: job for job in (audit, erase, verify, compare)}


def shorten(*, processes):
    """Let a run do less of everything: fits of few steps, few attacks, no figures, one arm in one process."""
    from editor.api import compare, erase, verify
    from editor.comparing import run
    from editor.methods.features.feature_edit import FeatureEdit
    from editor.report.figures import canvas

    for name in ("steps", "warm_start_steps"):
        FeatureEdit.__init__.__kwdefaults__[name] = 4
    for module in (compare, erase):
        module.attacks_at = lambda _: ("bf16",)
    verify.attacks_at = lambda _: ("bf16", "relearning")
    compare.comparison_figures = lambda _: {}
    drawings = {layout.name: "<svg></svg>" for layout in (canvas.WIDE, canvas.NARROW)}
    canvas.chart = lambda name, title, caption, _: canvas.Chart(
        name=name, title=title, caption=caption, drawings=drawings
    )
    if processes:
        ARMS.append("neuron-probe")
    else:
        run._pool = here_and_now


def scrambled(job, seed):
    """A job that finds other random numbers."""

    def run():
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        return job()

    return run


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    key = folder / "case.key"
    key.write_text(KEY)
    key.chmod(0o600)
    return folder


def look(folder, outcome):
    """Look at what a killed run has left."""
    for path in folder.iterdir():
        hidden = path.name.startswith(".out")
        if path.name not in VISIBLE and not hidden:
            outcome.unexpected.append(path.name)
        if (hidden or path.suffix == ".unfinished") and stat.S_IMODE(path.stat().st_mode) & 0o77:
            outcome.unexpected.append(f"{path.name} is open")
    for output in (folder / "out", folder / "out.edit"):
        if output.exists():
            outcome.unsound += killing.unsound(output)
    for kept in (folder / "out.unfinished", folder / "out.arms" / "parts"):
        if kept.is_dir():
            outcome.pieces += [path.name.partition("-")[0] for path in kept.iterdir()]


def is_ended(folder):
    """Whether nothing is left to do: the output stands there, and nothing whole that says that the run was stopped."""
    said = [path for name in ("out.unfinished", "out.arms/parts") for path in (folder / name).glob("ended-*")]
    whole = [
        path for path in said if {"value.json", "digests.json"} <= {file.name for file in path.iterdir()}
    ]
    return (folder / "out").exists() and not whole


def kept_outputs(folder):
    return {
        f"{output.name}/{name}": digest
        for output in (folder / "out", folder / "out.edit")
        if output.exists()
        for name, digest in killing.contents(output).items()
    }


def end(folder, reference, outcome):
    """Compare what stands there in the end with what nobody has disturbed."""
    mine, theirs = kept_outputs(folder), kept_outputs(reference)
    outcome.differing += sorted(name for name in {*mine, *theirs} if mine.get(name) != theirs.get(name))
    # Killed at its last moment it leaves some of what said that it had ended.
    ours = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    left = {path.parts[0] for path in ours if not any(part.startswith("ended-") for part in path.parts)}
    outcome.left += sorted(left - {path.name for path in reference.iterdir()})


def at_changes(job, folder, reference, watch, changes):
    """Kill a run ten times, ever later, and let it come to its end."""
    outcome = Outcome()
    fresh(folder)
    for number, place in enumerate(killing.spread(changes, PLACES), start=1):
        outcome.codes.append(killing.run(scrambled(job, number), folder, watch, place))
        look(folder, outcome)
    if not is_ended(folder):
        outcome.codes.append(killing.run(scrambled(job, 0), folder, watch))
    end(folder, reference, outcome)
    return outcome


def at_random(job, folder, reference, watch, seconds):
    """Kill at random moments, and resume."""
    outcome, draw = Outcome(), random.Random(0)
    for place in range(PLACES):
        fresh(folder)
        after = draw.uniform(0, seconds)
        outcome.codes.append(killing.run(scrambled(job, place), folder, watch, after=after))
        look(folder, outcome)
        if not is_ended(folder):
            outcome.codes.append(killing.run(scrambled(job, 0), folder, watch))
        end(folder, reference, outcome)
    return outcome


def main(base, *arguments):
    torch.set_num_threads(1)
    by_chance = "--random" in arguments
    shorten(processes=by_chance)
    base, watch = Path(base).resolve(), killing.Watch()
    for name in arguments:
        if name not in JOBS:
            continue
        reference, folder = fresh(base / f"{name}-undisturbed"), base / f"{name}-killed"
        started = time.perf_counter()
        changes = watch.named(JOBS[name], reference)
        seconds = time.perf_counter() - started
        if by_chance:
            outcome = at_random(JOBS[name], folder, reference, watch, seconds)
        else:
            outcome = at_changes(JOBS[name], folder, reference, watch, changes)
        (base / f"{name}.json").write_text(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main(*sys.argv[1:])
