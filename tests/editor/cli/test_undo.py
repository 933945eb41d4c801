"""Taking edits back on the command line: encrypted originals, the base model, a person's name, and stops."""

import json
import os
import shutil
import signal

import pytest
from six_people import PEOPLE, write_case

import expunge
from editor.api import erase as erase_module
from editor.cli import main
from editor.model.stored import StoredWeights
from policies.errors import OutputError

pytestmark = pytest.mark.usefixtures("no_figures")

FAST = {
    "method": "memit",
    "strength": "default",
    "settings": {"steps": 2},
    "controls": False,
    "attacks": "none",
    "device": "cpu",
}
CASE = {"facts": "facts.jsonl", "policy": "policy.yaml", **FAST}


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    return stopped.value.code, " ".join((said.out + said.err).split())


@pytest.fixture
def key(here):
    path = here / "originals.key"
    path.write_text("5a" * 32)
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def kept(checkpoint, tmp_path_factory):
    """The folder of an erasure of one person, with its case key beside it. Tests must leave it as it was."""
    case = write_case(tmp_path_factory.mktemp("kept"))
    given = {"facts": case / "facts.jsonl", "policy": case / "policy.yaml", **FAST}
    expunge.erase(checkpoint("gpt2"), subjects=PEOPLE[:1], output=case / "one", keep_edit=True, **given)
    return case / "one"


@pytest.fixture
def one(here, kept):
    """A copy of it in the working folder."""
    shutil.copy(kept.with_name("one.key"), here)
    shutil.copytree(kept.with_name("one.edit"), here / "one.edit")
    return shutil.copytree(kept, here / "one")


