"""The invented sentences of `sentences.yaml` as labelled texts."""

import re
from pathlib import Path

import yaml

from detectors.quality import Label, LabelledText

TYPES = {
    "A": "STREET_ADDRESS",
    "B": "DATE_OF_BIRTH",
    "E": "EMAIL_ADDRESS",
    "N": "NATIONAL_ID",
    "P": "PHONE_NUMBER",
}
_MARKED = re.compile(r"\{([A-Z]):([^}]+)\}")


def read_sentences() -> dict[str, list[LabelledText]]:
    """Return the labelled sentences by language."""
    data = yaml.safe_load(Path(__file__).with_name("sentences.yaml").read_text(encoding="utf-8"))
    return {code: [parse(line) for line in lines] for code, lines in data.items()}


def parse(line: str) -> LabelledText:
    """Return a marked sentence as a labelled text."""
    text, labels, at = "", [], 0
    for match in _MARKED.finditer(line):
        text += line[at : match.start()]
        labels.append(Label(start=len(text), end=len(text) + len(match[2]), entity_type=TYPES[match[1]]))
        text, at = text + match[2], match.end()
    return LabelledText(text=text + line[at:], labels=tuple(labels), template=line)
