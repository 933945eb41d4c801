"""What the machine refuses is told by its cause, and nothing that a message quotes acts on a terminal."""

import errno
import pickle

import pytest

from policies.errors import ExitCode, PolicyError, printable
from policies.faults import explain, find_fault


class OutOfMemoryError(RuntimeError):
    pass


def chained(error):
    wrapped = RuntimeError("writing failed")
    wrapped.__cause__ = error
    return wrapped


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "The disk is full"),
        (chained(OSError(errno.EDQUOT, "Disk quota exceeded")), "The disk is full"),
        (RuntimeError('IoError(Os { code: 28, kind: StorageFull, message: "x" })'), "The disk is full"),
        (MemoryError(), "Memory ran out"),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate"), "Memory ran out"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/a/b"),
            "The file /a/b may not be read or written",
        ),
        (OSError(errno.EROFS, "Read-only file system"), "The file may not be read or written"),
    ],
)
def test_faults(error, cause):
    found = find_fault(error)
    assert found is not None
    assert found.cause.startswith(cause)
    assert found.remedy


@pytest.mark.parametrize(
    "error",
    [
        ValueError("code: 280"),
        ValueError("out of memory"),
        RuntimeError("shapes differ"),
        KeyError("x"),
        FileNotFoundError(2, "No such file"),
    ],
)
def test_other_errors_are_no_faults_of_the_machine(error):
    assert find_fault(error) is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\r\nexpunge: all facts erased", "a\\x0d\\x0aexpunge: all facts erased"),
        ("abc\u202ecba", "abc\\u202ecba"),
        ("caf\udce9", "caf\\udce9"),
        ("\x9b31m", "\\x9b31m"),
        ("Zoë 语 ‖ΔW‖", "Zoë 语 ‖ΔW‖"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text, shown):
    assert printable(text) == shown
    error = PolicyError(f"There is no {text}", f"Give another than {text}")
    assert shown in error.cause
    assert shown in error.remedy
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301


def raised(error):
    """An error with the place that it was raised at."""
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "code", "cause", "remedy"),
    [
        (
            PolicyError("There is no policy x", "Give another"),
            ExitCode.USAGE,
            "There is no policy x",
            "Give another",
        ),
        (KeyboardInterrupt(), ExitCode.INCOMPLETE, "Stopped", "Nothing was written"),
        (OSError(errno.ENOSPC, "No space"), ExitCode.USAGE, "The disk is full", "Free some space"),
        (
            ValueError("415-555-0132"),
            ExitCode.INTERNAL,
            f"Internal error: ValueError in {__name__}:",
            "a defect",
        ),
    ],
)
def test_what_is_said_of_an_error(error, code, cause, remedy):
    said = explain(raised(error))
    assert said.code == code
    assert said.cause.startswith(cause)
    assert remedy in said.remedy
    assert "415" not in f"{said.cause}{said.remedy}"


def test_an_error_that_was_never_raised_has_no_place():
    assert explain(ValueError("x")).cause == "Internal error: ValueError in ?"
