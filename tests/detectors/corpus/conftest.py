import pytest


@pytest.fixture
def write(tmp_path):
    def write_corpus(content, name="corpus.jsonl"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_corpus
