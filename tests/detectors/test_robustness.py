"""What a corpus of the wild holds, through the command line: the run ends, and says what it passed over."""

import csv
import io
import json

import pytest
from click.testing import CliRunner

from detectors import read_facts
from detectors.corpus.documents import CUT, LONGEST_DOCUMENT_CHARACTERS, REPLACED
from editor.cli.detect import detect
from policies.errors import ExitCode

NAME = "Ada Quill"
HARMLESS = {
    "dots": b"Contents " + b"." * 80_000 + b" 7. Ada Quill has 415-555-0101.",
    "null": b"Ada Quill\0 has\0 415-555-0102.",
    "right to left": "\u202bמספר הטלפון של Ada Quill הוא 415-555-0103\u202c, ישראל.".encode(),
    "empty of facts": b"\x01\x02 \xef\xbf\xbd \xf0\x9f\x98\x80",
}
DAMAGED = {
    "not UTF-8": b"Ada Quill has 415-555-0104. \xff\xfe\xc3(",
    "long": b"Ada Quill has 415-555-0105. " + b"and so on " * LONGEST_DOCUMENT_CHARACTERS,
    "no space": b"Ada Quill has 415-555-0106. " + b"x" * 3_000,
}


def _lines(texts):
    return b"".join(text + b"\n" for text in texts)


def _json_lines(texts):
    # Raw bytes between the quotes, null among them, as careless programs write them.
    return b"".join(b'{"text": "' + text + b'"}\n' for text in texts)


def _csv(texts):
    stream = io.StringIO()
    csv.writer(stream).writerows([["text"], *([text.decode("latin-1")] for text in texts)])
    return stream.getvalue().encode("latin-1")


def _parquet(texts):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    stream = io.BytesIO()
    # Text that claims to be UTF-8.
    column = pyarrow.array(texts, pyarrow.binary()).view(pyarrow.string())
    parquet.write_table(pyarrow.table({"text": column}), stream)
    return stream.getvalue()


WRITERS = {"txt": _lines, "jsonl": _json_lines, "csv": _csv, "parquet": _parquet}


@pytest.fixture
def run(tmp_path):
    def invoke(kind, texts, *options):
        corpus, output = tmp_path / f"corpus.{kind}", tmp_path / "facts.jsonl"
        corpus.write_bytes(WRITERS[kind](texts))
        arguments = [str(corpus), "--subject", NAME, "--output", str(output), "--quiet", *options]
        result = CliRunner().invoke(detect, arguments)
        assert "Quill" not in result.output
        assert "415" not in result.output
        secrets = {fact.secret for fact in read_facts(output)} if output.exists() else set()
        return result, " ".join(result.output.split()), secrets

    return invoke


@pytest.mark.parametrize("kind", WRITERS)
def test_odd_text_is_scanned_to_its_end(run, kind):
    result, shown, secrets = run(kind, HARMLESS.values())
    assert result.exit_code == ExitCode.MET, result.output
    assert "4 documents read, 0 of them not completely scanned" in shown
    assert secrets == {"415-555-0101", "415-555-0102", "415-555-0103"}


@pytest.mark.parametrize("kind", WRITERS)
def test_damage_is_passed_over_and_said(run, kind):
    result, shown, secrets = run(kind, [*HARMLESS.values(), *DAMAGED.values(), b"Ada Quill: 415-555-0107"])
    assert result.exit_code == ExitCode.INCOMPLETE, result.output
    assert "8 documents read, 3 of them not completely scanned" in shown
    place = "line" if kind in ("txt", "jsonl") else "row"
    assert f"1 {REPLACED} ({place} 5)" in shown
    assert f"1 {CUT} ({place} 6)" in shown
    assert f"characters without a space ({place} 7)" in shown
    assert secrets == {f"415-555-010{number}" for number in range(1, 8)}


def test_many_places_are_counted_and_the_first_shown(run):
    result, shown, _ = run("txt", [DAMAGED["not UTF-8"]] * 13)
    assert result.exit_code == ExitCode.INCOMPLETE
    assert f"13 {REPLACED} (line 1, line 2," in shown
    assert "line 10 and 3 more)" in shown


def test_a_line_too_long_to_be_read_is_skipped(run, monkeypatch):
    monkeypatch.setattr("detectors.corpus.readers._LONGEST_VALUE_BYTES", 10_000)
    result, shown, secrets = run(
        "jsonl", [b"Ada Quill: 415-555-0101", b"x " * 50_000, b"Ada Quill: 415-555-0102"]
    )
    assert result.exit_code == ExitCode.INCOMPLETE
    assert "1 skipped: a line of more than 64 MB (line 2)" in shown
    assert secrets == {"415-555-0101", "415-555-0102"}


def test_ids_are_not_shown(tmp_path):
    corpus = tmp_path / "people.jsonl"
    corpus.write_text(json.dumps({"id": "Ada Quill", "text": "Ada Quill: 415-555-0101 " + "x" * 3_000}))
    result = CliRunner().invoke(
        detect, [str(corpus), "--subject", NAME, "--output", str(tmp_path / "f.jsonl")]
    )
    assert result.exit_code == ExitCode.INCOMPLETE
    assert "line 1" in result.output
    assert "Quill" not in result.output
