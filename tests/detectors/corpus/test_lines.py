"""The line of its file at which a document, and a secret in it, stands: what viewers of findings point to."""

import gzip
import json
import mailbox
from email.message import EmailMessage

import pytest

from detectors import read_corpus

SECRET = "415-555-0101"
CHAT = {"messages": [{"role": "user", "content": "Phone?"}, {"role": "assistant", "content": SECRET}]}
RECORDS = [{"id": "a", "text": "Nothing."}, {"id": "b", "text": f"Ada has {SECRET}."}]
FILES = {  # name, text, line of the secret
    "lines.jsonl": ("\n".join(map(json.dumps, [RECORDS[0], CHAT])), 2),
    "blank.jsonl": ("\n\n" + json.dumps(RECORDS[1]), 3),
    "list.json": (json.dumps(RECORDS, indent=1), 6),
    "plain.txt": (f"Nothing.\n\nAda has {SECRET}.\n", 3),
    "table.csv": (f'id,text\n1,"two\nlines"\n2,Ada has {SECRET}\n', 4),
    "columns.tsv": (f"name\tphone\nBen\t-\nAda\t{SECRET}\n", 3),
    "page.md": (f"\n# Notes\n\n| Ada | {SECRET} |\n", 4),
    "page.html": (f"<p>Nothing.</p>\n<p>Ada has {SECRET}.</p>\n", 1),
}


def lines(path):
    """File and line of the secret, wherever it stands."""
    for document in read_corpus(path):
        if SECRET in document.text:
            yield document.file, document.line_at(document.text.index(SECRET))


@pytest.mark.parametrize("name", FILES)
def test_a_secret_is_at_its_line(tmp_path, name):
    text, line = FILES[name]
    path = tmp_path / name
    path.write_text(text)
    assert list(lines(path)) == [(path.as_posix(), line)]
    packed = path.with_name(f"{name}.gz")
    packed.write_bytes(gzip.compress(text.encode()))
    assert list(lines(packed)) == [(packed.as_posix(), line)]


def test_a_message_is_at_the_line_where_it_begins(tmp_path):
    box = mailbox.mbox(tmp_path / "post.mbox")
    for text in ("Nothing.", f"Ada has {SECRET}."):
        message = EmailMessage()
        message["Subject"] = "Numbers"
        message.set_content(text)
        box.add(message)
    box.close()
    written = (tmp_path / "post.mbox").read_text().splitlines()
    begins = [number for number, line in enumerate(written, start=1) if line.startswith("From ")]
    assert list(lines(tmp_path / "post.mbox")) == [(f"{tmp_path}/post.mbox", begins[1])]


def test_files_of_a_folder_and_of_a_pattern_are_named_as_the_corpus_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "may.txt").write_text(f"Nothing.\n{SECRET}\n")
    assert list(lines("letters")) == list(lines("letters/*.txt")) == [("letters/may.txt", 2)]


def test_a_page_of_several_parts_counts_on(tmp_path, monkeypatch):
    monkeypatch.setattr("detectors.corpus.pages.LONGEST_DOCUMENT_CHARACTERS", 40)
    monkeypatch.setattr("detectors.corpus.pages._BLOCK_BYTES", 24)
    text = "\n".join(f"line {number} of several" for number in range(1, 9)) + f"\n{SECRET}\n"
    (tmp_path / "long.md").write_text(text)
    assert len(list(read_corpus(tmp_path / "long.md"))) > 1
    assert [line for _, line in lines(tmp_path / "long.md")] == [9]


def test_a_row_of_parquet_stands_for_a_line(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    texts = ["Nothing.", "Nothing.", f"Ada has {SECRET}."]
    parquet.write_table(pyarrow.table({"text": texts}), tmp_path / "rows.parquet")
    assert [line for _, line in lines(tmp_path / "rows.parquet")] == [3]
