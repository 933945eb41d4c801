"""Damage that is easy to miss: it is found, named by its place, and the rest is read."""

import gzip
import json
import random

import pytest

from detectors import read_corpus
from detectors.corpus.documents import REPLACED, WINDOWS
from detectors.corpus.readers import NOT_JSON
from detectors.corpus.rows import DOUBLED, NO_TEXT
from detectors.corpus.sources import CARRIAGE_RETURNS, GUESSED_UTF_16, TORN
from detectors.corpus.tables import OPEN_QUOTE

PEOPLE = ("Zoë Quill: 415-555-0101", "Ben Ross: 415-555-0102", "José Núñez: 415-555-0103")


def problems(documents):
    return [(document.place, document.problems) for document in documents if document.problems]


@pytest.mark.parametrize(
    ("header", "row", "text"),
    [
        ("name,phone,phone", "Ada Quill,1,2", "name: Ada Quill\nphone: 1\nphone: 2"),
        ("phone,name,phone,phone", "1,Ada Quill,2,3", "phone: 1\nphone: 2\nphone: 3\nname: Ada Quill"),
        ("text,text", "one,two", "text: one\ntext: two"),
        ("Text,n,text", "one,x,two", "text: one\ntext: two"),
    ],
)
def test_two_columns_of_one_name_are_both_read(write, header, row, text):
    (document,) = read_corpus(write(f"{header}\n{row}\n", "corpus.csv"))
    assert document.text == text
    assert problems([document]) == [("row 1", (DOUBLED,))]


@pytest.mark.parametrize(
    "line",
    [
        '{"name": "Ada Quill", "phone": "1", "phone": "2"}',
        '{"text": {"name": "Ada Quill", "phone": "1", "phone": "2"}}',
        '{"name": "Ada Quill", "phone": ["1"], "phone": "2"}',
    ],
)
def test_two_keys_of_one_name_are_both_read(write, line):
    (document,) = read_corpus(write(line))
    assert document.text == "name: Ada Quill\nphone: 1\nphone: 2"
    assert document.problems == (DOUBLED,)


