"""Encrypted files: AES-256-GCM in chunks, under a key from a file or from a passphrase.

A file is `MAGIC`, the length of a header, the header in JSON, and the chunks. Each file has a key of its own, which
HKDF-SHA256 makes of the user's key and the file's random salt; of a passphrase scrypt makes that key first. A chunk's
nonce is its number and whether it is the last; the header is authenticated with each. So a chunk that is changed,
missing, repeated or out of place is found, and so is a changed header.
"""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, Self

from editor.artefacts.masking import read_key_bytes
from policies.errors import EditError, OutputError

MAGIC = b"expunge sealed file\n"
VERSION = 1
CIPHER = "AES-256-GCM"
CHUNK_BYTES = 1 << 20
MOST_CHUNK_BYTES = 1 << 26
MOST_HEADER_BYTES = 1 << 16
TAG_BYTES = 16
SALT_BYTES = 32
SCRYPT = {"n": 1 << 17, "r": 8, "p": 1}
"""Cost of a passphrase: 128 MiB of memory a try."""
MOST_SCRYPT_N = 1 << 20
LEAST_PASSPHRASE = 8
"""Characters of the shortest passphrase that is taken."""
KEY_REMEDY = "Name a file of 64 hexadecimal digits, as `openssl rand -hex 32` makes, which you alone may read"
PASSPHRASE_VARIABLE = "EXPUNGE_ORIGINALS_PASSPHRASE"
"""Environment variable that stands in for a passphrase file."""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """What files are sealed with and opened by.

    Attributes:
        secret: key of 32 bytes, or passphrase.
        kind: which of the two it is.
    """

    secret: bytes = field(repr=False)
    kind: str

    @classmethod
    def given(cls, key: Path | None, passphrase: Path | None) -> Self | None:
        """Read a key or a passphrase file, or the environment variable where neither is named; None without any.

        Raises:
            EditError: `cryptography` is not installed, or a file cannot be read, may be read by others, or holds no
                key or too short a passphrase.
        """
        if key is not None:
            lock = cls(secret=_key(key), kind="key")
        elif passphrase is not None:
            lock = cls(secret=_passphrase(_read(passphrase), str(passphrase)), kind="passphrase")
        elif os.environ.get(PASSPHRASE_VARIABLE):
            text = os.environ[PASSPHRASE_VARIABLE]
            lock = cls(secret=_passphrase(text, f"the variable {PASSPHRASE_VARIABLE}"), kind="passphrase")
        else:
            return None
        _cryptography()
        return lock

    def file_key(self, header: Mapping[str, Any]) -> tuple[bytes, str]:
        """Return a file's key, and what its header shows of it, by which another key is told from a damaged file."""
        kdf = _cryptography()
        salt, secret = bytes.fromhex(header["salt"]), self.secret
        if self.kind == "passphrase":
            cost = header["scrypt"]
            if not 2 <= cost["n"] <= MOST_SCRYPT_N or not 1 <= cost["r"] <= 16 or not 1 <= cost["p"] <= 4:
                raise ValueError
            secret = kdf.Scrypt(salt=salt, length=32, n=cost["n"], r=cost["r"], p=cost["p"]).derive(secret)
        made = kdf.HKDF(kdf.SHA256(), length=40, salt=salt, info=b"expunge sealed file 1").derive(secret)
        return made[:32], made[32:].hex()


class SealedWriter:
    """A stream to write to, of which nothing but what is encrypted reaches the file. Use it in a `with` block.

    Args:
        path: the file.
        lock: what it is sealed with.
        content: what it holds, which is authenticated: a sealed file cannot stand in for another.
    """

    def __init__(self, path: Path, lock: Lock, content: str) -> None:
        header: dict[str, Any] = {
            "version": VERSION,
            "cipher": CIPHER,
            "chunk": CHUNK_BYTES,
            "content": content,
            "lock": lock.kind,
            "salt": secrets.token_bytes(SALT_BYTES).hex(),
        }
        header |= {"scrypt": SCRYPT} if lock.kind == "passphrase" else {}
        key, header["shown"] = lock.file_key(header)
        self._header = json.dumps(header, sort_keys=True).encode()
        self._cipher = _cryptography().AESGCM(key)
        self._waiting, self._chunk = bytearray(), 0
        self._file = path.open("wb")
        self._file.write(MAGIC + len(self._header).to_bytes(4, "little") + self._header)

    def write(self, data: bytes | memoryview) -> None:
        """Take bytes; whole chunks go to the file."""
        with memoryview(data) as view:
            for start in range(0, len(view), CHUNK_BYTES):
                self._waiting += view[start : start + CHUNK_BYTES]
                while (
                    len(self._waiting) > CHUNK_BYTES
                ):  # the last chunk is never empty unless it is the only one
                    self._seal(CHUNK_BYTES, last=False)

    def _seal(self, size: int, *, last: bool) -> None:
        chunk = bytes(self._waiting[:size])
        del self._waiting[:size]
        self._file.write(self._cipher.encrypt(_nonce(self._chunk, last=last), chunk, self._header))
        self._chunk += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._seal(len(self._waiting), last=True)
        finally:
            self._file.close()


