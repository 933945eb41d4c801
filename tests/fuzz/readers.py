"""Every reader of the program with valid files to begin from, small ones."""

import gzip
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch

from detectors import Fact, Source, read_corpus, read_facts, write_facts
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


@dataclass(frozen=True)
class Reader:
    """A reader.

    Attributes:
        name: its name in reports.
        write: writes valid files into a folder.
        read: reads them.
        files: patterns of the files that are mutated.
        weight: share of the inputs, as slow readers get fewer.
    """

    name: str
    write: Callable[[Path], object]
    read: Callable[[Path], object]
    files: tuple[str, ...] = ("*",)
    weight: float = 1.0


def corpus(suffix: str, content: bytes) -> Reader:
    return Reader(
        f"corpus: {suffix}",
        lambda folder: (folder / f"corpus{suffix}").write_bytes(content),
        lambda folder: list(read_corpus(folder / f"corpus{suffix}")),
    )


def of_file(name: str, file: str, content: str, read: Callable[[Path], object]) -> Reader:
    return Reader(
        name, lambda folder: (folder / file).write_text(content), lambda folder: read(folder / file)
    )


def lines(records: Any) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


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
def tiny_model() -> Any:
    from family_models import configs
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(configs(heads=2, groups=1)["llama"]).eval()


@cache
def tiny_tokenizer() -> Any:
    from tokenizing import make_tokenizer

    return make_tokenizer()


def models() -> Iterator[Reader]:
    from editor.model.loading import load_model, quiet

    def write(folder: Path) -> None:
        with quiet():
            tiny_model().save_pretrained(folder / "model", max_shard_size="40KB")
        tiny_tokenizer().save_pretrained(folder / "model")

    def adapter(folder: Path) -> None:
        from adapters_made import lora, save_adapter_of

        write(folder)
        with quiet():
            save_adapter_of(folder / "model", lora(), folder / "adapter")

    def load(folder: Path) -> Any:
        return load_model(str(folder), device="cpu")

    yield Reader(
        "model folder",
        write,
        lambda folder: load(folder / "model"),
        ("model/*.json", "model/*.safetensors"),
        0.3,
    )
    yield Reader(
        "adapter folder", adapter, lambda folder: load(folder / "adapter"), ("adapter/adapter*",), 0.2
    )


def edits() -> Iterator[Reader]:
    from editor.edits.edit import Delta, Edit, MaskedDelta, Originals, load_originals
    from editor.edits.keeping import Keeping
    from editor.edits.records import (
        EDITS_FILE,
        EditedCheckpoint,
        EditRecord,
        declared_parameters,
        read_record,
    )
    from editor.edits.sealed import Lock

    lock = Lock(secret=bytes(range(32)), kind="key")
    record = EditRecord(
        case="case 00000000",
        subjects=("subject 00000000",),
        before="0" * 64,
        after="1" * 64,
        tensors={"a": ("0" * 64, "1" * 64)},
        originals="kept",
    )

    def write(folder: Path, keeping: Keeping) -> None:
        mask = torch.arange(12).reshape(3, 4) % 3 == 0
        deltas = {"a": Delta(left=torch.ones(3, 1), right=torch.ones(1, 4))}
        edit = Edit(
            deltas=deltas | {"b": MaskedDelta.from_dense(torch.ones(3, 4), mask)},
            method="m",
            settings={"s": 1.0},
        )
        originals = Originals(tensors={"a": torch.ones(3, 4)}, digest="0" * 64)
        edit.save(folder / "edit", originals, keeping=keeping, record=record, previous=(record,))

    def read(folder: Path, key: Lock | None) -> None:
        read_record(folder / "edit")
        declared_parameters(folder / "edit")
        load_originals(folder / "edit", key)
        Edit.load(folder / "edit", key)

    def reverted(folder: Path) -> None:
        EditedCheckpoint(folder=folder, edits=(record,), digest="0" * 64).write_record(folder)

    yield Reader(
        "edit folder", lambda folder: write(folder, Keeping()), lambda folder: read(folder, None), ("edit/*",)
    )
    yield Reader(
        "edit folder, encrypted",
        lambda folder: write(folder, Keeping(lock=lock)),
        lambda folder: read(folder, lock),
        ("edit/*",),
    )
    yield Reader("record of a reverted checkpoint", reverted, EditedCheckpoint.at, (EDITS_FILE,))


