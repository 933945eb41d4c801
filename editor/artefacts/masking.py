"""Names of facts and subjects in artefacts: labels by a keyed hash, and classes of lengths.

Artefacts never carry personal data. A fact is named by its type and eight hexadecimal digits of a keyed hash,
so that the holder of the case key can find it again and nobody else can. Without the key, trying every phone
number against a label is hopeless; once the key is destroyed, the labels mean nothing to anyone.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
from pathlib import Path
from typing import Self

from detectors.fact import NOBODY, Fact
from editor.questions.probes import Target
from policies.errors import OutputError

UNNAMED = "a person not named"
"""Name in artefacts of whoever a fact is about that nothing links to a data subject."""
KEY_BYTES = 32
LABEL_DIGITS = 8
LABEL = re.compile(rf"\b(?:[A-Z][A-Z0-9_]*|subject|case) [0-9a-f]{{{LABEL_DIGITS}}}\b")
"""Pattern of a label."""
LENGTH_CLASSES = (4, 8, 16, 32, 64)
"""Largest length of each class, in characters."""


class CaseKey:
    """Secret key of one case. Keep it apart from the output; destroy it when the case is closed.

    Args:
        secret: 32 random bytes.
        path: the path that the key is stored at or `store` writes it to, None for a key in memory alone.

    Raises:
        ValueError: the secret has another length.
    """

    def __init__(self, secret: bytes, path: Path | None = None) -> None:
        if len(secret) != KEY_BYTES:
            raise ValueError(f"a case key has {KEY_BYTES} bytes")
        self._secret: bytes | None = bytes(secret)
        self._path = path

    @classmethod
    def generate(cls) -> Self:
        """Return a new key that is stored nowhere."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def load_or_generate(cls, path: Path | str) -> Self:
        """Read the key at `path`; where there is none, make one in memory that `store` writes there.

        Raises:
            OutputError: the file is not a case key, others may read it, or none could be written to `path`.
        """
        path = Path(path)
        if path.exists():
            return cls._load(path)
        above = next(folder for folder in path.absolute().parents if folder.exists())
        if not (above.is_dir() and os.access(above, os.W_OK)):
            raise _unwritable(path, f"{above} is no folder that you may write to")
        return cls(secrets.token_bytes(KEY_BYTES), path)

    def store(self) -> None:
        """Write the key to its path, readable by its owner alone (mode 0600), if it is not there yet.

        Raises:
            OutputError: it cannot be written, another key stands there by now, or this one was destroyed.
        """
        secret, path = self._known(), self._path
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            self._refuse_another(path)
            return
        except OSError as error:
            raise _unwritable(path, error.strerror) from None
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secret.hex() + "\n")

    def _refuse_another(self, path: Path) -> None:
        """Refuse another key at the path: labels under a key that is stored nowhere could never be resolved again."""
        if not path.is_file():
            raise _unwritable(path, "something else stands there")
        if self._load(path)._known() != self._known():
            raise OutputError(f"{path} holds the key of another run by now", "Run again")

    @classmethod
    def _load(cls, path: Path) -> Self:
        remedy = "Name the file that an earlier run of the case wrote, or a new path"
        return cls(read_key_bytes(path, "case key", remedy), path)

    def fact_label(self, fact: Fact) -> str:
        """Name a fact without disclosing it: 'PHONE_NUMBER 7be1c2a4', the same for the same key and fact.

        Raises:
            OutputError: the key was destroyed.
        """
        return self._label(fact.subject, fact.entity_type, fact.secret)

    def label(self, target: Target) -> str:
        """Name the fact that a probe asks for as `fact_label` names it where it was found.

        Raises:
            OutputError: the key was destroyed.
        """
        return self._label(target.subject, target.relation, target.answer)

    def subject_label(self, name: str) -> str:
        """Name a data subject without disclosing who it is: 'subject 5a01b2c3'; `UNNAMED` where nobody knows.

        Raises:
            OutputError: the key was destroyed.
        """
        return UNNAMED if name == NOBODY else f"subject {self._digits('subject', name)}"

    def case_label(self, name: str) -> str:
        """Name a case without disclosing what it is called: 'case 5a01b2c3'."""
        return f"case {self._digits('case', name)}"

    def digest(self, kind: str, data: bytes) -> str:
        """Return the keyed hash of an input of the case, in hexadecimal: a plain one of a few secrets could be guessed.

        Args:
            kind: what it is, such as 'probes'; the same bytes as another kind have another hash.
            data: the bytes.

        Raises:
            OutputError: the key was destroyed.
        """
        return hmac.new(self._known(), kind.encode() + b"\0" + data, hashlib.sha256).hexdigest()

    def destroy(self) -> None:
        """Overwrite and remove the stored key and forget it: its labels can never be resolved again.

        Overwriting does not reach copies in backups, snapshots or the spare blocks of flash storage.
        """
        self._secret = None
        if self._path is None or not self._path.exists():
            return
        with self._path.open("r+b") as stream:
            stream.write(secrets.token_bytes(self._path.stat().st_size))
            stream.flush()
            os.fsync(stream.fileno())
        self._path.unlink()

    def _label(self, subject: str, entity_type: str, secret: str) -> str:
        return f"{entity_type} {self._digits('fact', subject, entity_type, secret)}"

    def _digits(self, *parts: str) -> str:
        message = json.dumps(parts).encode()  # unambiguous: ("ab", "c") and ("a", "bc") differ
        return hmac.new(self._known(), message, hashlib.sha256).hexdigest()[:LABEL_DIGITS]

    def _known(self) -> bytes:
        if self._secret is None:
            raise OutputError("The case key was destroyed", "Start a new case with a new key")
        return self._secret

    def __repr__(self) -> str:
        return f"CaseKey({'destroyed' if self._secret is None else '********'})"


def _unwritable(path: Path, reason: str | None) -> OutputError:
    return OutputError(
        f"The case key cannot be written to {path} ({reason})",
        "Name a path in a folder that you may write to",
    )


def read_key_bytes(path: Path, kind: str, remedy: str) -> bytes:
    """Read a key of 32 bytes, written in hexadecimal, that its owner alone may read.

    Args:
        path: the file.
        kind: what the key is, for messages: "case key".
        remedy: what to do where the file holds none.

    Raises:
        OutputError: the file holds no key, or others may read it.
    """
    try:
        others_may_read = path.stat().st_mode & 0o077
        secret = bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        secret, others_may_read = b"", 0
    if len(secret) != KEY_BYTES:
        raise OutputError(f"{path} is not a readable {kind}", remedy)
    if others_may_read and os.name == "posix":
        raise OutputError(f"Others may read the {kind} {path}", f"Run `chmod 600 {path}`")
    return secret


def length_class(secret: str) -> str:
    """Return the length of a secret, coarsely: '9-16 characters'. Classes end at 4, 8, 16, 32 and 64."""
    start = 1
    for end in LENGTH_CLASSES:
        if len(secret) <= end:
            return f"{start}-{end} characters"
        start = end + 1
    return f"over {LENGTH_CLASSES[-1]} characters"
