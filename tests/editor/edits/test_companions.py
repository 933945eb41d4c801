"""Files beside a model's weights: what is copied, and that a secret in one is found before the work."""

import pytest

from editor.artefacts.scanner import SecretScanner
from editor.edits.companions import check_companions, companions
from policies.errors import OutputError

SECRET = "415-555-0132"


@pytest.fixture
def folder(tmp_path):
    for name in ("config.json", "tokenizer.json", "notes.txt", "README.md", "model.safetensors.index.json"):
        (tmp_path / name).write_text("{}")
    return tmp_path


def check(folder):
    check_companions(folder, SecretScanner({SECRET: "fact F-1234"}))


def test_what_is_copied(folder):
    (folder / "gone.txt").symlink_to(folder / "nowhere")
    (folder / "more.json").mkdir()
    assert [path.name for path in companions(folder)] == ["config.json", "notes.txt", "tokenizer.json"]
    (folder / "config.json").unlink()
    assert companions(folder) == []


@pytest.mark.parametrize("text", [SECRET, '{"phone": "+1 415 555 0132"}', "415&#45;555&#45;0132"])
@pytest.mark.parametrize("name", ["notes.txt", "config.json", "training_args.json"])
def test_a_secret_in_a_file_that_is_copied(folder, name, text):
    (folder / name).write_text(f"asked of {text}.")
    with pytest.raises(OutputError, match=f"{name} holds fact F-1234") as refused:
        check(folder)
    assert "0132" not in str(refused.value)
    assert "out of the model's folder" in refused.value.remedy


def test_a_secret_in_the_name_of_a_file(folder):
    (folder / f"letter-{SECRET}.txt").write_text("")
    with pytest.raises(OutputError, match="The name of a file of the model holds fact F-1234") as refused:
        check(folder)
    assert "0132" not in str(refused.value)


@pytest.mark.parametrize("name", ["README.md", "tokenizer.json"])
def test_what_is_not_copied_or_is_a_vocabulary_is_not_looked_into(folder, name):
    (folder / name).write_text(SECRET)
    check(folder)
