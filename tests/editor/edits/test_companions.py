"""Files beside a model's weights: what is copied, and that a secret in one is found before the work."""

import pytest

from editor.artefacts.scanner import SecretScanner
from editor.edits.companions import check_companions, companions
from policies.errors import OutputError

SECRET = "415-555-0132"


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in (
        "config.json",
        "tokenizer.json",
        "vocab.txt",
        "notes.txt",
        "run.py",
        "README.md",
        "trainer_state.json",
    ):
        (folder / name).write_text("{}")
    (folder / "model.safetensors.index.json").write_text("{}")
    return folder


def check(folder):
    check_companions(folder, SecretScanner({SECRET: "fact F-1234"}))


def test_what_is_copied(folder):
    (folder / "vocab-gone.txt").symlink_to(folder / "nowhere")
    (folder / "tokenizer_more.json").mkdir()
    assert [path.name for path in companions(folder)] == ["config.json", "tokenizer.json", "vocab.txt"]
    assert [path.name for path in companions(folder, code=True)] == [
        *("config.json", "run.py", "tokenizer.json", "vocab.txt"),
    ]
    (folder / "config.json").unlink()
    assert companions(folder) == []


@pytest.mark.parametrize("text", [SECRET, '{"phone": "+1 415 555 0132"}', "415&#45;555&#45;0132"])
@pytest.mark.parametrize("name", ["vocab-more.txt", "config.json", "tokenizer_config.json"])
def test_a_secret_in_a_file_that_is_copied(folder, name, text):
    (folder / name).write_text(f"asked of {text}.")
    with pytest.raises(OutputError, match=f"{name} holds fact F-1234") as refused:
        check(folder)
    assert "0132" not in str(refused.value)
    assert "out of the model's folder" in refused.value.remedy


def test_a_secret_in_the_name_of_a_file(folder):
    (folder / f"vocab-{SECRET}.txt").write_text("")
    with pytest.raises(OutputError, match="The name of a file of the model holds fact F-1234") as refused:
        check(folder)
    assert "0132" not in str(refused.value)


@pytest.mark.parametrize("name", ["README.md", "tokenizer.json", "notes.txt", "run.py"])
def test_what_is_not_copied_or_is_a_vocabulary_is_not_looked_into(folder, name):
    (folder / name).write_text(SECRET)
    check(folder)


@pytest.mark.parametrize("name", ["vocab-more.txt", "tokenizer_config.json", "chat_template.jinja"])
@pytest.mark.parametrize("relative", [True, False])
def test_a_file_behind_a_link_out_of_the_folder_is_never_published(folder, name, relative):
    (folder.parent / "id_rsa").write_text("private")
    (folder / name).symlink_to("../id_rsa" if relative else folder.parent / "id_rsa")
    assert name not in [path.name for path in companions(folder)]
    with pytest.raises(OutputError, match=f"{name} is a link out of the model's folder") as refused:
        check(folder)
    assert "in place of the link" in refused.value.remedy


def test_a_link_to_a_link_out_of_the_folder_is_one(folder):
    (folder.parent / "id_rsa").write_text("private")
    (folder / "inner").symlink_to(folder.parent / "id_rsa")
    (folder / "merges.txt").symlink_to("inner")
    assert "merges.txt" not in [path.name for path in companions(folder)]


def test_links_within_the_folder_and_of_the_hubs_cache_are_followed(folder):
    cache = folder.parent / "models--owner--name"
    (cache / "snapshots").mkdir(parents=True)
    (cache / "blobs").mkdir()
    folder.rename(cache / "snapshots" / "1234")
    folder = cache / "snapshots" / "1234"
    (cache / "blobs" / "abcd").write_text("{}")
    (folder / "tokenizer_config.json").symlink_to("../../blobs/abcd")
    (folder / "merges.txt").symlink_to("vocab.txt")
    names = [path.name for path in companions(folder)]
    assert {"tokenizer_config.json", "merges.txt"} < set(names)
    check(folder)
