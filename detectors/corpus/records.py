"""Records: JSON, tables and "Name: value" lines, and whom each of their fields is about."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, pairwise
from typing import Any, NamedTuple

Path = tuple[str | int, ...]

# Keys that say whose record it is, without spaces, case and punctuation.
NAME_KEYS = frozenset(
    role + suffix
    for role in (
        *("", "full", "subject", "datasubject", "person", "customer", "client", "patient", "employee"),
        *("member", "user", "cardholder", "accountholder", "student", "resident", "applicant", "tenant"),
    )
    for suffix in ("name", "")
    if role + suffix not in ("", "full", "user", "username")
)
# What has a name there is a function that a chat may call.
_FUNCTION_KEYS = frozenset({"tools", "toolcalls", "functions", "function", "functioncall"})
GIVEN_KEYS = frozenset({"firstname", "givenname", "forename"})
FAMILY_KEYS = frozenset({"lastname", "familyname", "surname"})


class Field(NamedTuple):
    """A value in a record.

    Attributes:
        record: path of the value's record; the record that holds that one is `record[:-1]`.
        key: key of the value, folded to lower-case letters and digits.
        start: position of the value's first character, 0-based, in the text.
        end: one past the position of its last character.
    """

    record: Path
    key: str
    start: int
    end: int


class Fields:
    """The fields of a text that is a record or holds some; empty for prose.

    Args:
        text: text of a document.
        turns: where the turns of a chat begin and end, by position. A record never reaches from one into another,
            and what stands before a turn is the label of no field.
    """

    def __init__(self, text: str, turns: Sequence[tuple[int, int]] = ()) -> None:
        self.fields = tuple(_chat_fields(text, turns) if turns else _fields(text))
        self._starts = [field.start for field in self.fields]
        self.extents: dict[Path, tuple[int, int]] = {}
        """Where each record's first value begins, and one past the position where its last one ends."""
        for field in self.fields:
            start, _ = self.extents.get(field.record, (field.start, field.end))
            self.extents[field.record] = start, field.end

    def at(self, position: int) -> Field | None:
        """Return the field whose value holds the character at a position, or None."""
        index = bisect_right(self._starts, position) - 1
        return self.fields[index] if index >= 0 and position < self.fields[index].end else None

    def names(self) -> dict[Path, list[Field]]:
        """Return, by record, the fields that say whose it is: one full name, or a given and a family name."""
        by_record: dict[Path, dict[str, Field]] = defaultdict(dict)
        for field in self.fields:
            by_record[field.record].setdefault(field.key, field)
        named = {record: _find_naming(fields) for record, fields in by_record.items()}
        return {record: fields for record, fields in named.items() if fields}


def _fields(text: str) -> Iterable[Field]:
    found = _json_fields(text) if text.lstrip()[:1] in ("{", "[") else None
    return _labelled_fields(text) if found is None else found


def _chat_fields(text: str, turns: Sequence[tuple[int, int]]) -> Iterator[Field]:
    """Yield the fields of each turn, and of what stands between turns."""
    edges = [0, *(edge for turn in turns for edge in turn), len(text)]
    for number, (start, end) in enumerate(pairwise(edges)):
        for field in _fields(text[start:end]):
            yield Field((number, *field.record), field.key, field.start + start, field.end + start)


def _find_naming(fields: Mapping[str, Field]) -> list[Field]:
    for key, field in fields.items():
        if key in NAME_KEYS:
            return [field]
    given = next((field for key, field in fields.items() if key in GIVEN_KEYS), None)
    family = next((field for key, field in fields.items() if key in FAMILY_KEYS), None)
    return [given, family] if given and family else []


def folded_key(key: str) -> str:
    """Return a key without case, spaces and punctuation: "Full name" and `full_name` are the same."""
    return re.sub(r"[\W_]+", "", key).lower()


