"""Formats that people have: each is read as a stream, packed or not, alone or in a folder."""

import bz2
import gzip
import json
import lzma
import mailbox
import tracemalloc
from email.message import EmailMessage

import pytest

from detectors import read_corpus
from detectors.corpus.json_files import LONG_VALUE
from detectors.corpus.mails import ATTACHMENT, NO_MESSAGE
from detectors.corpus.reading import BINARY, FOLDER_LINK, HIDDEN, UNREADABLE
from policies.errors import CorpusError

PEOPLE = [{"name": "Ada Quill", "phone": "1"}, {"name": "Ben Ross", "phone": "2"}]
TEXTS = ["name: Ada Quill\nphone: 1", "name: Ben Ross\nphone: 2"]


def texts(path):
    return [document.text for document in read_corpus(path)]


@pytest.mark.parametrize(
    "value",
    [
        PEOPLE,
        {"data": PEOPLE},
        {"version": "1.0", "rows": PEOPLE},
        {"people": PEOPLE},
        {"train": PEOPLE[:1], "test": PEOPLE[1:]},
        {"features": [], "rows": PEOPLE},
        {"data": {"train": PEOPLE[:1], "test": PEOPLE[1:]}},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_list_is_read_wherever_it_stands(write, value, indent):
    path = write(json.dumps(value, indent=indent), "a.json")
    assert texts(path) == TEXTS


@pytest.mark.parametrize(
    "record",
    [
        {"name": "Ada Quill", "phones": [{"kind": "home", "number": "1"}]},
        {"phones": [{"kind": "home", "number": "1"}], "name": "Ada Quill"},
        {"messages": [{"role": "user", "content": "Hello"}]},
    ],
)
def test_a_json_object_that_is_a_record_is_one_document(write, record):
    assert len(texts(write(json.dumps(record), "a.json"))) == 1
    assert len(texts(write("\n".join([json.dumps(record)] * 3), "a.json"))) == 3, (
        "JSON lines under another name"
    )


def test_an_object_too_long_to_be_held_is_its_objects_lists_and_values(write, monkeypatch):
    monkeypatch.setattr("detectors.corpus.json_files._LONGEST_OBJECT", 1_000)
    long = {"note": "x" * 600_000, "a": PEOPLE[0], "b": PEOPLE[1:], "version": 1}
    found = texts(write(json.dumps(long), "a.json"))
    assert [text[:25] for text in found] == [*(text[:25] for text in TEXTS), "note: xxxxxxxxxxxxxxxxxxx"]


@pytest.mark.parametrize("shape", ["[%s]", '{"data": [%s]}', "%s"])
def test_a_json_list_of_any_size_takes_little_memory(write, shape):
    item = json.dumps({"text": "x" * 4_000})
    separator = "\n" if shape == "%s" else ","
    path = write(shape % separator.join([item] * 5_000), "a.json")
    tracemalloc.start()
    count = sum(1 for _ in read_corpus(path))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 5_000
    assert peak < 14_000_000 < path.stat().st_size


def test_a_value_beyond_the_limit_is_named(write, monkeypatch):
    monkeypatch.setattr("detectors.corpus.json_files._LONGEST_VALUE", 100_000)
    content = '[{"text": "a"},\n{"text": "%s"},\n{"text": "c"}]' % ("x " * 500_000)
    documents = list(read_corpus(write(content, "a.json")))
    assert [document.text for document in documents] == ["a", "", "c"]
    assert (documents[1].place, documents[1].problems) == ("item 2 (line 2)", (LONG_VALUE,))


def packed(kind, content):
    if kind != "zst":
        return {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}[kind](content)
    pyarrow = pytest.importorskip("pyarrow")
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as output:
        output.write(content)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", "\n".join(map(json.dumps, PEOPLE))),
        ("a.json", json.dumps(PEOPLE)),
        ("a.csv", "name,phone\nAda Quill,1\nBen Ross,2\n"),
        ("a.tsv", "name\tphone\nAda Quill\t1\nBen Ross\t2\n"),
    ],
)
def test_packed_files_are_read_as_what_they_hold(write, kind, name, content):
    assert texts(write(packed(kind, content.encode()), f"{name}.{kind}")) == TEXTS