def dictionaries() -> Iterator[Reader]:
    from published import MAKERS

    from dictionaries import load_dictionaries, save_dictionary
    from dictionaries.architectures import ARCHITECTURES
    from dictionaries.config import DictionaryConfig
    from dictionaries.model.sites import Site
    from dictionaries.training.checkpoint import Checkpoints

    def published(name: str, make: Callable[[Path], Any]) -> Reader:
        def write(folder: Path) -> None:
            made = make(folder / "d")
            told.update(path=made.path.relative_to(folder), asked=made.asked)

        def read(folder: Path) -> None:
            load_dictionaries(folder / told["path"], **told["asked"])

        told: dict[str, Any] = {}
        return Reader(f"dictionary: {name}", write, read, ("d/**/*",), 0.4)

    for name, make in sorted(MAKERS.items()):
        yield published(name, make)

    def own(folder: Path) -> None:
        config = DictionaryConfig(site=Site(1), width=16, features=24, model="m", provenance={"steps": 1})
        save_dictionary(ARCHITECTURES["gated"](config, input_scale=1.5), folder / "d")

    yield Reader("dictionary: expunge", own, lambda folder: load_dictionaries(folder / "d"), ("d/*",))

    def trained(folder: Path) -> None:
        state = {"identity": {"a": 1}, "b": {"w": torch.ones(3), "n": 1.5}}
        Checkpoints(folder=folder / "c", every=1).save(3, state)

    yield Reader(
        "training state", trained, lambda folder: Checkpoints(folder=folder / "c").load(), ("c/**/*",)
    )


def evidence() -> Iterator[Reader]:
    from made_runs import made_report, write_run

    from editor.artefacts.masking import CaseKey
    from editor.artefacts.replacing import check_replaceable
    from editor.attestation.checking import check_folder
    from editor.attestation.ledger import Ledger
    from editor.casework.folder import RequestFolder
    from editor.results.report import Report

    key = CaseKey(bytes(range(32)))

    @cache
    def report() -> Report:
        return made_report([("Ada Quill", "PHONE_NUMBER", "415-555-0132")], key)

    def run(folder: Path) -> None:
        write_run(folder / "out", report())

    def ledger(folder: Path) -> None:
        run(folder)
        for _ in range(2):
            Ledger(folder / "ledger.jsonl").append(folder / "out", report())

    def requests(folder: Path) -> None:
        case = folder / "requests" / "R-1"
        case.mkdir(parents=True)
        (case / "request.yaml").write_text("case: R-1\nsubjects: [Ada Quill]\n")
        (case / "case.yaml").write_text("received: 2026-01-02\nextension: {day: 2026-01-03, reason: r}\n")

    yield Reader("output folder", run, lambda folder: check_folder(folder / "out"), ("out/*",), 0.1)
    yield Reader(
        "manifest, to replace",
        run,
        lambda folder: check_replaceable(folder / "out", folder / "out"),
        ("out/*",),
    )
    yield Reader(
        "ledger", ledger, lambda folder: Ledger(folder / "ledger.jsonl").entries(), ("ledger.jsonl",)
    )
    yield Reader(
        "folder of requests",
        requests,
        lambda folder: RequestFolder(folder / "requests").cases(),
        ("requests/**/*",),
    )
    yield Reader(
        "case key",
        lambda folder: CaseKey(bytes(range(32)), folder / "a.key").store(),
        lambda folder: CaseKey.load_or_generate(folder / "a.key"),
    )


def resumed() -> Iterator[Reader]:
    from made_arms import make_costs, runs_of

    from editor.comparing.job import Finished
    from editor.comparing.run import Ledger

    def ledger(folder: Path) -> Ledger:
        return Ledger(folder=folder / "out.arms", settings={"trials": 2})

    def write(folder: Path) -> None:
        book = ledger(folder)
        book.open(resume=False)
        run = runs_of("memit", [1.0, 0.5])
        book.keep(Finished(run=run, cost=make_costs([run])[0]))

    def read(folder: Path) -> None:
        book = ledger(folder)
        book.open(resume=True)
        for path in (folder / "out.arms").glob("*-*.json"):
            arm, _, seed = path.stem.rpartition("-")
            book.find(arm, int(seed))

    yield Reader("state of a stopped comparison", write, read, ("out.arms/*",))


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


def copied(reader: Reader, seeds: Path, folder: Path) -> list[Path]:
    """Copy a reader's valid files, made once, into a folder, and return those that may be mutated."""
    made = seeds / "".join(filter(str.isalnum, reader.name))
    if not made.exists():
        made.mkdir(parents=True)
        reader.write(made)
    shutil.copytree(made, folder)
    found = {path for pattern in reader.files for path in folder.glob(pattern) if path.is_file()}
    return sorted(found)
