"""A scanner that finds any of many secrets in what is about to be written, however it is spelled."""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from detectors.fact import Fact
from editor.artefacts.masking import LABEL, CaseKey
from policies.errors import OutputError

SIGNIFICANT_CHARACTERS = 6
LOCAL_DIGITS = 9
BITMAP_BITS = 22
HASHED_BYTES = 1 << 20
PIECE_BYTES = 1 << 23
# In a drawing's coordinates, 555.0142 is a place on the page and no phone number.
GEOMETRY = re.compile(
    r'\s(?:d|points|transform|viewBox|[xy][12]?|[cr][xy]?|width|height)="[\d\s.,()+\-%a-zA-Z]*"', re.ASCII
)
HYPHENS = re.compile("[\u2010-\u2015\u2212\ufe58\ufe63]")
INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
SPACES = re.compile(r"\s+")
NUMBER = re.compile(r"[0-9]+")
SEPARATOR = re.compile(r"([ .()/-]{1,3})")
CLUSTER = re.compile(r"(?<![\w])[0-9]+(?:[ .()/-]{1,3}[0-9]+)*(?![\w])")
JSON_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
JSON_CHARACTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


class SecretScanner:
    """Finder of any of many secrets in what is about to be written.

    A secret is found as it stands, in any case and spacing, and under HTML, JSON and URL escapes. A number is also
    found without its separators, with others, or after a country code (123-45-6789, 123456789, 123 45 6789). Time
    grows with the text and not with the number of secrets.

    A number is found only where it stands alone: the digits of 555-0142 inside a longer number, a hash or a
    decimal fraction are chance. Secrets of fewer than six letters and digits occur everywhere by chance and
    are not looked for; `unscannable` names them.

    Args:
        secrets: the secrets, or a mapping from each to the label that an error names it by.
        issued: labels that artefacts carry; their digits are not taken for a secret.
    """

    def __init__(self, secrets: Iterable[str], *, issued: Iterable[str] = ()) -> None:
        labels = secrets if isinstance(secrets, Mapping) else _number(secrets)
        self._issued = frozenset(issued)
        self._exact: dict[bytes, str] = {}
        self._numbers: dict[str, str] = {}
        unscannable: list[str] = []
        for secret, label in labels.items():
            if _significant(secret) < SIGNIFICANT_CHARACTERS:
                unscannable.append(label)
                continue
            self._exact.setdefault(normalise(secret).strip().encode(), label)
            self._numbers.update(dict.fromkeys(_number_forms(secret), label))
        self.unscannable = tuple(unscannable)
        """Labels of the secrets that are too short to be looked for."""
        self._anchors = _Anchors(self._exact)
        self._digits = (min(map(len, self._numbers), default=0), max(map(len, self._numbers), default=0))
        self._overlap = 8 * max(map(len, self._exact), default=0) + 64

    @classmethod
    def from_facts(cls, facts: Iterable[Fact], key: CaseKey, subjects: Iterable[str] = ()) -> Self:
        """Build a scanner for the secrets of `facts` and the names `subjects`, each known by its keyed label."""
        facts = tuple(facts)
        names = {name: key.subject_label(name) for name in subjects}
        issued = {key.subject_label(fact.subject) for fact in facts}.union(names.values())
        labels = names | {fact.secret: key.fact_label(fact) for fact in facts}
        return cls(labels, issued=issued.union(key.fact_label(fact) for fact in facts))

    def find(self, text: str) -> str | None:
        """Return the label of a secret that `text` discloses, None where it discloses none."""
        for view in _views(text):
            plain = normalise(self._drop_chance(view))
            label = self._find_exact(plain.encode()) or self._find_number(plain)
            if label is not None:
                return label
        return None

    def find_in(self, path: Path) -> str | None:
        """Return the label of a secret that a file discloses, None where it discloses none."""
        return next(filter(None, map(self.find, self._pieces(path))), None)

    def check(self, artefact: Path | str, name: str | None = None) -> None:
        """Refuse an artefact that discloses a secret.

        Args:
            artefact: a file, or the text of one.
            name: the name that the error gives it; the file's name by default.

        Raises:
            OutputError: a secret is in it. The error names the artefact and the label, never the secret.
        """
        if isinstance(artefact, Path):
            name = name or artefact.name
            label = self.find_in(artefact)
        else:
            label = self.find(artefact)
        if label is not None:
            raise OutputError(
                f"{name or 'The text'} would disclose {label}, and was not written",
                "Look for it in the case, the paths and the policy; else report it as a defect of Expunge",
            )

    def _pieces(self, path: Path) -> Iterator[str]:
        """Yield the text of a file in overlapping pieces; of a safetensors file the header alone."""
        with path.open("rb") as stream:
            if path.suffix == ".safetensors":
                header_bytes = min(int.from_bytes(stream.read(8), "little"), PIECE_BYTES)
                yield stream.read(header_bytes).decode("utf-8", "replace")
                return
            kept = b""
            while piece := stream.read(PIECE_BYTES):
                yield (kept + piece).decode("utf-8", "replace")
                kept = (kept + piece)[-self._overlap :]

    def _drop_chance(self, text: str) -> str:
        """Remove issued labels and drawings' coordinates, whose digits are chance."""
        text = GEOMETRY.sub(" ", text) if "<svg" in text else text
        if not self._issued:
            return text
        return LABEL.sub(lambda match: " " if match[0] in self._issued else match[0], text)

    def _find_exact(self, data: bytes) -> str | None:
        for start, end in self._anchors.occurrences(data):
            if _stands_alone(data, start, end):
                return self._exact[data[start:end]]
        return None

    def _find_number(self, plain: str) -> str | None:
        shortest, longest = self._digits
        if not self._numbers:
            return None
        for cluster in CLUSTER.finditer(plain):
            if cluster.end() - cluster.start() < shortest:
                continue
            after_plus = plain[cluster.start() - 1 : cluster.start()] == "+"
            for number in _join_runs(cluster[0], longest, after_plus=after_plus):
                if number in self._numbers:
                    return self._numbers[number]
        return None

    def __repr__(self) -> str:
        return f"SecretScanner({len(self._exact)} secrets, {len(self.unscannable)} too short to look for)"