def weights(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors*"))}


def test_encrypted_originals_from_erase_to_revert(here, capsys, checkpoint, key):
    model = checkpoint("gpt2")
    report = expunge.erase(
        model, subjects=PEOPLE[:1], output="out", keep_edit=True, originals_key=key, **CASE
    )
    assert {path.name for path in (here / "out.edit").iterdir()} == {
        "edit.json",
        "deltas.safetensors.enc",
        "manifest.json",
        "originals.safetensors.enc",
    }
    assert (report.edit.originals, report.edit.adapter) == ("encrypted", None)
    manifest = json.loads((here / "out.edit" / "manifest.json").read_text())["files"]
    assert not manifest["originals.safetensors.enc"]["checked_for_secrets"]
    head = json.loads((here / "out" / "edit.json").read_text())
    assert head["case"].startswith("case ")
    assert len(head["subjects"]) == 1
    assert head["before"] != head["after"]
    before = {path.name for path in here.iterdir()}
    (here / "other.key").write_text("00" * 32)
    (here / "other.key").chmod(0o600)
    for more, cause in (
        ((), "is encrypted"),
        (("--key", "other.key"), "does not open"),
        (("--key", "nowhere.key"), "not a readable key"),
        (("--key", key, "--passphrase-file", key), "Give one of the two"),
        (("--passphrase-file", key), "encrypted with a key"),
    ):
        code, said = run(capsys, "revert", "out", "--output", "back", *more)
        assert (code, cause in said) == (2, True), said
    assert {path.name for path in here.iterdir()} == before | {"other.key"}
    code, said = run(capsys, "revert", "out", "--output", "back", "--key", key)
    assert (code, "the digest equals the original's" in said) == (0, True)
    assert weights(here / "back") == weights(model)
    given = {"subjects": PEOPLE[:1], "facts": "facts.jsonl", "policy": "policy.yaml", "attacks": "none"}
    verified = expunge.verify("out", against=model, **given)
    assert {row.name: row.passed for row in verified.integrity}["only declared tensors differ"]


def test_a_passphrase_of_the_environment_and_the_base_model(here, capsys, checkpoint, monkeypatch):
    model = checkpoint("llama")
    monkeypatch.setattr("editor.edits.sealed.SCRYPT", {"n": 16, "r": 8, "p": 1})
    monkeypatch.setenv("EXPUNGE_ORIGINALS_PASSPHRASE", "correct horse")
    expunge.erase(model, subjects=PEOPLE[:1], output="out", keep_edit="apart", **CASE)
    assert run(capsys, "revert", "out", "--output", "back", "--edit", "apart")[0] == 0
    assert weights(here / "back") == weights(model)
    monkeypatch.delenv("EXPUNGE_ORIGINALS_PASSPHRASE")
    assert run(capsys, "revert", "out", "--output", "again")[0] == 2
    assert run(capsys, "revert", "out", "--output", "again", "--from", model)[0] == 0
    assert weights(here / "again") == weights(model)


def test_originals_that_are_not_kept_come_from_the_base_model_alone(here, capsys, checkpoint):
    model = checkpoint("llama")
    before = {path.name for path in here.iterdir()}
    report = expunge.erase(model, subjects=PEOPLE[:1], output="out", **CASE)
    assert {path.name for path in here.iterdir()} - before == {"out", "out.key"}
    assert not [
        path for path in (here / "out").rglob("*") if "edit" in path.name and path.name != "edit.json"
    ]
    assert report.edit.originals == "none"
    code, said = run(capsys, "revert", "out", "--output", "back")
    assert (code, "--from MODEL" in said) == (2, True)
    code, said = run(capsys, "revert", "out", "--output", "back", "--from", checkpoint("gpt2"))
    assert (code, "is not the model" in said) == (2, True)
    assert not (here / "back").exists()
    assert run(capsys, "revert", "out", "--output", "back", "--from", model)[0] == 0
    assert weights(here / "back") == weights(model)


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        (("--originals-key", "originals.key"), "cannot be encrypted"),
        (
            ("--keep-edit", "--originals-key", "originals.key", "--originals-passphrase-file", "w"),
            "one of the two",
        ),
        (("--keep-edit", "--originals-key", "nowhere"), "not a readable key"),
        (("--keep-edit", "--originals-key", "out/key"), "lies in the output folder"),
        (("--keep-edit", "out/edit"), "apart from the output"),
        (("--keep-edit", "."), "apart from the output"),
        (("--keep-edit", "taken"), "is not empty"),
    ],
)
def test_how_originals_are_kept_is_checked_before_a_model_is_loaded(here, capsys, key, more, cause):
    given = ("--facts", "facts.jsonl", "--policy", "policy.yaml", "--output", "out")
    (here / "taken").mkdir()
    (here / "taken" / "mine.txt").write_text("")
    code, said = run(capsys, "erase", "no/such/model", *given, *more)
    assert (code, cause in said) == (2, True), said
    assert not (here / "out").exists()
    assert key.exists()


def modes(folder):
    return {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}


def wrong_of_the_edit(folder, edit):
    """What does not agree, but for the pages: without figures they are others."""
    found = expunge.verify_report(folder, edit=edit).disagreements
    return " | ".join(line for line in found if "report.html" not in line)


def test_a_kept_edit_lies_apart_for_its_owner_alone(kept):
    found = modes(kept.with_name("one.edit"))
    assert found["one.edit"] == 0o700
    assert {found[name] for name in ("deltas.safetensors", "originals.safetensors")} == {0o600}
    assert {path.name for path in kept.iterdir()} >= {"model", "edit.json", "manifest.json"}
    assert not [path for path in kept.rglob("*") if path.stem in ("deltas", "originals", "adapter_model")]
    assert wrong_of_the_edit(kept, kept.with_name("one.edit")) == ""
    card = (kept / "model_card.md").read_text()
    assert "The change of weights was kept. With the edited checkpoint it gives back" in card


@pytest.mark.parametrize("name", ["deltas.safetensors", "originals.safetensors", "edit.json"])
def test_a_changed_byte_of_a_kept_edit_is_found_where_it_is_named(here, one, name):
    path = here / "one.edit" / name
    data = path.read_bytes()
    path.write_bytes(data[:-3] + bytes([data[-3] ^ 1]) + data[-2:])
    assert wrong_of_the_edit(one, None) == ""
    assert name in wrong_of_the_edit(one, "one.edit")


