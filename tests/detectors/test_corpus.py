import pytest

from detectors import read_corpus
from policies.errors import CorpusError


@pytest.fixture
def write(tmp_path):
    def write_corpus(content, name="corpus.jsonl"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_corpus


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
        (b"\xff\xff", "is not UTF-8"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_damaged_line_is_named_by_number_only(write, line, problem):
    line = line if isinstance(line, bytes) else line.encode()
    corpus = read_corpus(write(b'{"text": "fine"}\n\n' + line + b"\n"))
    with pytest.raises(CorpusError) as caught:
        list(corpus)
    assert "Line 3" in caught.value.cause
    assert problem in caught.value.cause
    assert "Quill" not in str(caught.value)


def test_unusable_paths(write, tmp_path):
    for path in (tmp_path, tmp_path / "missing.jsonl", write("a,b\n", "corpus.csv")):
        with pytest.raises(CorpusError):
            read_corpus(path)
    with pytest.raises(CorpusError, match="holds no document"):
        list(read_corpus(write("\n \n")))


def test_repr_shows_no_text(write):
    (document,) = read_corpus(write('{"id": "a", "text": "Ada Quill", "subjects": ["Ada Quill"]}'))
    assert "Quill" not in repr(document)
