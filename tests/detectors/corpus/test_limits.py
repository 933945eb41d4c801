"""Corpora from anybody: what would take gigabytes or end in a crash is named, and the rest is read."""

import json
import os
import sys

import pytest

from detectors import read_corpus
from detectors.corpus import rows
from detectors.corpus.mails import DAMAGED as DAMAGED_MAIL
from detectors.corpus.pages import DAMAGED as DAMAGED_PAGE
from policies.errors import CorpusError

SOUND = '{"text": "sound"}'


def read(path):
    documents = list(read_corpus(path))
    return [document.text for document in documents], [document.problems for document in documents]


def nested(depth, inner='"x"'):
    return '{"a": ' * depth + inner + "}" * depth


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
@pytest.mark.parametrize("deep", [nested(490), nested(101), '{"text": ' + "[" * 300 + "]" * 300 + "}"])
def test_json_nested_deeper_than_records_are(tmp_path, suffix, deep):
    path = tmp_path / f"corpus{suffix}"
    path.write_text(f"{SOUND}\n{deep}\n{SOUND}\n")
    texts, problems = read(path)
    assert texts == ["sound", "", "sound"]
    assert problems[1] == (rows.TOO_DEEP,)


def test_json_as_deep_as_records_are(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text(nested(90) + "\n" + json.dumps({"text": "{[" * 500}) + "\n")
    texts, problems = read(path)
    assert texts[0].endswith("a: x")
    assert texts[1] == "{[" * 500
    assert problems == [(), ()]


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
@pytest.mark.parametrize(
    "many",
    [
        '{"a": [' + "{}," * 3000 + "{}]}",
        '{"a": [' + '"",' * 3000 + '""]}',
        "{" + ",".join(f'"k{number}": 1' for number in range(3000)) + "}",
    ],
)
def test_json_of_more_values_than_records_have(tmp_path, suffix, many, monkeypatch):
    monkeypatch.setattr(rows, "MOST_HELD", 1000)
    monkeypatch.setattr(rows, "MOST_VALUES", 1000)
    monkeypatch.setattr("detectors.corpus.json_files._BLOCK_BYTES", 512)
    path = tmp_path / f"corpus{suffix}"
    path.write_text(f"{SOUND}\n{many}\n{SOUND}\n")
    texts, problems = read(path)
    assert texts == ["sound", "", "sound"]
    assert problems[1] == (rows.TOO_MANY,)


@pytest.mark.parametrize("number", ["9" * 5000, "-" + "1" * 5000])
@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_numbers_of_thousands_of_digits(tmp_path, suffix, number):
    path = tmp_path / f"corpus{suffix}"
    path.write_text(f'{SOUND}\n{{"text": {number}}}\n{SOUND}\n')
    texts, _ = read(path)
    assert texts == ["sound", "", "sound"]


@pytest.mark.parametrize(
    ("subjects", "names"),
    [
        (5, ("5",)),
        ([1, None, "Ada Quill"], ("1", "Ada Quill")),
        ("A;;B", ("A", "B")),
        (1.5, ("1.5",)),
        (None, ()),
    ],
)
def test_subjects_of_a_table_that_are_no_text(tmp_path, subjects, names):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table(
        {"text": ["x"], "subjects": [subjects if not isinstance(subjects, list) else subjects[2]]}
    )
    if isinstance(subjects, list):
        from detectors.corpus.documents import Place
        from detectors.corpus.rows import from_row

        assert from_row(["text", "subjects"], ["x", subjects], Place("row", 1), ()).subjects == names
        return
    parquet.write_table(table, tmp_path / "corpus.parquet")
    assert next(iter(read_corpus(tmp_path / "corpus.parquet"))).subjects == names


def test_times_that_python_has_no_date_for(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    times = (
        pyarrow.array([1, 2**62], pyarrow.timestamp("ns")),
        pyarrow.array([0, 2**60], pyarrow.timestamp("us")),
    )
    parquet.write_table(pyarrow.table({"seen": times[0], "born": times[1]}), tmp_path / "corpus.parquet")
    texts, problems = read(tmp_path / "corpus.parquet")
    assert len(texts) == 2
    assert texts[0].startswith("seen: 1970-01-01")
    assert problems == [(), ()]


def test_a_text_that_is_stored_once_is_held_once(tmp_path):
    """512 rows of one text of four million characters: four kilobytes on disk, two gigabytes written out."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    text, rows_of_it = "Ada Quill. " * 400_000, 512
    column = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * rows_of_it, pyarrow.int32()), [text])
    parquet.write_table(pyarrow.table({"text": column}), tmp_path / "corpus.parquet", compression="zstd")
    assert (tmp_path / "corpus.parquet").stat().st_size < 10_000
    before = pyarrow.total_allocated_bytes()
    documents = iter(read_corpus(tmp_path / "corpus.parquet"))
    first = next(documents)
    assert len(first.text) == 1_000_000
    assert pyarrow.total_allocated_bytes() - before < 10 * len(text)
    documents.close()


def test_a_table_of_more_rows_than_its_bytes_can_mean(tmp_path, monkeypatch):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    monkeypatch.setattr("detectors.corpus.tables._LEAST_SUSPECT", 1000)
    parquet.write_table(pyarrow.table({"n": [1] * 500_000}), tmp_path / "corpus.parquet", compression="zstd")
    with pytest.raises(CorpusError, match="would unpack to 500,000 rows"):
        read(tmp_path / "corpus.parquet")


@pytest.mark.parametrize("damage", ["&#" + "9" * 5000 + ";", "<![unknown[x]]>"])
def test_pages_that_the_parser_fails_on(tmp_path, damage):
    path = tmp_path / "page.html"
    path.write_text(f"<p>before</p>\n{damage}\n<p>after 415-555-0132</p>\n")
    texts, problems = read(path)
    assert "before" in "".join(texts)
    assert "after 415-555-0132" in "".join(texts)
    assert not any(problems) or problems[-1] == (DAMAGED_PAGE,)


@pytest.mark.parametrize(
    "header",
    [
        "Content-Type: text/plain; charset=undefined",
        "Content-Type: text/plain; charset=\0",
        "Content-Type: text/plain; charset*=idna''x",
        "Content-Transfer-Encoding: =?x",
        "From: =?utf-8?q?=?= <(((@",
    ],
)
def test_messages_that_the_parser_fails_on(tmp_path, header):
    path = tmp_path / "mail.eml"
    path.write_bytes(f"Subject: hello\n{header}\n\nCall 415-555-0132.\n".encode())
    texts, _ = read(path)
    assert "415-555-0132" in texts[0]


def test_a_message_that_fails_altogether_is_read_as_it_stands(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise IndexError

    monkeypatch.setattr("detectors.corpus.mails._render", fail)
    path = tmp_path / "mail.eml"
    path.write_bytes(b"Subject: hello\n\nCall 415-555-0132.\n")
    texts, problems = read(path)
    assert "415-555-0132" in texts[0]
    assert problems == [(DAMAGED_MAIL,)]


def appended(path):
    with path.open("a") as file:
        file.write("another\n")


def exchanged(path):
    path.write_text("one\ntwX\n")


@pytest.mark.parametrize("change", [appended, exchanged])
@pytest.mark.parametrize("whole", ["file", "folder", "pattern"])
def test_a_corpus_that_changed_between_two_readings_is_named(tmp_path, change, whole):
    (tmp_path / "letters").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "letters" / name).write_text("one\ntwo\n")
        os.utime(tmp_path / "letters" / name, (0, 0))
    named = {"file": "letters/b.txt", "folder": "letters", "pattern": "letters/*.txt"}[whole]
    corpus = read_corpus(tmp_path / named)
    assert list(corpus) == list(corpus)
    change(tmp_path / "letters" / "b.txt")
    with pytest.raises(CorpusError, match="was changed while it was read") as refused:
        list(corpus)
    assert ("b.txt" in refused.value.cause) is (whole != "pattern")


def test_a_reading_that_is_broken_off_compares_nothing(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("one\ntwo\n")
    corpus = read_corpus(path)
    next(iter(corpus))
    exchanged(path)
    assert [document.text for document in corpus] == ["one", "twX"]


@pytest.mark.skipif(sys.platform != "linux", reason="names of files as bytes")
def test_names_of_files_act_on_no_terminal(tmp_path):
    folder = tmp_path / "letters"
    folder.mkdir()
    for name in (b"caf\xe9.txt", b"\x1b[2J.txt", b"a\nb.txt"):
        with open(os.path.join(os.fsencode(folder), name), "w") as file:  # noqa: PTH123, PTH118
            file.write("one\n")
    places = {document.place for document in read_corpus(folder)}
    assert places == {"caf\ufffd.txt line 1", "\\x1b[2J.txt line 1", "a\\x0ab.txt line 1"}


@pytest.mark.skipif(os.name != "posix", reason="pipes")
def test_what_can_be_read_once_is_no_corpus(tmp_path):
    os.mkfifo(tmp_path / "corpus.jsonl")
    with pytest.raises(CorpusError, match="neither a file nor a folder"):
        read_corpus(tmp_path / "corpus.jsonl")