def test_the_edit_of_another_run_is_refused(here, capsys, one, checkpoint):
    expunge.erase(checkpoint("gpt2"), subjects=PEOPLE[1:2], output="two", keep_edit=True, **CASE)
    code, said = run(capsys, "revert", "one", "--output", "back", "--edit", "two.edit")
    assert (code, "is not the one of one" in said) == (2, True), said
    assert "is not the one of" in wrong_of_the_edit(one, "two.edit")
    (here / "one.edit").rename(here / "elsewhere")
    code, said = run(capsys, "revert", "one", "--output", "back")
    assert (code, "kept elsewhere" in said) == (2, True), said
    assert run(capsys, "revert", "one", "--output", "back", "--edit", "elsewhere")[0] == 0


@pytest.mark.parametrize("where", ["output", "edit"])
def test_where_one_of_both_folders_cannot_be_written_nothing_is_lost(here, checkpoint, monkeypatch, where):
    """What appears at the place of the output or of the edit while the run works is not replaced."""
    taken = here / ("out" if where == "output" else "out.edit")
    ended = erase_module.close

    def close(*arguments):
        taken.mkdir()
        (taken / "mine.txt").write_text("mine")
        return ended(*arguments)

    monkeypatch.setattr(erase_module, "close", close)
    with pytest.raises(OutputError, match="finished"):
        expunge.erase(checkpoint("gpt2"), subjects=PEOPLE[:1], output="out", keep_edit=True, **CASE)
    assert [path.name for path in taken.iterdir()] == ["mine.txt"]
    left = {path.name.partition(".finished")[0] for path in here.iterdir() if ".finished" in path.name}
    assert left == {taken.name}
    assert (here / "out.edit" / "edit.json").exists() is False
    assert not [path for path in here.iterdir() if ".partial" in path.name]


@pytest.mark.usefixtures("one")
def test_one_persons_share_of_a_joint_edit_is_not_taken_back(here, capsys, checkpoint):
    model = checkpoint("gpt2")
    expunge.erase(model, subjects=PEOPLE[:2], output="both", **CASE)
    for folder, name, cause in (
        ("both", PEOPLE[0], "fitted to 2 people together"),
        ("both", PEOPLE[2], "is not about the person"),
        ("one", PEOPLE[2], "is not about the person"),
    ):
        code, said = run(capsys, "revert", folder, "--output", "back", "--subject", name)
        assert (code, cause in said) == (2, True), said
        assert name not in said
        assert not (here / "back").exists()
    code, _ = run(capsys, "revert", "one", "--output", "back", "--subject", PEOPLE[0])
    assert code == 0
    assert weights(here / "back") == weights(model)
    (here / "one.key").rename(here / "elsewhere.key")
    code, said = run(capsys, "revert", "one", "--output", "again", "--subject", PEOPLE[0])
    assert (code, "case key" in said) == (2, True)
    more = ("--subject", PEOPLE[0], "--case-key", "elsewhere.key")
    assert run(capsys, "revert", "one", "--output", "again", *more)[0] == 0


@pytest.mark.usefixtures("one")
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk full")])
def test_a_revert_that_is_stopped_half_way_leaves_nothing(here, capsys, monkeypatch, error):
    write, before = StoredWeights.write, {path.name for path in here.iterdir()}

    def stopped(self, changed):
        write(self, changed)
        raise error

    monkeypatch.setattr(StoredWeights, "write", stopped)
    code, _ = run(capsys, "revert", "one", "--output", "back")
    assert code in (4, 5)
    assert {path.name for path in here.iterdir()} == before


KILLED = """
import os, signal, sys
from editor.cli import main
from editor.model.stored import StoredWeights
write = StoredWeights.write
def killed(self, changed):
    write(self, changed)
    os.kill(os.getpid(), signal.SIGTERM)
StoredWeights.write = killed
main(sys.argv[1:])
"""


@pytest.mark.usefixtures("one")
@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_revert_that_is_killed_half_way_leaves_nothing(here, forked):
    before = {path.name for path in here.iterdir()}
    done = forked(KILLED, "revert", "one", "--output", "back")
    assert done.returncode == 4, done.stderr
    assert "Nothing was written" in done.stderr
    assert {path.name for path in here.iterdir()} == before
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