def test_two_columns_of_one_name_in_parquet_are_both_read(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table([["1"], ["2"]], names=["phone", "phone"])
    parquet.write_table(table, tmp_path / "a.parquet")
    (document,) = read_corpus(tmp_path / "a.parquet")
    assert document.text == "phone: 1\nphone: 2"
    assert document.problems == (DOUBLED,)


@pytest.mark.parametrize(
    ("rows", "damaged"),
    [
        (['1,"Ada,01', "2,Ben,02", "3,Cy,03"], ["row 1 (line 2)"]),
        (["1,Ada,01", '2,"Ben,02', '3,"Cy",03'], ["row 2 (line 3)"]),
        (["1,Ada,01", '2,Ben,"02', '3,Cy,"03"', "4,Dee,04"], ["row 2 (line 3)"]),
        (['1,"Ada,01', "2,Ben,02", "3,Cy,03", '4,Dee",04'], ["row 1 (line 2)"]),
        (['1,"Ada,01', '2,"Ben,02', "3,Cy,03"], ["row 1 (line 2)", "row 2 (line 3)"]),
        (['1,"Ada" Q,01', "2,Ben,02"], ["row 1 (line 2)"]),
    ],
)
def test_an_open_quote_makes_no_people_one(write, rows, damaged):
    documents = list(read_corpus(write("\n".join(["n,name,phone", *rows]), "corpus.csv")))
    assert [document.text.split("phone: ")[1] for document in documents] == [
        f"0{number}" for number in range(1, len(rows) + 1)
    ]
    found = problems(documents)
    assert [place for place, _ in found][: len(damaged)] == damaged
    assert all(reasons == (OPEN_QUOTE,) for _, reasons in found)


@pytest.mark.parametrize("header", ['n,"name,phone', '"n,name,phone', 'n,name,"phone'])
def test_an_open_quote_in_the_header_costs_no_column(write, header):
    documents = list(read_corpus(write(f"{header}\n1,Ada,01\n2,Ben,02\n", "corpus.csv")))
    assert [document.text for document in documents] == [
        "n: 1\nname: Ada\nphone: 01",
        "n: 2\nname: Ben\nphone: 02",
    ]
    assert problems(documents) == [("row 1", (OPEN_QUOTE,))]


def test_cells_of_several_lines_stay_whole(write):
    rows = 'n,name,note\n1,Ada,"one, two\nthree\nfour, five"\n2,"Ben\nRoss",x\n3,Cy,"""quoted"""\n'
    documents = list(read_corpus(write(rows, "corpus.csv")))
    assert len(documents) == 3
    assert problems(documents) == []
    assert "one, two three four, five" in documents[0].text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.json", "a.txt.gz"])
def test_other_encodings_are_read(write, name, encoding):
    kind = name.split(".")[1]
    text = {
        "txt": "\n".join(PEOPLE),
        "csv": "text\n" + "\n".join(PEOPLE),
        "jsonl": "\n".join(json.dumps({"text": text}, ensure_ascii=False) for text in PEOPLE),
        "json": json.dumps([{"text": text} for text in PEOPLE], ensure_ascii=False),
    }[kind]
    content = text.encode(encoding)
    documents = list(read_corpus(write(gzip.compress(content) if name.endswith("gz") else content, name)))
    assert tuple(document.text for document in documents) == PEOPLE
    guessed = [(documents[0].place, (GUESSED_UTF_16,))] if encoding.endswith("e") else []
    assert problems(documents) == guessed


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.jsonl", "a.json"])
def test_latin_letters_of_one_byte_are_read_and_named(write, name):
    values = [f'{{"text": "{text}"}}' if "json" in name else text for text in PEOPLE]
    text = "[" + ",\n".join(values) + "]" if name == "a.json" else "\n".join(values)
    documents = list(read_corpus(write(("text\n" * (name == "a.csv") + text).encode("latin-1"), name)))
    assert tuple(document.text for document in documents) == PEOPLE
    assert {reason for _, reasons in problems(documents) for reason in reasons} == {WINDOWS}
    assert documents[0].problems


@pytest.mark.parametrize("raw", [b"Zo\xeb \xff\xfe\xfd\xfc", "Zoë ".encode() + b"M\xfcller", b"\xff\xff"])
def test_what_is_no_text_of_one_byte_is_replaced(write, raw):
    (document,) = read_corpus(write(raw, "a.txt"))
    assert "\ufffd" in document.text
    assert document.problems == (REPLACED,)


@pytest.mark.parametrize(("name", "place"), [("a.txt", "line 1"), ("a.csv", "row 1"), ("a.jsonl", "line 1")])
def test_lone_carriage_returns_end_lines(write, name, place):
    values = [f'{{"text": "{text}"}}' if "json" in name else text for text in PEOPLE]
    content = "\r".join((["text"] if "csv" in name else []) + values)
    documents = list(read_corpus(write(content, name)))
    assert tuple(document.text for document in documents) == PEOPLE
    assert problems(documents) == [(place, (CARRIAGE_RETURNS,))]


def test_a_lone_carriage_return_divides_a_line_of_text(write):
    documents = list(read_corpus(write("fine\r\nAda\rBen\r\nlast\r\n", "a.txt")))
    assert [document.text for document in documents] == ["fine", "Ada\nBen", "last"]
    assert problems(documents) == [("line 2", (CARRIAGE_RETURNS,))]


def test_text_that_is_null_is_named(write, tmp_path):
    lines = '{"text": "a"}\n{"text": null}\n{"text": null, "name": "Ada"}\n{"text": "b"}\n'
    reason = ("skipped: `text` does not hold text",)
    assert problems(read_corpus(write(lines))) == [("line 2", reason), ("line 3", reason)]
    values = ",".join(lines.split("\n")[:-1])
    assert [place for place, _ in problems(read_corpus(write(f"[{values}]", "a.json")))] == [
        "item 2 (line 1)",
        "item 3 (line 1)",
    ]
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"text": ["a", None, "b"]}), tmp_path / "a.parquet")
    assert problems(read_corpus(tmp_path / "a.parquet")) == [("row 2", (NO_TEXT,))]


@pytest.mark.parametrize("bad", ["{", "nonsense", '{"text": "Ada Quill"', "\x00", '{"text": 5}'])
def test_one_bad_line_among_many_is_named_alone(write, bad):
    lines = [f'{{"text": "line {number}"}}' for number in range(20_000)]
    lines[random.Random(bad).randrange(20_000)] = bad
    documents = list(read_corpus(write("\n".join(lines))))
    assert len(documents) == 20_000
    assert sum(bool(document.text) for document in documents) == 19_999
    (found,) = problems(documents)
    assert found[0] == f"line {lines.index(bad) + 1}"


@pytest.mark.parametrize("bad", ['{"text": "b",}', '{"text" "b"}', '{"text": "b"', "{'text': 'b'}"])
def test_a_damaged_item_of_a_list_is_named_and_the_rest_read(write, bad):
    content = f'[\n  {{"text": "a"}},\n  {bad},\n  {{"text": "c"}},\n  {{"text": "d"}}\n]\n'
    documents = list(read_corpus(write(content, "a.json")))
    assert problems(documents) == [("item 2 (line 3)", (NOT_JSON,))]
    assert [document.text for document in documents if document.text] == ["a", "c", "d"]


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_torn_archive_is_read_up_to_its_damage(write, share):
    source = random.Random(0)
    lines = [f"line {number} {source.random()}" for number in range(50_000)]
    packed = gzip.compress("\n".join(lines).encode())
    documents = list(read_corpus(write(packed[: int(share * len(packed))], "a.txt.gz")))
    assert [document.text for document in documents[:100]] == lines[:100]
    assert [reasons for _, reasons in problems(documents)] == [(TORN,)]