class _Anchors:
    """Finder of any of many byte strings: a bitmap of hashed six-byte beginnings, then exact look-ups."""

    def __init__(self, patterns: Iterable[bytes]) -> None:
        self._patterns = frozenset(patterns)
        lengths: dict[bytes, set[int]] = {}
        for pattern in self._patterns:
            lengths.setdefault(pattern[:SIGNIFICANT_CHARACTERS], set()).add(len(pattern))
        self._lengths = {anchor: tuple(sorted(found)) for anchor, found in lengths.items()}
        self._bitmap = np.zeros(1 << BITMAP_BITS, dtype=bool)
        if self._lengths:
            self._bitmap[_anchor_hashes(b"".join(self._lengths))[::SIGNIFICANT_CHARACTERS]] = True

    def occurrences(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Yield the start and end of every occurrence of every pattern in `data`."""
        if not self._lengths:
            return
        for offset in range(0, len(data), HASHED_BYTES):
            piece = data[offset : offset + HASHED_BYTES + SIGNIFICANT_CHARACTERS - 1]
            for index in np.flatnonzero(self._bitmap[_anchor_hashes(piece)]):
                start = offset + int(index)
                for length in self._lengths.get(data[start : start + SIGNIFICANT_CHARACTERS], ()):
                    if data[start : start + length] in self._patterns:
                        yield start, start + length


def _anchor_hashes(data: bytes) -> NDArray[np.uint64]:
    """Hash the six bytes from each position on, below 2^BITMAP_BITS (multiply-shift)."""
    values = np.frombuffer(data, dtype=np.uint8).astype(np.uint64)
    count = max(len(values) - SIGNIFICANT_CHARACTERS + 1, 0)
    keys = np.zeros(count, dtype=np.uint64)
    for index in range(SIGNIFICANT_CHARACTERS):
        keys = (keys << np.uint64(8)) | values[index : index + count]
    return (keys * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(64 - BITMAP_BITS)


def normalise(text: str) -> str:
    """Return the text in one case, with one kind of hyphen and of space, in Unicode's compatible form (NFKC)."""
    if not text.isascii():
        text = HYPHENS.sub("-", INVISIBLE.sub("", unicodedata.normalize("NFKC", text)))
    return SPACES.sub(" ", text.casefold())


def _views(text: str) -> Iterator[str]:
    """Yield the text as it stands and as a reader of HTML, of JSON, of JSON in HTML and of URLs would see it."""
    seen = {text}
    yield text
    for decode in (html.unescape, _json_unescape, lambda view: _json_unescape(html.unescape(view)), unquote):
        view = decode(text)
        if view not in seen:
            seen.add(view)
            yield view


def _json_unescape(text: str) -> str:
    if "\\" not in text:
        return text
    text = JSON_ESCAPE.sub(_json_character, text)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _json_character(match: re.Match[str]) -> str:
    code = match[1]
    return chr(int(code[1:], 16)) if len(code) > 1 else JSON_CHARACTERS.get(code, code)


def _number(secrets: Iterable[str]) -> dict[str, str]:
    return {secret: f"secret number {number}" for number, secret in enumerate(secrets, start=1)}


def _significant(secret: str) -> int:
    return sum(map(str.isalnum, secret))


def _number_forms(secret: str) -> Iterator[str]:
    """Yield the digits of a secret that is a number, with and without a country code."""
    plain = normalise(secret).strip()
    if any(map(str.isalpha, plain)):
        return
    digits = "".join(NUMBER.findall(plain))
    yield digits
    if plain.startswith("+"):
        yield from (digits[dropped:] for dropped in (1, 2, 3) if len(digits) - dropped >= LOCAL_DIGITS)


def _join_runs(cluster: str, longest: int, *, after_plus: bool) -> Iterator[str]:
    """Yield every number that neighbouring runs of digits make, of `longest` digits and a country code at most.

    A single dot between two runs makes a decimal fraction, whose digits are nobody's number.
    """
    parts = SEPARATOR.split(cluster)
    runs, separators = parts[::2], ["", *parts[1::2], ""]
    for first in range(len(runs)):
        joined = ""
        for last in range(first, len(runs)):
            joined += runs[last]
            if len(joined) > longest + 3:
                break
            inside = separators[first + 1 : last + 1]
            outside = (separators[first], separators[last + 1])
            dotted = len(inside) > 1 and set(inside) == {"."}
            if dotted or "." not in (*inside, *outside):
                yield joined
                if after_plus and first == 0:
                    yield from (joined[1:], joined[2:], joined[3:])


def _stands_alone(data: bytes, start: int, end: int) -> bool:
    """Return whether what was found is no part of a longer number, word or hash."""
    found, before, after = data[start:end], data[start - 1 : start], data[end : end + 1]
    if found.isalnum():
        return not (before.isalnum() or after.isalnum())
    return not ((found[:1].isdigit() and before.isdigit()) or (found[-1:].isdigit() and after.isdigit()))
