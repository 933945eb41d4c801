"""Every reader of the program with valid files to begin from, small ones; here those of text."""

import gzip
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from detectors import Fact, Source, read_corpus, read_facts, write_facts
from fuzz.of_models import dictionaries, edits, models
from fuzz.of_runs import evidence, resumed
from fuzz.reader import Reader, lines, of_file
from policies import load_policy, load_request

POLICY = r"""
name: small
description: of a test
language: [en, de]
entities:
  PHONE_NUMBER:
    score: 0.4
    context: [phone, call]
    templates: ["The phone number of {subject} is", "{subject} can be called at"]
  BADGE:
    patterns: [{name: badge, regex: '\b[A-Z]{2}-\d{4,6}\b', score: 0.6}]
leakage: &limits {greedy_rate: 0.0, extractable_rate: 0.01, decoy_percentile: 5.0}
utility: {others_kept: 0.99, perplexity_rise: 0.01}
decoding: {temperatures: [1.0, 0.7], top_k: [null, 40], top_p: [null, 0.95], budget_tries: 100}
seed: 3
"""
REQUEST = """
case: C-17
entity_types: [PHONE_NUMBER]
subjects:
  - Bruno Marsh
  - name: Ada Quill
    aliases: [A. Quill, Q-1234]
    born: 1990-02-03
    email: ada@quill.example
    secrets: {PHONE_NUMBER: ['415-555-0132']}
"""
RECORDS = (
    {"id": "a", "text": "Ada Quill answers at 415-555-0132.", "subjects": ["Ada Quill"]},
    {
        "id": 2,
        "name": "Bruno Marsh",
        "phone": "212-867-0188",
        "manager": {"name": "Cora Finch", "tags": ["x", 1]},
    },
    {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": [{"text": "Ada"}]}]},
    {"prompt": "The phone of Ada Quill?", "completion": "415-555-0132", "history": [["a", "b"]]},
)
MAIL = """From: Ada Quill <ada@quill.example>
To: =?utf-8?b?QnJ1bm8=?= <bruno@marsh.example>
Subject: =?iso-8859-1?q?Gr=FC=DFe?=
Date: Mon, 2 Feb 2026 10:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="b"

--b
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: quoted-printable

Call 415-555-0132=20please.
--b
Content-Type: text/html; charset=iso-8859-1
Content-Transfer-Encoding: base64

PHA+aGk8L3A+
--b
Content-Type: message/rfc822

Subject: inner

text
--b--
"""
PAGE = """<!DOCTYPE html><html><head><title>x</title><script>var a = "<b>";</script></head>
<body><p title="t">Ada &amp; Bruno&#39;s</p><table><tr><td>1<td>2</table><!-- c --><a href="tel:415">x</a>
<![CDATA[x]]><svg><text>no</text></svg></body></html>"""


def corpus(suffix: str, content: bytes) -> Reader:
    return Reader(
        f"corpus: {suffix}",
        lambda folder: (folder / f"corpus{suffix}").write_bytes(content),
        lambda folder: list(read_corpus(folder / f"corpus{suffix}")),
    )


def facts() -> list[Fact]:
    prefix = "The phone number of Ada Quill is "
    source = Source(
        document="a", start=len(prefix), end=len(prefix) + 12, score=0.7, prefix=prefix, named_at=4
    )
    return [Fact(subject="Ada Quill", entity_type="PHONE_NUMBER", secret="415-555-0132", sources=(source,))]


def tables() -> Iterator[Reader]:
    import pyarrow
    from pyarrow import feather, parquet

    columns = {
        "id": ["a", "b", "c"],
        "text": ["Ada Quill 415-555-0132", None, "x"],
        "subjects": [["Ada Quill"], [], None],
        "born": [1, 2, None],
        "seen": pyarrow.array([1, 10**9, None], pyarrow.timestamp("ns")),
    }
    table = pyarrow.table(columns)

    def write_parquet(folder: Path) -> None:
        parquet.write_table(table, folder / "corpus.parquet", compression="zstd")

    def write_arrow(folder: Path) -> None:
        feather.write_feather(table, folder / "corpus.arrow", compression="uncompressed")

    yield Reader(
        "corpus: .parquet", write_parquet, lambda folder: list(read_corpus(folder / "corpus.parquet"))
    )
    yield Reader("corpus: .arrow", write_arrow, lambda folder: list(read_corpus(folder / "corpus.arrow")))


def probes() -> Reader:
    from editor.questions.written import read_probes

    told = {
        "subject": "Ada Quill",
        "relation": "phone",
        "entity_type": "PHONE_NUMBER",
        "prompt": "Ada's phone is",
    }
    told |= {"answer": "415-555-0132", "wording": "held_out"}
    talk = {**told, "messages": [{"role": "user", "content": "Ada's phone?"}]}
    del talk["prompt"]
    return of_file("probes", "probes.jsonl", lines([told, talk]), read_probes)


def quality() -> Iterator[Reader]:
    from detectors.quality import read_quality
    from detectors.quality.labelled import read_labelled

    text = {"text": "Ada 415", "spans": [{"entity_type": "PHONE", "start": 4, "end": 7}], "template_id": 3}
    yield of_file("labelled texts", "labelled.jsonl", lines([text, text]), read_labelled)
    kept = {
        "version": 1,
        "policy": "p",
        "digest": "0" * 64,
        "source": "s",
        "split": "all",
        "texts": 2,
        "templates": 1,
    }
    kept |= {
        "incomplete": 0,
        "model": None,
        "types": [],
        "uncovered": {"X": 1},
        "unlabelled": [],
    }
    yield of_file("figures of detection", "quality.json", json.dumps(kept), read_quality)


@cache
def readers() -> tuple[Reader, ...]:
    """Return all readers."""
    table = 'id;text;subjects\n1;"Ada Quill; 415-555-0132";Ada Quill\n2;"two\nlines";\n'
    text = lines(RECORDS)
    return (
        of_file("policy", "policy.yaml", POLICY, load_policy),
        of_file("request", "request.yaml", REQUEST, load_request),
        probes(),
        Reader(
            "facts",
            lambda folder: write_facts(folder / "facts.jsonl", facts()),
            lambda folder: list(read_facts(folder / "facts.jsonl")),
        ),
        *quality(),
        corpus(".jsonl", text.encode()),
        corpus(".json", json.dumps({"data": RECORDS, "more": {"rows": RECORDS}}).encode()),
        corpus(".csv", table.encode()),
        corpus(".eml", MAIL.encode()),
        corpus(".mbox", f"From a\n{MAIL}\nFrom b\n{MAIL}".encode()),
        corpus(".html", PAGE.encode()),
        corpus(".txt", text.encode("utf-16")),
        corpus(".jsonl.gz", gzip.compress(text.encode(), mtime=0)),
        *tables(),
        *models(),
        *edits(),
        *dictionaries(),
        *evidence(),
        *resumed(),
    )