def test_arrow_files_and_streams_are_read(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.Table.from_pylist(PEOPLE * 300)
    for name, new in (("a.arrow", pyarrow.ipc.new_stream), ("b.arrow", pyarrow.ipc.new_file)):
        with new(tmp_path / name, table.schema) as writer:
            writer.write_table(table)
        assert texts(tmp_path / name) == TEXTS * 300
    (tmp_path / "c.arrow").write_bytes(b"nothing of the kind")
    with pytest.raises(CorpusError, match="not a readable Arrow"):
        texts(tmp_path / "c.arrow")


def message(text="Call me at 415-555-0101.", subject="Hello"):
    mail = EmailMessage()
    mail["From"] = "Zoë Quill <zoe@rivermouth.example>"
    mail["To"] = "ben@rivermouth.example"
    mail["Subject"] = subject
    mail.set_content(text)
    return mail


def test_a_mail_is_its_headers_and_its_text(write):
    (document,) = read_corpus(write(bytes(message()), "a.eml"))
    assert document.text == (
        "From: Zoë Quill <zoe@rivermouth.example>\nTo: ben@rivermouth.example\nSubject: Hello\n\n"
        "Call me at 415-555-0101."
    )
    assert document.problems == ()


def test_of_alternatives_the_plain_text_is_read_and_markup_where_it_is_alone(write):
    mail = message()
    mail.add_alternative("<p>Call <b>me</b></p>", subtype="html")
    assert texts(write(bytes(mail), "a.eml"))[0].endswith("\n\nCall me at 415-555-0101.")
    mail = message()
    mail.set_content("<p>Ada&nbsp;Quill</p><p>415</p><script>no</script>", subtype="html")
    assert texts(write(bytes(mail), "a.eml"))[0].split("\n\n", 1)[1] == "Ada Quill\n415"


def test_attachments_of_text_are_read_and_others_named(write):
    mail = message()
    mail.add_attachment("name,phone\nAda Quill,415-555-0102", subtype="csv", filename="a.csv")
    mail.add_attachment(message("Inner."), filename="inner.eml")
    (document,) = read_corpus(write(bytes(mail), "a.eml"))
    assert "415-555-0102" in document.text
    assert document.text.endswith("Subject: Hello\n\nInner.")
    assert document.problems == ()
    mail.add_attachment(b"\x89PNG", maintype="image", subtype="png")
    (document,) = read_corpus(write(bytes(mail), "a.eml"))
    assert document.problems == (ATTACHMENT,)


def test_a_mailbox_gives_the_messages_that_were_put_in(tmp_path):
    box = mailbox.mbox(tmp_path / "a.mbox")
    for number in range(5):
        box.add(message(f"Number {number}.\n\nFrom here on\nFrom the start"))
    box.close()
    documents = list(read_corpus(tmp_path / "a.mbox"))
    assert [document.place for document in documents] == [f"message {number}" for number in range(1, 6)]
    assert [document.text.split("\n\n", 1)[1] for document in documents] == [
        f"Number {number}.\n\nFrom here on\nFrom the start" for number in range(5)
    ]


def test_what_is_no_mail_is_named(write):
    documents = list(read_corpus(write(b"From x\n\n\n\nFrom y\nSubject: hi\n\nbody\n", "a.mbox")))
    assert [(d.text, d.problems) for d in documents] == [("Subject: hi\n\nbody", ())]
    with pytest.raises(CorpusError, match="not a message"):
        list(read_corpus(write("\n\nno headers here\n", "a.eml")))
    assert NO_MESSAGE.startswith("skipped")


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("<p>Ada Quill</p><p>415</p>", "Ada Quill\n415"),
        ("<ul><li>Ada<li>Ben</ul>", "Ada\nBen"),
        ("Ada <b>Quill</b> &amp; Ben<br>415", "Ada Quill & Ben\n415"),
        ("<style>x</style><title>T</title>Ada\n  Quill", "T\nAda Quill"),
        ('<a href="mailto:ada@x.example">Ada</a>', "ada@x.example Ada"),
        ("<table><tr><td>Ada<td>415</table>", "| Ada | 415"),
        ("<table><tr><td>Ada</td><td></td><td>415</td></tr></table>", "| Ada | | 415"),
    ],
)
def test_a_page_is_its_text(write, page, text):
    (found,) = texts(write(page, "a.html"))
    assert " ".join(found.split(" ")).replace("  ", " ") == text


def test_markdown_is_one_document_and_a_log_one_a_line(write):
    assert texts(write("# Ada Quill\n\n- Phone: 415\n", "a.md")) == ["# Ada Quill\n\n- Phone: 415"]
    assert texts(write("one\ntwo\n", "a.log")) == ["one", "two"]


def test_a_page_longer_than_a_document_is_several(write):
    line = "é" * 99 + "\n"
    documents = list(read_corpus(write(line * 25_000, "a.md")))
    assert [document.place for document in documents] == ["part 1", "part 2", "part 3"]
    assert sum(document.text.count("é") for document in documents) == 99 * 25_000
    assert not any(document.problems for document in documents)


@pytest.fixture
def folder(write, tmp_path):
    write("a two\n", "folder/b.txt")
    write("a one\n", "folder/a/z.txt")
    write('{"id": "x", "text": "three"}\n{bad\n', "folder/c.jsonl")
    write("plain, with no suffix\n", "folder/d")
    write(b"\x89PNG\r\n\x1a\n\0\0", "folder/e.png")
    write("hidden", "folder/.f.txt")
    write("hidden", "folder/.git/config")
    (tmp_path / "folder/g").symlink_to(tmp_path / "folder/a")
    write(b"not parquet", "folder/h.parquet")
    return tmp_path / "folder"


def test_a_folder_is_read_by_name_and_what_is_passed_over_is_named(folder):
    documents = list(read_corpus(folder))
    assert [(d.id, d.text) for d in documents if d.text] == [
        ("a/z.txt:line-1", "a one"),
        ("b.txt:line-1", "a two"),
        ("c.jsonl:x", "three"),
        ("d:line-1", "plain, with no suffix"),
    ]
    assert [(d.place, d.problems[0]) for d in documents if d.problems][:6] == [
        (".f.txt", HIDDEN),
        (".git", HIDDEN),
        ("c.jsonl line 2", "skipped: it is not JSON"),
        ("e.png", BINARY),
        ("g", FOLDER_LINK),
        ("h.parquet", f"{UNREADABLE}: it is not a readable Parquet file"),
    ]
    assert list(read_corpus(folder)) == documents


def test_a_pattern_is_read_by_name_and_fits_no_hidden_file(folder):
    found = list(read_corpus(folder / "*" / "*.txt"))
    assert [document.text for document in found] == ["a one", "a one"], "in a folder, and by a link to it"
    assert found[0].place == f"{folder}/a/z.txt line 1"
    with pytest.raises(CorpusError, match="fits the pattern"):
        read_corpus(folder / "*.docx")


def test_a_folder_of_nothing_holds_no_document(tmp_path):
    with pytest.raises(CorpusError, match="holds no document"):
        list(read_corpus(tmp_path))
