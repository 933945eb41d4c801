"""Every error a user can cause, each with its cause and its remedy.

Only the command line turns these into a message and an exit code; the library raises them.
Messages never carry personal data: they name files, keys, line numbers and masked facts.
"""

import re
from enum import IntEnum

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Return a text on one line, with what a terminal or a log would obey written out: ESC as `\x1b`.

    These are control characters, ends of lines, characters that turn the direction of writing, and bytes of file
    names that are no characters.
    """
    return _UNPRINTABLE.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


class ExitCode(IntEnum):
    """The exit code of a command, the same in every output format."""

    MET = 0
    LEAKAGE = 1
    USAGE = 2
    UTILITY = 3
    INCOMPLETE = 4
    INTERNAL = 5


class ExpungeError(Exception):
    """An error whose cause and remedy are known.

    Args:
        cause: sentence on what is wrong and where, without its full stop.
        remedy: sentence on what the user can do about it, without its full stop.

    What of either a terminal would obey, such as an escape in the name of a folder, is written out.

    Attributes:
        exit_code: the exit code of a command that ends with this error.
    """

    exit_code = ExitCode.USAGE

    def __init__(self, cause: str, remedy: str) -> None:
        self.cause = printable(cause)
        self.remedy = printable(remedy)
        super().__init__(f"{self.cause}. {self.remedy}.")

    def __reduce__(self) -> "tuple[type[ExpungeError], tuple[str, str]]":
        """Pickle as cause and remedy, so that errors come back whole from another process."""
        return type(self), (self.cause, self.remedy)


class PolicyError(ExpungeError):
    """A policy or an erasure request that cannot be used."""


class CorpusError(ExpungeError):
    """A corpus, facts or probes file that cannot be read."""


class SubjectError(ExpungeError):
    """A data subject about whom nothing was found."""


class ModelError(ExpungeError):
    """A model folder or name that is not a usable causal language model."""


class HubError(ExpungeError):
    """A hub that cannot be reached, or that does not take what is uploaded."""


class DictionaryError(ExpungeError):
    """A dictionary that is damaged or does not fit the model."""


class OutputError(ExpungeError):
    """An output folder that cannot be written, or that would disclose a secret."""


class EditError(ExpungeError):
    """An edit that cannot be fitted, loaded, applied or reverted."""


class RequestError(ExpungeError):
    """What was asked for contradicts itself, or leaves out what is needed."""
