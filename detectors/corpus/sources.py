"""Files of a corpus as UTF-8 with line feeds, whatever they are packed and written in."""

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from policies.errors import CorpusError

SAMPLE_BYTES = 1 << 20
"""Bytes at a file's beginning that tell how it is written."""
GUESSED_UTF_16 = "read as UTF-16, which the file does not say"
CARRIAGE_RETURNS = "read with lone carriage returns as line ends"
TORN = "incompletely scanned: the compressed file is damaged, and its rest was not read"

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_TEXT = (b"%PDF-", b"PK\x03\x04", b"{\\rtf")
_BLOCK = 1 << 16
_LEAST_PAIRS = 8


def _open_zstandard(path: Path) -> IO[bytes]:
    try:
        import pyarrow
    except ImportError:
        raise CorpusError(
            f"{path} is packed with Zstandard, and pyarrow is not installed",
            "Install it with `pip install 'expunge[parquet]'`, or unpack the file",
        ) from None
    return pyarrow.input_stream(str(path), compression="zstd")  # type: ignore[no-any-return]


PACKED: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _open_zstandard,
}
"""How a packed file is opened, by the suffix of its name."""


class Source:
    """A file of a corpus, to be read once.

    Attributes:
        path: path of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._problems: list[str] = []

    @property
    def suffix(self) -> str:
        """The suffix that tells the kind of the file, in lower case; what it is packed in is left out."""
        name = self.path.stem if self.is_packed else self.path.name
        return Path(name).suffix.lower()

    @property
    def is_packed(self) -> bool:
        """Whether the file is compressed."""
        return self.path.suffix.lower() in PACKED

    def open(self) -> io.BufferedReader:
        """Open the file as UTF-8 with line feeds. The caller closes it.

        Bytes that are not UTF-8 come through as they are, where the file is in no other encoding.

        Raises:
            OSError: the file cannot be opened.
            CorpusError: what reads its compression is not installed.
        """
        return io.BufferedReader(_Blocks(_open_bytes(self.path), self.is_packed, self._problems), _BLOCK)

    def take_problems(self) -> tuple[str, ...]:
        """Return what was guessed, or not read, of the file as a whole since the last call."""
        problems = tuple(self._problems)
        self._problems.clear()
        return problems

    def is_binary(self) -> bool:
        """Return whether the file's beginning holds no text."""
        with _open_bytes(self.path) as stream:
            try:
                sample = stream.read(_BLOCK)
            except (EOFError, zlib.error, lzma.LZMAError, OSError, ValueError):
                return True
        return sample.startswith(_NO_TEXT) or (b"\0" in sample and _encoding(sample) is None)


def _open_bytes(path: Path) -> Any:
    opened = PACKED.get(path.suffix.lower())
    return opened(path) if opened else path.open("rb", buffering=0)


class _Blocks(io.RawIOBase):
    def __init__(self, stream: Any, packed: bool, problems: list[str]) -> None:
        self._problems = problems
        self._stream = stream
        # A read of as much as there is: what comes before damage is not lost with it.
        self._take = getattr(stream, "read1", stream.read)
        self._packed = packed
        self._torn = False
        self._waiting = b""
        sample = b""
        while len(sample) < SAMPLE_BYTES and (block := self._read(SAMPLE_BYTES - len(sample))):
            sample += block
        encoding = _encoding(sample)
        self._decoder = codecs.getincrementaldecoder(encoding)("replace") if encoding else None
        if encoding and encoding.endswith(("-le", "-be")):
            self._problems.append(GUESSED_UTF_16)
        self._returns = False
        self._waiting = self._recoded(sample, final=not sample)
        if b"\n" not in self._waiting and b"\r" in self._waiting.rstrip(b"\r"):
            self._returns = True
            self._problems.append(CARRIAGE_RETURNS)
            self._waiting = self._waiting.replace(b"\r", b"\n")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._waiting:
            block = self._read(_BLOCK)
            self._waiting = self._recoded(block, final=not block)
            if not block:
                break
        count = min(len(buffer), len(self._waiting))
        buffer[:count], self._waiting = self._waiting[:count], self._waiting[count:]
        return count

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()

    def _read(self, count: int) -> bytes:
        try:
            return bytes(self._take(count) or b"")
        except (EOFError, zlib.error, lzma.LZMAError, OSError, ValueError):
            if not self._packed:
                raise
            if not self._torn:
                self._problems.append(TORN)
            self._torn = True
            return b""

    def _recoded(self, block: bytes, *, final: bool) -> bytes:
        if self._decoder is not None:
            block = self._decoder.decode(block, final).encode("utf-8", "replace")
        return block.replace(b"\r", b"\n") if self._returns else block


def _encoding(sample: bytes) -> str | None:
    """Return the encoding that a file's beginning says or shows; None for UTF-8 and what is like ASCII."""
    for mark, encoding in _BOMS:
        if sample.startswith(mark):
            return encoding
    pairs = len(sample) // 2
    even, odd = (sample[start : 2 * pairs : 2].count(0) for start in (0, 1))
    if pairs >= _LEAST_PAIRS and 2 * max(even, odd) > pairs and 20 * min(even, odd) < pairs:
        return "utf-16-le" if odd > even else "utf-16-be"
    return None