_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]:,]|[^\s{}\[\]:,"]++', re.DOTALL)


def _json_fields(text: str) -> list[Field] | None:
    """Return the scalars of JSON text with their places, or None where it is not JSON."""
    fields: list[Field] = []
    numbers = count()
    stack: list[tuple[str, Path, str]] = []  # bracket, record, key it stands under
    record: Path = ()
    key, last = "", ""
    for match in _JSON_TOKEN.finditer(text):
        token = match[0]
        if token in ("{", "["):
            stack.append((token, record, key))
            record = (*record, next(numbers)) if token == "{" else record
        elif token in ("}", "]"):
            if not stack or stack[-1][0] != {"}": "{", "]": "["}[token]:
                return None
            _, record, key = stack.pop()
        elif token == ":":
            key = folded_key(last)
        elif token != ",":
            last = token
            following = text[match.end() : match.end() + 16].lstrip()
            if not following.startswith(":"):
                quoted = token.startswith('"')
                fields.append(Field(record, key, match.start() + quoted, match.end() - quoted))
    return None if stack or not fields else fields


# One field of a line: at its start or after a bar or tab; the key is short and holds no sentence.
_LABEL = re.compile(
    r"""(?:^|(?<=[|\t]))[ ]*+[-*•>]?[ ]?["'*_]{0,2}"""
    r"""(?P<key>[^\W\d_][\w .'’/()\[\]-]{0,40}?)["'*_]{0,2}[ ]*[:=]["'*_]{0,2}[ ]+(?P<value>[^|\t\n]*[^|\t\n\s])"""
)
_DOTTED = re.compile(r"^[\w\[\]]+(?:\.[\w\[\]]+)+$")


def _labelled_fields(text: str) -> Iterator[Field]:
    """Yield the fields of lines such as "Name: Ada Quill | Phone: 555-0101", in records of at least two."""
    for number, group in enumerate(_groups(text)):
        if len(group) > 1:
            for key, start, end in group:
                *holders, name = key.split(".") if _DOTTED.match(key) else [key]
                yield Field((number, *holders), folded_key(name), start, end)


def _groups(text: str) -> Iterator[list[tuple[str, int, int]]]:
    """Yield runs of fields: a line without one ends a record, and so does its first key or its name once more."""
    group: list[tuple[str, int, int]] = []
    position = 0
    for line in text.split("\n"):
        matches = list(_LABEL.finditer(line)) if ":" in line or "=" in line else []
        if not matches and group:
            yield group
            group = []
        for match in matches:
            key = match["key"].strip()
            if any(
                key == other and (index == 0 or _is_name(key)) for index, (other, _, _) in enumerate(group)
            ):
                yield group
                group = []
            group.append((key, position + match.start("value"), position + match.end("value")))
        position += len(line) + 1
    if group:
        yield group


def _is_name(key: str) -> bool:
    return "." not in key and folded_key(key) in NAME_KEYS


def render_record(record: Mapping[str, Any]) -> str:
    """Return a record as text, one field per line: "name: Ada Quill", "manager.phone: 555-0101"."""
    return "\n".join(f"{key}: {value}" for key, value in flatten("", record))


def flatten(prefix: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield a value's scalars, each with the path of keys that leads to it from a prefix; nothing for None."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flatten(f"{prefix}.{key}" if prefix else str(key), inner)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for number, inner in enumerate(value):
            nested = isinstance(inner, Mapping)
            yield from flatten(f"{prefix}[{number}]" if nested else prefix, inner)
    elif value is not None:
        words = " ".join(str(value).split())
        if words:
            yield prefix, words


def names_in(record: Any) -> tuple[str, ...]:
    """Return the people whom a record and the records in it say they are about, each once."""
    return tuple(dict.fromkeys(_names(record)))


def _names(record: Any) -> Iterator[str]:
    if isinstance(record, Mapping):
        texts = {folded_key(str(k)): " ".join(v.split()) for k, v in record.items() if isinstance(v, str)}
        full = next((texts[key] for key in texts if key in NAME_KEYS and texts[key]), None)
        given = next((texts[key] for key in texts if key in GIVEN_KEYS and texts[key]), None)
        family = next((texts[key] for key in texts if key in FAMILY_KEYS and texts[key]), None)
        if full:
            yield full
        elif given and family:
            yield f"{given} {family}"
        for key, value in record.items():
            if folded_key(str(key)) not in _FUNCTION_KEYS:
                yield from _names(value)
    elif isinstance(record, Sequence) and not isinstance(record, str | bytes):
        for value in record:
            yield from _names(value)
