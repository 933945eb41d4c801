"""What detection finds in invented sentences, by language and type: `python -m tests.benchmarks.languages`."""

import re
import sys
from collections import Counter
from pathlib import Path

import yaml

from detectors import Register
from detectors.engine import Engine
from detectors.quality import Label, LabelledText
from policies import load_policy

SENTENCES = Path(__file__).parents[1] / "detectors" / "languages" / "sentences.yaml"
TYPES = {
    "B": "DATE_OF_BIRTH",
    "A": "STREET_ADDRESS",
    "P": "PHONE_NUMBER",
    "N": "NATIONAL_ID",
    "E": "EMAIL_ADDRESS",
}
_MARKED = re.compile(r"\{([A-Z]):([^}]+)\}")


def read_sentences() -> dict[str, list[LabelledText]]:
    """Return the labelled sentences by language."""
    data = yaml.safe_load(SENTENCES.read_text(encoding="utf-8"))
    return {code: [_parse(line) for line in lines] for code, lines in data.items()}


def _parse(line: str) -> LabelledText:
    text, labels, at = "", [], 0
    for match in _MARKED.finditer(line):
        text += line[at : match.start()]
        labels.append(Label(start=len(text), end=len(text) + len(match[2]), entity_type=TYPES[match[1]]))
        text, at = text + match[2], match.end()
    return LabelledText(text=text + line[at:], labels=tuple(labels), template=line)


def table(language: str) -> str:
    """Return a Markdown table of found/marked by language and type, for the preset gdpr with a `language`."""
    policy = load_policy("gdpr").model_copy(update={"language": language})
    engine = Engine(policy, Register())
    heads = ("", *TYPES.values(), "false", "sentences")
    rows = [heads, ("---",) * len(heads)]
    total: Counter[str] = Counter()
    for code, sentences in read_sentences().items():
        counts = _count(engine, sentences)
        total += counts
        rows.append(_row(code, counts))
    rows.append(_row("all", total))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _count(engine: Engine, sentences: list[LabelledText]) -> Counter[str]:
    counts = Counter({"sentences": len(sentences)})
    for sentence in sentences:
        spans = engine.scan(sentence.text).spans
        for label in sentence.labels:
            counts[label.entity_type] += 1
            counts[f"found {label.entity_type}"] += any(_same(label, span) for span in spans)
        counts["false"] += sum(not any(_same(label, span) for label in sentence.labels) for span in spans)
    return counts


def _same(one, other) -> bool:
    return one.entity_type == other.entity_type and one.start < other.end and other.start < one.end


def _row(name: str, counts: Counter[str]) -> tuple[str, ...]:
    found = (f"{counts[f'found {kind}']}/{counts[kind]}" if counts[kind] else "" for kind in TYPES.values())
    return (name, *found, str(counts["false"]), str(counts["sentences"]))


if __name__ == "__main__":
    print(table(sys.argv[1] if len(sys.argv) > 1 else "auto"))  # noqa: T201
