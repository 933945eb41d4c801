"""What cannot be used is refused before weights are read, whichever of the inputs it is, and nothing is written."""

import shutil
import subprocess
import sys
from collections import namedtuple

import pytest
from launching import environment

from editor.api.planning.disk import check_disk
from editor.cli import main
from policies.errors import OutputError

BAD = {
    "request": (("--request", "nowhere.yaml"), "nowhere.yaml"),
    "also erased": (("--subject", "Ada Quill", "--also-erased", "gone.yaml"), "gone.yaml"),
    "probes": (("--probes", "nowhere.jsonl"), "nowhere.jsonl cannot be read"),
    "corpus": (("--corpus", "nowhere.txt"), "There is no corpus nowhere.txt"),
    "quality": (("--detector-quality", "nowhere.json"), "nowhere.json"),
    "revision": (("--revision", "v1"), "is a folder, and --revision names one"),
}
DICTIONARY = (("--dictionary", "./nowhere"), "nowhere does not exist")
ALWAYS = {"policy.yaml", "facts.jsonl"}
OFFLINE = """
import atexit, sys
from editor.cli import main
atexit.register(lambda: print("torch" in sys.modules))
main(["audit", "nobody/no-such-model", "--facts", "facts.jsonl", "--output", "out"])
"""
Usage = namedtuple("Usage", "free")


@pytest.fixture(autouse=True)
def nothing_is_computed(monkeypatch):
    def fail(*_, **__):
        raise AssertionError("the work began")

    for name in ("editor.model.loading._load_weights", "editor.case.build_probes"):
        monkeypatch.setattr(name, fail)


def refused(capsys, here, command, *arguments):
    given = ("--facts", "facts.jsonl", "--policy", "policy.yaml", "--output", "out", "--device", "cpu")
    with pytest.raises(SystemExit) as stopped:
        main([command, *map(str, arguments), *given])
    assert stopped.value.code == 2
    assert {path.name for path in here.iterdir()} == ALWAYS
    return capsys.readouterr().err


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("command", ["audit", "erase"])
def test_inputs(here, checkpoint, capsys, command, case):
    more, cause = BAD[case]
    assert cause in refused(capsys, here, command, checkpoint("gpt2"), *more)


@pytest.mark.parametrize("command", ["erase", "compare", "locate"])
def test_dictionaries(here, checkpoint, capsys, command):
    more, cause = DICTIONARY
    more = (*more, "--locator", "features") if command == "locate" else more
    assert cause in refused(capsys, here, command, checkpoint("gpt2"), *more)


@pytest.mark.parametrize("command", ["audit", "erase"])
def test_a_full_disk(here, checkpoint, capsys, monkeypatch, command):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**20))
    said = refused(capsys, here, command, checkpoint("gpt2"))
    assert "1 MiB free" in said
    assert "Free some space" in said


def test_room_is_looked_for_above_a_folder_that_is_not_there(tmp_path):
    check_disk(tmp_path / "not" / "there", 1)
    with pytest.raises(OutputError, match="the output takes"):
        check_disk(tmp_path / "not" / "there", 2**80)


def test_a_hub_name_offline_is_refused_before_torch_is_imported(here):
    offline = {**environment(), "HF_HUB_OFFLINE": "1", "HF_HOME": str(here)}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE], capture_output=True, text=True, check=False, env=offline
    )
    assert (done.returncode, done.stdout.strip()) == (2, "False")
    assert "nobody/no-such-model" in done.stderr
    assert "HF_HUB_OFFLINE is set" in done.stderr
