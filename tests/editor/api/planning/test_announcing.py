"""A run says first what it is going to take, to whoever watches it, and is refused where the disk has no room."""

import shutil
from collections import namedtuple

import pytest
from adapters_made import lora, save_adapter_of
from every_family import make_family
from made_machine import MACHINE
from six_people import PEOPLE, write_case
from tokenizing import make_tokenizer

from editor.api.planning.disk import LEAST_FREE, checkpoint_bytes
from editor.api.planning.machine import Machine
from editor.cli import main
from editor.model.loading import load_model, quiet

GIVEN = (
    *("--facts", "facts.jsonl", "--policy", "policy.yaml", "--subject", PEOPLE[0]),
    *("--device", "cpu", "--output", "out"),
)
Usage = namedtuple("Usage", "free")


class BeganError(Exception):
    pass


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A case, a machine that is not timed, and work that ends where it begins."""

    def begin(*_, **__):
        raise BeganError

    monkeypatch.chdir(tmp_path)
    write_case(tmp_path)
    monkeypatch.setattr(Machine, "here", lambda *_: MACHINE)
    monkeypatch.setenv("COLUMNS", "100")
    for job in ("pipeline.measure_original", "api.verify.measure_original", "api.erase.supply_dictionaries"):
        monkeypatch.setattr(f"editor.{job}", begin)
    return tmp_path


def said(capsys, command, *arguments):
    with pytest.raises(SystemExit):
        main([command, *map(str, arguments), *GIVEN])
    return capsys.readouterr().err


def test_an_erasure_is_planned_by_stage_before_it_computes(checkpoint, capsys):
    text = said(capsys, "erase", checkpoint("llama"), "--attacks", "none")
    first, *stages = text[text.index("Planned: ") :].splitlines()
    assert "MiB of memory at most" in first
    assert "MiB of disk" in first
    named = [line.strip().split("  ")[0] for line in stages if line.startswith("  ")]
    assert named[:3] == ["questions of the original", "dictionaries", "locating"]
    assert named[-1] == "verification"  # no attacks, which take no time


def test_an_audit_and_a_verification_are_planned(checkpoint, capsys):
    assert "Planned: " in said(capsys, "audit", checkpoint("gpt2"))
    check = said(capsys, "verify", checkpoint("gpt2"), "--against", checkpoint("gpt2"))
    assert "  attacks on it" in check


@pytest.mark.parametrize("option", ["--quiet", "--json"])
def test_nobody_is_told_who_does_not_watch(checkpoint, capsys, option):
    assert "Planned" not in said(capsys, "audit", checkpoint("gpt2"), option)


@pytest.mark.parametrize("family", ["mamba", "rwkv"])
def test_what_cannot_be_edited_is_planned_for_an_audit(here, capsys, family):
    with quiet():
        make_family(family).save_pretrained(here / "odd")
    make_tokenizer().save_pretrained(here / "odd")
    assert "Planned: " in said(capsys, "audit", "odd")


def test_a_disk_without_room_for_a_merged_adapter_is_refused(here, checkpoint, capsys, monkeypatch):
    save_adapter_of(checkpoint("llama"), lora(), here / "adapter")
    loaded = load_model("adapter", device="cpu")
    weights = sum(weight.numel() * 4 for weight in loaded.model.parameters())
    assert checkpoint_bytes(loaded) == LEAST_FREE + weights
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(LEAST_FREE + weights - 1))
    with pytest.raises(SystemExit) as stopped:
        main(["erase", "adapter", *GIVEN])
    assert stopped.value.code == 2
    assert "MiB free" in capsys.readouterr().err
    assert not (here / "out").exists()
