"""Expunge as others come to it: a clean clone, and its package in an environment where nothing else of it is.

What Expunge needs is borrowed from this environment. What builds it comes from a package index.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[1]


def plain():
    """The variables of this process, without those that lead Python and pytest here."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}


def ran(*command, cwd):
    """Run a program as a user would, and return what it prints."""
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=plain(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def tracked_files():
    return ran("git", "ls-files", cwd=ROOT).splitlines()


def copy_tracked(folder):
    """Write the tracked files into a folder, as a clone has them, and return it."""
    for name in tracked_files():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, path)
    return folder


def environment(folder):
    """Make an empty environment, and return its Python."""
    ran(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    return folder / "bin" / "python"


def borrow(python, folder):
    """Let an environment have what is installed here, but for Expunge; return its own folder of packages."""
    folder.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "expunge" not in path.name:
            (folder / path.name).symlink_to(path)
    asked = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(ran(python, "-c", asked, cwd=folder).strip())
    (site / "borrowed.pth").write_text(f"{folder}\n")
    return site
