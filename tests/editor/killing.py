"""Runs that are killed: each in a process of its own, by SIGKILL when it is about to make a change of its folder.

A change is a file opened to write, a folder made, something renamed or removed, and has a name: what is done to which
path. A run that is resumed makes the changes that are still to be made under the same names. So a run is always killed
at the same place, and places lie before, between and after everything that it writes.
"""

import hashlib
import json
import os
import re
import signal
import sys
import time
from collections import Counter
from pathlib import Path

CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
DRAWN = re.compile(r"-[0-9a-f]{8}(?![0-9a-f])")
"""Part of a name that is drawn anew in every run."""
KILLED = -signal.SIGKILL
BROKEN = 70
"""Exit code of a run that raised something."""
TELLS_WHEN = {
    *("manifest.json", "statement.json", "bom.json", "report.html", "model_card.md", "summary.md"),
    *("costs.json", "comparison.html"),
}
"""Files that tell when their run was, or how long it took."""


class Watch:
    """Names the changes of a folder in this process, and kills it before one of them."""

    def __init__(self):
        self.begin(None)
        sys.addaudithook(self._heard)

    def begin(self, folder, kill_at=None):
        """Listen from now on; a relative path is one in the folder that is worked in."""
        self._inside, self._kill_at, self.changes = f"{folder}{os.sep}", kill_at, []

    def named(self, job, folder):
        """Run a job in a folder, in this process, and return the names of its changes, in turn."""
        before = Path.cwd()
        os.chdir(folder)
        self.begin(folder)
        try:
            job()
            return self.changes
        finally:
            self.begin(None)
            os.chdir(before)

    def _heard(self, event, args):
        changed = event in CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & WRITING)
        if not changed or not isinstance(args[0], str | Path):
            return
        path = str(Path(args[0]).absolute())
        if path.startswith(self._inside):
            name = f"{event} {DRAWN.sub('-*', path.removeprefix(self._inside))}"
            self.changes.append(name)
            if name == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)


def run(job, folder, watch, kill_at=None, *, after=None):
    """Run a job by a fork of this process, in a folder, and return its exit code.

    It is killed before the change of a name, or so many seconds after it began.
    """
    sys.stdout.flush()
    child = os.fork()
    if not child:
        code = BROKEN
        try:
            os.chdir(folder)
            watch.begin(folder, kill_at)
            code = job()
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(code)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)  # one that has ended is still to be waited for
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def spread(changes, places):
    """So many changes, in turn and evenly from the first to the last, of those that a run makes once."""
    once = [name for name, times in Counter(changes).items() if times == 1]
    return [once[(len(once) - 1) * place // (places - 1)] for place in range(places)]


def contents(folder):
    """What a folder holds besides times, by name: the files' digests."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in TELLS_WHEN
    }


def unsound(output):
    """Names of files of an output that are not what its manifest says."""
    listed = json.loads((output / "manifest.json").read_bytes())["files"]
    return [
        name
        for name, about in listed.items()
        if hashlib.sha256((output / name).read_bytes()).hexdigest() != about["sha256"]
    ]