class SealedReader:
    """A stream to read a sealed file from; every chunk is checked before a byte of it is given out.

    Args:
        path: the file.
        lock: what it was sealed with.
        content: what it must hold.

    Raises:
        EditError: the file is missing or damaged, or was sealed with something else.
    """

    def __init__(self, path: Path, lock: Lock, content: str) -> None:
        self._path, self._ready, self._chunk = path, bytearray(), 0
        try:
            self._file: IO[bytes] = path.open("rb")
        except OSError:
            raise damaged(path) from None
        try:
            with _found_damage(path):
                self._header, header = self._read_header()
                if header["version"] != VERSION or header["content"] != content:
                    raise ValueError
                self._size = int(header["chunk"]) + TAG_BYTES
                if not TAG_BYTES < self._size <= MOST_CHUNK_BYTES + TAG_BYTES:
                    raise ValueError
                _check_kind(path, header["lock"], lock)
                key, shown = lock.file_key(header)
                if shown != header["shown"]:
                    raise EditError(
                        f"The {lock.kind} does not open {path}",
                        f"Give the {lock.kind} that `erase` was given; without it, revert from the base model (--from)",
                    )
                self._cipher = _cryptography().AESGCM(key)
                self._next = self._file.read(self._size)
        except BaseException:
            self._file.close()
            raise

    def _read_header(self) -> tuple[bytes, dict[str, Any]]:
        if self._file.read(len(MAGIC)) != MAGIC:
            raise ValueError
        raw = self._file.read(min(int.from_bytes(self._file.read(4), "little"), MOST_HEADER_BYTES))
        header: dict[str, Any] = json.loads(raw)
        return raw, header

    def read(self, size: int) -> bytearray:
        """Return the next bytes, `size` of them.

        Raises:
            EditError: a chunk is damaged, or the file ends before.
        """
        while len(self._ready) < size:
            self._open_chunk()
        data = self._ready[:size]
        del self._ready[:size]
        return data

    def finish(self) -> None:
        """Check that nothing is left to read.

        Raises:
            EditError: something is, or the file was cut off after a chunk.
        """
        if self._next or not self._chunk:
            self._open_chunk()
        if self._ready or self._next:
            raise damaged(self._path)

    def _open_chunk(self) -> None:
        sealed, self._next = self._next, self._file.read(self._size)
        nonce = _nonce(self._chunk, last=not self._next)
        try:
            self._ready += self._cipher.decrypt(nonce, sealed, self._header)
        except (_cryptography().InvalidTag, ValueError):
            raise damaged(self._path) from None
        self._chunk += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


@contextmanager
def _found_damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError):
        raise damaged(path) from None


def damaged(path: Path) -> EditError:
    """Return the error of a sealed file that is missing, cut off or changed."""
    return EditError(
        f"{path} is missing or damaged, so the edit cannot be taken back by it",
        "Revert from the base model (--from), or go back to the original checkpoint",
    )


def _check_kind(path: Path, sealed_with: str, lock: Lock) -> None:
    if sealed_with not in ("key", "passphrase"):
        raise ValueError
    if lock.kind != sealed_with:
        option = "--key" if sealed_with == "key" else "--passphrase-file"
        raise EditError(f"{path} was encrypted with a {sealed_with}", f"Give it by {option}")


def _nonce(chunk: int, *, last: bool) -> bytes:
    return chunk.to_bytes(11, "big") + bytes([last])


def _key(path: Path) -> bytes:
    try:
        return read_key_bytes(path, "key of the originals", KEY_REMEDY)
    except OutputError as error:
        raise EditError(error.cause, error.remedy) from None


def _read(path: Path) -> str:
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise EditError(f"Others may read the passphrase file {path}", f"Run `chmod 600 {path}`")
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise EditError(
            f"The passphrase file {path} cannot be read ({type(error).__name__})", "Check the path"
        ) from None


def _passphrase(text: str, source: str) -> bytes:
    if len(text) < LEAST_PASSPHRASE:
        raise EditError(
            f"The passphrase in {source} has fewer than {LEAST_PASSPHRASE} characters", "Choose a longer one"
        )
    return text.encode()


def _cryptography() -> Any:
    """Return what of the package is used.

    Raises:
        EditError: it is not installed.
    """
    try:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF
        from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    except ImportError:
        raise EditError(
            "Encrypted originals need the package cryptography, which is not installed",
            "Run `pip install 'expunge[encrypt]'`",
        ) from None
    return SimpleNamespace(InvalidTag=InvalidTag, AESGCM=AESGCM, SHA256=SHA256, HKDF=HKDF, Scrypt=Scrypt)
