import json
import stat
from dataclasses import replace

import pytest

from detectors import NOBODY, Fact, Source, read_facts, write_facts
from detectors.fact import secret_key
from policies.errors import CorpusError, OutputError

FACT = Fact(
    subject="Zoë Quill",
    entity_type="PHONE_NUMBER",
    secret="415-555-0132",
    sources=(Source(document="7", start=4, end=16, score=0.75, prefix="The "),),
)


def damaged(**place):
    """A line with a place that can be none."""
    source = {"document": "7", "start": 4, "end": 16, "score": 0.75, "prefix": "The ", "line": 7, **place}
    fact = {"version": 1, "subject": "Ada Quill", "entity_type": "X", "secret": "s", "sources": [source]}
    return json.dumps(fact).encode()


def test_facts_survive_the_file_and_only_the_owner_may_read_it(tmp_path):
    path = tmp_path / "facts.jsonl"
    path.write_text("older and readable by all")
    path.chmod(0o644)
    assert write_facts(path, [FACT, FACT]) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(read_facts(path)) == [FACT, FACT]
    assert [entry.name for entry in tmp_path.iterdir()] == ["facts.jsonl"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "facts.jsonl"
    write_facts(path, [FACT])

    def broken():
        yield FACT
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_facts(path, broken())
    assert list(read_facts(path)) == [FACT]
    assert [entry.name for entry in tmp_path.iterdir()] == ["facts.jsonl"]


def test_unwritable_folder(tmp_path):
    with pytest.raises(OutputError):
        write_facts(tmp_path / "nowhere" / "facts.jsonl", [FACT])


def test_repr_shows_neither_subject_nor_secret():
    shown = repr(FACT)
    assert "Quill" not in shown
    assert "555" not in shown
    assert "The " not in repr(FACT.sources[0])


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"[]",
        b'{"version": 99}',
        b'{"version": 1, "subject": "Ada Quill"}',
        b'{"version": 1, "subject": 5, "entity_type": "X", "secret": "s", "sources": []}',
        b"\xff\xfe",
        damaged(line=0),
        damaged(line="7"),
        damaged(line=True),
        damaged(file=7),
    ],
)
def test_damaged_line_is_named_by_number_only(tmp_path, line):
    path = tmp_path / "facts.jsonl"
    write_facts(path, [FACT])
    with path.open("ab") as stream:
        stream.write(line + b"\n")
    with pytest.raises(CorpusError, match="Line 2") as caught:
        list(read_facts(path))
    assert "Quill" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(CorpusError, match="cannot be read"):
        list(read_facts(tmp_path / "facts.jsonl"))


def test_format_is_one_json_object_a_line(tmp_path):
    path = tmp_path / "facts.jsonl"
    write_facts(path, [FACT])
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["secret"] == "415-555-0132"
    assert record["sources"][0]["prefix"] == "The "


def test_a_file_without_links_can_be_read(tmp_path):
    path = tmp_path / "facts.jsonl"
    write_facts(path, [FACT])
    record = json.loads(path.read_text(encoding="utf-8"))
    for key in ("link", "confidence", "named_at"):
        del record["sources"][0][key]
    path.write_text(json.dumps(record))
    assert list(read_facts(path)) == [FACT]


def test_a_fact_about_nobody_survives_the_file(tmp_path):
    path, nobodys = tmp_path / "facts.jsonl", replace(FACT, subject=NOBODY)
    write_facts(path, [FACT, nobodys])
    assert list(read_facts(path)) == [FACT, nobodys]
    assert [fact.is_linked for fact in read_facts(path)] == [True, False]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("(415) 555-0132", "415.555.0132", True),
        ("Ada@Quill.example", "ada@quill.example", True),
        ("48  Alder Lane", "48 alder\nlane", True),
        ("415-555-0132", "415-555-0133", False),
        ("10.1.12.1", "10.11.2.1", False),
        ("a.da@quill.example", "ada@quill.example", False),
    ],
)
def test_what_is_one_secret_in_two_spellings(one, other, same):
    assert (secret_key("T", one) == secret_key("T", other)) is same
    assert secret_key("T", one) != secret_key("U", one)


def test_a_source_without_a_place_is_at_its_line_of_the_facts_file(tmp_path):
    path = tmp_path / "facts.jsonl"
    placed = replace(FACT, sources=(replace(FACT.sources[0], file="c.jsonl", line=7),))
    write_facts(path, [FACT, placed])
    places = [(source.file, source.line) for fact in read_facts(path) for source in fact.sources]
    assert places == [(path.as_posix(), 1), ("c.jsonl", 7)]


@pytest.mark.parametrize(
    "change",
    [
        {"prefix": None},
        {"prefix": "\ud800"},
        {"document": 5},
        {"start": "4"},
        {"start": True},
        {"end": 2**80},
        {"score": "high"},
        {"score": 7},
        {"confidence": None},
        {"named_at": -1},
        {"link": []},
        {"more": 1},
    ],
)
def test_a_place_of_other_values_is_no_fact(tmp_path, change):
    path = tmp_path / "facts.jsonl"
    write_facts(path, [FACT])
    record = json.loads(path.read_text())
    record["sources"][0] |= change
    path.write_text(json.dumps(record) + "\n")
    with pytest.raises(CorpusError, match=r"Line 1 of .* is not a fact") as refused:
        list(read_facts(path))
    assert "Quill" not in str(refused.value)


@pytest.mark.parametrize(
    "change", [{"secret": "\udfff"}, {"subject": 5}, {"sources": None}, {"sources": [5]}]
)
def test_a_fact_of_other_values_is_none(tmp_path, change):
    path = tmp_path / "facts.jsonl"
    write_facts(path, [FACT])
    path.write_text(json.dumps(json.loads(path.read_text()) | change) + "\n")
    with pytest.raises(CorpusError, match="Line 1"):
        list(read_facts(path))
