import json
import sys

import pytest

from detectors import read_corpus
from detectors.corpus.documents import CUT, LONGEST_DOCUMENT_CHARACTERS, REPLACED
from detectors.corpus.tables import OPEN_QUOTE
from policies.errors import CorpusError


def test_jsonl(write):
    corpus = read_corpus(
        write(
            '\ufeff{"id": "a", "text": "One\\r\\ntwo.", "subjects": ["Ada  Quill", "Ada Quill", " "], "x": 1}\n'
            '\n{"id": 7, "text": "Line\u2028separator"}\r\n{"text": "No id.", "subjects": null}'
        )
    )
    documents = list(corpus)
    assert [document.id for document in documents] == ["a", "7", "line-4"]
    assert documents[0].text == "One\r\ntwo."
    assert documents[0].subjects == ("Ada Quill",)
    assert documents[1].text == "Line\u2028separator"
    assert list(corpus) == documents, "a corpus can be read again"


def test_txt(write):
    documents = list(read_corpus(write("First.\n\n  Third.\n", "corpus.txt")))
    assert [(document.id, document.text) for document in documents] == [
        ("line-1", "First."),
        ("line-3", "  Third."),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{'id': 1}", "is not JSON"),
        ('"Ada Quill"', "not a JSON object"),
        ('{"id": "Ada Quill"}', "no key `text`"),
        ('{"text": null}', "`text` does not hold text"),
        ('{"text": "Ada Quill", "id": [1]}', "`id` is neither"),
        ('{"text": "x", "subjects": "Ada Quill"}', "`subjects` is not a list"),
        ('{"text": "Ada Quill \\ud800"}', "surrogate"),
        ('{"text": "Ada Quill", "subjects": ["\\ud800"]}', "surrogate"),
        (b"\xff\xff", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_damaged_line_is_named_by_number_only(write, line, problem):
    line = line if isinstance(line, bytes) else line.encode()
    before, damaged, after = read_corpus(write(b'{"text": "fine"}\n\n' + line + b'\n{"text": "too"}\n'))
    assert (before.text, damaged.text, after.text) == ("fine", "", "too")
    assert (before.problems, after.problems) == ((), ())
    assert damaged.place == "line 3"
    assert problem in damaged.problems[0]
    assert "Quill" not in repr(damaged)
    with pytest.raises(CorpusError, match="no document that can be read") as caught:
        list(read_corpus(write(b"\n" + line)))
    assert "line 2" in caught.value.cause
    assert problem in caught.value.cause
    assert "Quill" not in str(caught.value)


def test_unusable_paths(write, tmp_path):
    for path in (tmp_path / "none", tmp_path / "missing.jsonl", write("a,b\n", "corpus.docx")):
        with pytest.raises(CorpusError):
            read_corpus(path)
    for content, name in (("\n \n", "a.jsonl"), ("id,text\n", "a.csv"), ("", "b.csv"), ("", "a.txt")):
        with pytest.raises(CorpusError, match="holds no document"):
            list(read_corpus(write(content, name)))


def test_repr_shows_no_text(write):
    (document,) = read_corpus(write('{"id": "a", "text": "Ada Quill", "subjects": ["Ada Quill"]}'))
    assert "Quill" not in repr(document)


def test_a_record_is_a_document_and_names_its_subject(write):
    nested = {"full_name": "Ada  Quill", "phones": ["a", "b"], "manager": {"name": "Ben Ross", "phone": 5}}
    lines = [
        {"id": 1, "text": nested},
        {"first_name": "Cy", "surname": "Dell", "note": None, "memo": "two\nlines"},
        {"text": [{"name": "Ada Quill"}, {"name": "Ben Ross"}]},
        {"text": "Prose.", "name": "a file's name"},
    ]
    documents = list(read_corpus(write("\n".join(map(json.dumps, lines)))))
    assert documents[0].text == (
        "full_name: Ada  Quill\nphones: a\nphones: b\nmanager.name: Ben Ross\nmanager.phone: 5"
    ).replace("  ", " ")
    assert documents[1].text == "first_name: Cy\nsurname: Dell\nmemo: two lines"
    assert documents[2].text == "text[0].name: Ada Quill\ntext[1].name: Ben Ross"
    assert [document.subjects for document in documents] == [
        ("Ada Quill", "Ben Ross"),
        ("Cy Dell",),
        ("Ada Quill", "Ben Ross"),
        (),
    ]


def test_csv_of_texts(write):
    content = '\ufeffID;Text;Subjects\r\n7;"One; ""two""\nlines";Ada Quill; \r\n\r\n;Three;Ada Quill;Ben\r\n'
    documents = list(read_corpus(write(content.replace("Ada Quill; ", '"Ada  Quill; "'), "corpus.csv")))
    assert [(document.id, document.text) for document in documents] == [
        ("7", 'One; "two"\nlines'),
        ("row-3", "Three"),
    ]
    assert documents[0].subjects == ("Ada Quill",)


def test_csv_of_records(write):
    documents = list(read_corpus(write("id,Name,Phone\n7,Ada Quill,555\n,Ben Ross,,extra\n", "corpus.csv")))
    assert [(d.id, d.text, d.subjects) for d in documents] == [
        ("7", "Name: Ada Quill\nPhone: 555", ("Ada Quill",)),
        ("row-2", "Name: Ben Ross\ncolumn 4: extra", ("Ben Ross",)),
    ]
    (row,) = read_corpus(write("name\tphone\nAda, Dr.\t5\n", "corpus.tsv"))
    assert row.text == "name: Ada, Dr.\nphone: 5"


def test_a_quote_that_never_ends_takes_no_other_row_with_it(write):
    documents = list(read_corpus(write('text\nfine\n"' + "Ada\n" * 50_000, "corpus.csv")))
    assert len(documents) == 50_001
    assert [document.text for document in documents[:3]] == ["fine", "Ada", "Ada"]
    assert [(d.place, d.problems) for d in documents if d.problems] == [("row 2 (line 3)", (OPEN_QUOTE,))]


def test_parquet(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = tmp_path / "corpus.parquet"
    rows = [
        {"id": 1, "person": {"name": "Ada Quill", "age": 5}, "note": None},
        {"id": 2, "person": None, "note": "x"},
    ]
    # Which order a guessed schema would have depends on the release of pyarrow.
    person = pyarrow.struct({"name": pyarrow.string(), "age": pyarrow.int64()})
    schema = pyarrow.schema({"id": pyarrow.int64(), "person": person, "note": pyarrow.string()})
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema), path)
    documents = list(read_corpus(path))
    assert [(d.id, d.text, d.subjects) for d in documents] == [
        ("1", "person.name: Ada Quill\nperson.age: 5", ("Ada Quill",)),
        ("2", "note: x", ()),
    ]
    texts = pyarrow.table({"text": ["a"] * 600, "subjects": [["Ada Quill", None]] * 600})
    parquet.write_table(texts, path)
    documents = list(read_corpus(path))
    assert (len(documents), documents[-1].id, documents[-1].text) == (600, "row-600", "a")
    assert documents[0].subjects == ("Ada Quill",)
    path.write_bytes(b"Ada Quill")
    with pytest.raises(CorpusError, match="not a readable Parquet"):
        list(read_corpus(path))


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "corpus.parquet").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"expunge\[parquet\]"):
        list(read_corpus(tmp_path / "corpus.parquet"))


