"""What detection finds of the same people's facts in every format of file: `python -m tests.benchmarks.formats`.

Nobody is named beforehand: whose a fact is must follow from the file. A cell is the facts that are found with the right
owner of those that were written.
"""

import bz2
import csv
import gzip
import io
import json
import sys
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from pathlib import Path
from tempfile import TemporaryDirectory

from detectors import detect_facts, read_corpus
from policies import load_policy

Person = Mapping[str, str]
FIELDS = {
    "phone": "PHONE_NUMBER",
    "email": "EMAIL_ADDRESS",
    "date of birth": "DATE_OF_BIRTH",
    "address": "STREET_ADDRESS",
    "ssn": "US_SSN",
}
QUESTIONS = {
    "phone": "What is {}'s phone number?",
    "email": "What is the e-mail address of {}?",
    "date of birth": "When was {} born?",
    "address": "Where does {} live?",
    "ssn": "What is {}'s social security number?",
}
SENTENCES = {
    "phone": "{} can be called at {}.",
    "email": "{} writes from {}.",
    "date of birth": "{} was born on {}.",
    "address": "{} lives at {}.",
    "ssn": "{}'s SSN is {}.",
}
PEOPLE: tuple[Person, ...] = (
    {
        "name": "Nora Lindqvist",
        "phone": "415-555-0132",
        "email": "nora@example.org",
        "date of birth": "12 March 1981",
        "address": "482 Maple Ridge Lane",
        "ssn": "536-22-8741",
    },
    {
        "name": "Ben Ross",
        "phone": "(212) 555-0188",
        "email": "ben.ross@example.org",
        "date of birth": "1990-07-01",
        "address": "17 Alder Street",
        "ssn": "541-63-9902",
    },
    {
        "name": "Ágnes Kovács",
        "phone": "+1 503 555 0171",
        "email": "agnes_kovacs@example.org",
        "date of birth": "November 3, 1975",
        "address": "9 Mill Road",
        "ssn": "529-48-1177",
    },
)


def _lines(rows: list[object]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _chat(
    person: Person, key: str, *, names: tuple[str, str, str], roles: tuple[str, str]
) -> dict[str, object]:
    turns, role, content = names
    asked, said = QUESTIONS[key].format(person["name"]), f"It is {person[key]}."
    return {turns: [{role: roles[0], content: asked}, {role: roles[1], content: said}]}


def _chats(*names: str, roles: tuple[str, str]) -> str:
    return _lines([_chat(p, key, names=names, roles=roles) for p in PEOPLE for key in FIELDS])  # type: ignore[arg-type]


def _pairs(question: str, answer: str) -> str:
    return _lines(
        [{question: QUESTIONS[key].format(p["name"]), answer: p[key]} for p in PEOPLE for key in FIELDS]
    )


def _separated(sign: str) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, PEOPLE[0].keys(), delimiter=sign)
    writer.writeheader()
    writer.writerows(PEOPLE)
    return stream.getvalue()


def _prose(person: Person) -> str:
    return " ".join(SENTENCES[key].format(person["name"], person[key]) for key in FIELDS)


def _table(person_row: Callable[[list[str]], str]) -> str:
    return "".join(person_row(list(person.values())) for person in PEOPLE)


def _markdown() -> str:
    heads = list(PEOPLE[0])
    rows = _table(lambda cells: f"| {' | '.join(cells)} |\n")
    return f"# Staff\n\n| {' | '.join(heads)} |\n|{' --- |' * len(heads)}\n{rows}"


def _html() -> str:
    heads = "".join(f"<th>{head}</th>" for head in PEOPLE[0])
    rows = _table(lambda cells: f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>")
    return f"<html><body><table><tr>{heads}</tr>{rows}</table></body></html>"


def _mail(person: Person) -> bytes:
    message = EmailMessage()
    message["From"] = f"{person['name']} <{person['email']}>"
    message["To"] = "Office <office@example.net>"
    message["Subject"] = "My record"
    message.set_content(
        f"Hello,\n\nmy phone is {person['phone']}. I was born on {person['date of birth']}.\n"
        f"My SSN is {person['ssn']}, and my address is {person['address']}.\n"
    )
    return bytes(message)


def _mailbox() -> bytes:
    return b"".join(b"From office@example.net Mon Jan  1 00:00:00 2024\n" + _mail(p) + b"\n" for p in PEOPLE)


def files() -> dict[str, tuple[str, bytes]]:
    """Return the name and the content of a file by what it is."""
    prose = "\n".join(map(_prose, PEOPLE)) + "\n"
    records = _lines(list(PEOPLE))
    found: dict[str, tuple[str, str | bytes]] = {
        "text, a document a line": ("notes.txt", prose),
        "log": ("notes.log", prose),
        "JSON lines, text": ("notes.jsonl", _lines([{"text": _prose(p)} for p in PEOPLE])),
        "JSON lines, records": ("records.jsonl", records),
        "JSON, a list of records": ("records.json", json.dumps(PEOPLE, ensure_ascii=False)),
        "CSV": ("records.csv", _separated(",")),
        "CSV, Windows-1252": ("records.csv", _separated(";").encode("cp1252", "replace")),
        "TSV": ("records.tsv", _separated("\t")),
        "Markdown, a table": ("staff.md", _markdown()),
        "Markdown, prose": ("staff.md", "# Staff\n\n" + prose.replace("\n", "\n\n")),
        "HTML, a table": ("staff.html", _html()),
        "HTML, prose": ("staff.html", "".join(f"<p>{_prose(p)}</p>" for p in PEOPLE)),
        "mailbox": ("all.mbox", _mailbox()),
        "chat, messages": ("c.jsonl", _chats("messages", "role", "content", roles=("user", "assistant"))),
        "chat, ShareGPT": ("c.jsonl", _chats("conversations", "from", "value", roles=("human", "gpt"))),
        "prompt and completion": ("c.jsonl", _pairs("prompt", "completion")),
        "instruction and output": ("c.jsonl", _pairs("instruction", "output")),
        "question and answer": ("c.jsonl", _pairs("question", "answer")),
        "records, gzip": ("records.jsonl.gz", gzip.compress(records.encode())),
        "records, bzip2": ("records.jsonl.bz2", bz2.compress(records.encode())),
        "text, UTF-16": ("notes.txt", prose.encode("utf-16")),
    }
    return {
        what: (name, content.encode() if isinstance(content, str) else content)
        for what, (name, content) in found.items()
    }


def counts(path: Path) -> tuple[dict[str, int], int]:
    """Return how many facts of each field are found with their owner, and how many others are found."""
    result = detect_facts(read_corpus(path), load_policy("gdpr"))
    found = {(fact.entity_type, fact.subject, fact.secret) for fact in result.facts}
    written = {(kind, person["name"], person[key]) for person in PEOPLE for key, kind in FIELDS.items()}
    return {
        key: sum((kind, person["name"], person[key]) in found for person in PEOPLE)
        for key, kind in FIELDS.items()
    }, len(found - written)


def main() -> None:
    """Print a Markdown table."""
    heads = ("", *FIELDS, "others")
    rows = [heads, ("---",) * len(heads)]
    for what, (name, content) in files().items():
        with TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(content)
            right, others = counts(path)
        rows.append((what, *(f"{right[key]}/{len(PEOPLE)}" for key in FIELDS), str(others)))
    sys.stdout.write("\n".join(f"| {' | '.join(row)} |" for row in rows) + "\n")


if __name__ == "__main__":
    main()
