"""Texts whose personal spans people have marked, against which detection is scored."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from policies.errors import CorpusError

Split = Literal["all", "development", "test"]
SPLITS: tuple[Split, ...] = ("all", "development", "test")
SPLIT_SEED = 0

# What other data sets call our entity types. A label that is not here keeps its name.
LABEL_NAMES = {
    "ADDRESS": "STREET_ADDRESS",
    "CITY": "LOCATION",
    "COUNTRY": "LOCATION",
    "CREDIT_CARD_NUMBER": "CREDIT_CARD",
    "DATE": "DATE_TIME",
    "DOMAIN_NAME": "URL",
    "EMAIL": "EMAIL_ADDRESS",
    "FAC": "LOCATION",
    "FIRST_NAME": "PERSON",
    "GPE": "LOCATION",
    "IBAN": "IBAN_CODE",
    "IP": "IP_ADDRESS",
    "LAST_NAME": "PERSON",
    "LOC": "LOCATION",
    "NORP": "NRP",
    "ORG": "ORGANIZATION",
    "PER": "PERSON",
    "PHONE": "PHONE_NUMBER",
    "SSN": "US_SSN",
    "TIME": "DATE_TIME",
}


@dataclass(frozen=True, kw_only=True)
class Label:
    """A span that somebody marked.

    Attributes:
        start: position of the first character, 0-based.
        end: one past the position of the last character.
        entity_type: Expunge's name of the entity type.
    """

    start: int
    end: int
    entity_type: str


@dataclass(frozen=True, kw_only=True)
class LabelledText:
    """A text and everything personal in it.

    Attributes:
        text: text, never shown by `repr`.
        labels: labels in order of position.
        template: name of the text's template. The texts of one template differ in their filled-in values alone;
            they are split and resampled together. A text of no template is its own.
    """

    text: str = field(repr=False)
    labels: tuple[Label, ...]
    template: str


def read_labelled(path: Path) -> tuple[LabelledText, ...]:
    """Read a JSON list, as presidio-research writes it, or JSON lines of the same records.

    A record is `{"text" | "full_text", "spans": [{"entity_type", "start" | "start_position", "end" |
    "end_position"}][, "template" | "template_id"]}`; other keys are ignored.

    Raises:
        CorpusError: missing, not JSON, no record, or a record that is not labelled text, named by its number.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CorpusError(
            f"The labelled texts {path} cannot be read ({error.strerror})", "Check the path"
        ) from None
    except UnicodeDecodeError:
        raise CorpusError(f"The labelled texts {path} are not UTF-8", "Save the file as UTF-8") from None
    texts = tuple(
        _parse_record(record, number, path) for number, record in enumerate(_records(content, path), start=1)
    )
    if not texts:
        raise CorpusError(f"{path} holds no labelled text", "Give a file with at least one")
    return texts


def _records(content: str, path: Path) -> Sequence[Any]:
    try:
        if content.lstrip().startswith("["):
            records = json.loads(content)
            return records if isinstance(records, list) else []
        return [json.loads(line) for line in content.split("\n") if line.strip()]
    except (ValueError, RecursionError):
        raise CorpusError(
            f"{path} is neither a JSON list nor JSON lines",
            'Write {"text": ..., "spans": [{"entity_type", "start", "end"}]} on each line',
        ) from None


def _parse_record(record: Any, number: int, path: Path) -> LabelledText:
    try:
        text = record["text"] if "text" in record else record["full_text"]
        if not isinstance(text, str):
            raise TypeError
        labels = sorted((_label(span, text) for span in record["spans"]), key=lambda label: label.start)
        template = record.get("template", record.get("template_id"))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise CorpusError(
            f"Record {number} of {path} is not a labelled text",
            'Write {"text": ..., "spans": [{"entity_type", "start", "end"}]}, positions within the text',
        ) from None
    name = f"text {number}" if template is None else str(template)
    return LabelledText(text=text, labels=tuple(labels), template=name)


def _label(span: Any, text: str) -> Label:
    start = span["start"] if "start" in span else span["start_position"]
    end = span["end"] if "end" in span else span["end_position"]
    if not (type(start) is int and type(end) is int and 0 <= start < end <= len(text)):
        raise ValueError
    entity_type = str(span["entity_type"])
    return Label(start=start, end=end, entity_type=LABEL_NAMES.get(entity_type, entity_type))


def split_by_template(texts: Sequence[LabelledText], split: Split) -> tuple[LabelledText, ...]:
    """Return one half of the texts, for developing patterns or for figures alone; no template is in both.

    Templates are grouped by the rarest type they hold and go to the halves in turn, in an order drawn from
    `SPLIT_SEED`, so that both halves have every type of two templates or more. The only template of a type
    goes to the test half.
    """
    if split == "all":
        return tuple(texts)
    development = _development(texts)
    return tuple(text for text in texts if (text.template in development) == (split == "development"))


def _development(texts: Iterable[LabelledText]) -> set[str]:
    types: dict[str, set[str]] = defaultdict(set)
    for text in texts:
        types[text.template] |= {label.entity_type for label in text.labels}
    templates_with = Counter(entity_type for held in types.values() for entity_type in held)
    groups: dict[str, list[str]] = defaultdict(list)
    for template in sorted(types, key=_draw):
        rarest = min(types[template], key=lambda name: (templates_with[name], name), default="")
        groups[rarest].append(template)
    return {template for group in groups.values() for template in group[1::2]}


def _draw(template: str) -> bytes:
    return hashlib.blake2b(f"{SPLIT_SEED}\0{template}".encode(), digest_size=8).digest()