@pytest.mark.parametrize("name", ["corpus.txt", "corpus.csv", "corpus.jsonl"])
def test_damage_in_a_document_is_recorded_there_alone(write, name):
    quote, end = (b'{"text": "', b'"}\n') if name.endswith("jsonl") else (b"", b"\n")
    bodies = [b"fine", b"broken \xff\xfe here", "עברית".encode(), b"last"]
    bodies += [b"nu\0ll"] if quote == b"" else []
    content = b"".join(quote + body + end for body in bodies)
    documents = list(read_corpus(write((b"text\n" if name.endswith("csv") else b"") + content, name)))
    assert [d.text for d in documents[:4]] == ["fine", "broken \ufffd\ufffd here", "עברית", "last"]
    assert [d.problems for d in documents] == [(), (REPLACED,), (), ()] + [()] * (len(bodies) - 4)
    assert "nu\0ll" in [d.text for d in documents] or quote


@pytest.mark.parametrize("name", ["corpus.txt", "corpus.csv", "corpus.jsonl"])
def test_an_over_long_document_is_cut_and_recorded(write, name):
    quote, end = ('{"text": "', '"}') if name.endswith("jsonl") else ("", "")
    body = "é" * (LONGEST_DOCUMENT_CHARACTERS * 5)
    header = "text\n" if name.endswith("csv") else ""
    documents = list(read_corpus(write(f"{header}{quote}{body}{end}\n{quote}last{end}\n", name)))
    assert [len(document.text) for document in documents] == [LONGEST_DOCUMENT_CHARACTERS, 4]
    assert [document.problems for document in documents] == [(CUT,), ()]
    assert set(documents[0].text) == {"é"}
