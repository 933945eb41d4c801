"""Which tests one of several processes runs, and in which order they are handed out.

A process runs the tests of a file, which share what the file makes; and those of a folder whose files share what takes
long to make. What takes longest comes first: then no process waits for another's last file.
"""

import pytest

TOGETHER = ("tests/editor/attestation/",)
LONGEST = (
    "tests/editor/test_lab_erase.py",
    "tests/editor/attestation/",
    "tests/test_contributing.py",
)
"""Beginnings of paths. Of what is not among them no file takes more than half a minute."""


def place(nodeid):
    """Return where a test stands among those that take longest; after them where it is none."""
    return next((at for at, path in enumerate(LONGEST) if nodeid.startswith(path)), len(LONGEST))


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: place(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Hand out files, and folders of `TOGETHER`."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class ByWhatIsShared(LoadFileScheduling):
        def _split_scope(self, nodeid):
            folder = next((path for path in TOGETHER if nodeid.startswith(path)), None)
            return folder or super()._split_scope(nodeid)

    return ByWhatIsShared(config, log)
