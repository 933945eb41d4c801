"""The installation's check: what is amiss is named with a remedy, and the exit code says whether anything is."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from editor.api.doctor import Diagnosis, Finding, machine, packages
from editor.api.doctor.machine import check_devices, check_disks, check_memory
from editor.api.doctor.models import check_ner_models
from editor.api.doctor.packages import check_names, check_python, check_versions
from editor.cli import main
from policies.errors import ExitCode


def states(findings):
    return [one.state for one in findings]


def test_versions_against_their_bounds():
    found = list(
        check_versions(
            (
                "click>=8.2",
                "rich>=999.1",
                "there-is-no-such-package>=1.0",
                "there-is-no-other; extra == 'parquet'",
                "nor-this>=2; extra == 'dev'",
            )
        )
    )
    texts = {one.text: one for one in found}
    assert sorted(states(found)) == ["bad", "bad", "good", "note"]
    assert texts["there-is-no-such-package is not installed"].remedy.endswith(
        "'there-is-no-such-package>=1.0'`"
    )
    (old,) = [text for text in texts if text.startswith("rich ")]
    assert old.endswith("is older than 999.1, the oldest that is supported")
    (extra,) = [one for one in found if one.state == "note"]
    assert "`parquet`" in extra.text
    assert "[parquet]" in extra.remedy


def test_what_is_declared_is_read_whole():
    assert "bad" not in states(check_versions())
    assert states(check_python()) == ["good"]


@pytest.mark.parametrize(
    ("older", "newer"),
    [("2.6", "2.6.1"), ("2.9", "2.13.0+cpu"), ("5.0.0", "5.23.0"), ("9.0.28", "9.0.43"), ("8", "8.2")],
)
def test_numbers_of_versions(older, newer):
    assert packages._release(older) < packages._release(newer)


def test_zeros_at_the_end_do_not_count():
    assert packages._release("2.6") == packages._release("2.6.0") == packages._release("2.6.0+cu124")


@pytest.mark.parametrize("place", ["editor/__init__.py", "policies.py"])
def test_a_package_of_another_with_one_of_our_names(tmp_path, place):
    path = tmp_path / "site" / place
    path.parent.mkdir(parents=True)
    path.write_text("")
    (found,) = check_names(search=[str(tmp_path / "site")], distributions={})
    assert (found.state, str(path) in found.text) == ("bad", True)
    assert "environment of its own" in found.remedy


def test_a_distribution_that_brings_one_of_our_names():
    (found,) = check_names(
        search=[], distributions={"editor": ["expunge", "some-editor"], "click": ["click"]}
    )
    assert found.state == "bad"
    assert "some-editor" in found.text


def test_another_copy_of_expunge_is_no_clash(tmp_path):
    for name in packages.NAMES:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
    found = list(check_names(search=[str(tmp_path)], distributions={}))
    assert states(found) == ["note", "good"]
    assert f"another copy of Expunge in {tmp_path.resolve()}" in found[0].text


def test_what_the_installation_itself_brought_is_no_clash(tmp_path, monkeypatch):
    (tmp_path / "expunge.py").write_text("")
    (found,) = check_names(search=[str(tmp_path)], distributions={})
    assert found.state == "bad"
    monkeypatch.setattr(packages, "_installed_files", lambda: {(tmp_path / "expunge.py").resolve()})
    (found,) = check_names(search=[str(tmp_path)], distributions={})
    assert found.state == "good"


def test_our_names_alone(tmp_path):
    (tmp_path / "editor").mkdir()  # without modules of its own it hides nothing
    (found,) = check_names(search=[str(tmp_path)], distributions={"editor": ["expunge"]})
    assert found.state == "good"


def test_no_gpu(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(machine, "NVIDIA", tmp_path / "none")
    assert states(check_devices()) == ["good"]


@pytest.mark.parametrize(("built_for", "state"), [("12.8", "bad"), (None, "note")])
def test_a_gpu_that_pytorch_cannot_use(monkeypatch, tmp_path, built_for, state):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", built_for)
    monkeypatch.setattr(machine, "NVIDIA", tmp_path)
    found = list(check_devices())
    assert states(found) == ["good", state]
    assert "built for CPUs alone" in found[1].text or built_for


def test_a_gpu_that_fails(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a GPU")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=2**30))

    def fail(*_, **__):
        raise RuntimeError("no kernel image")

    monkeypatch.setattr(torch, "ones", fail)
    found = list(check_devices())
    assert states(found) == ["good", "bad"]
    assert "cuda:0 cannot be computed on (RuntimeError)" in found[1].text


def test_an_installation_without_torch_can_still_be_looked_at():
    program = (
        "import sys; sys.modules['torch'] = None\n"
        "from editor.api.doctor import check_devices\n"
        "print(*(one.state for one in check_devices()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("bad", "")


def test_memory_and_disks(monkeypatch, tmp_path):
    assert states(check_memory(2**40)) == ["good"]
    assert states(check_memory(2**20)) == ["note"]
    assert states(check_disks({"here": tmp_path, "not made yet": tmp_path / "a" / "b"})) == ["good", "good"]
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
    assert states(check_disks({"here": tmp_path})) == ["bad"]


def test_models_for_names():
    found = list(check_ner_models({"en_core_web_lg": None, "de_core_news_sm": "OSError"}))
    assert states(found) == ["good", "bad"]
    assert "spacy download de_core_news_sm" in found[1].remedy
    assert states(check_ner_models({})) == ["note"]


def test_notes_do_not_change_the_exit_code():
    note = Finding(area="a", state="note", text="t")
    assert Diagnosis(findings=(note,)).exit_code == ExitCode.MET
    assert Diagnosis(findings=(note, Finding(area="a", state="bad", text="t"))).exit_code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("state", "code", "said"), [("bad", 2, "1 to mend"), ("note", 0, "Nothing must be mended")]
)
def test_the_command(capsys, monkeypatch, state, code, said):
    findings = (
        Finding(area="versions", state="good", text="2 packages are new enough"),
        Finding(area="versions", state=state, text="rich [1] is older", remedy="Run `pip install rich`"),
    )
    monkeypatch.setattr("editor.api.doctor.run_doctor", lambda: Diagnosis(findings=findings))
    with pytest.raises(SystemExit) as stopped:
        main(["doctor"])
    out = capsys.readouterr().out
    assert stopped.value.code == code
    assert all(text in out for text in (said, "rich [1] is older", "Run `pip install rich`."))
    assert out.count("Versions") == 1
    with pytest.raises(SystemExit):
        main(["doctor", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert (told["command"], told["exit_code"]) == ("doctor", code)
    assert told["findings"][1] == {
        "area": "versions",
        "state": state,
        "text": "rich [1] is older",
        "remedy": "Run `pip install rich`",
    }
