"""verify-report: every change of a folder is found, and a folder that nobody touched agrees."""

import json
import os
import random
import shutil

import pytest
from forging import attest_anew, config_changed, rewrite_report, wrong

import expunge
from editor.attestation import agreement
from editor.cli import main
from editor.report.write import FORMATS, README
from policies.errors import ExitCode, RequestError

CHANGES = 200
LIGHT = {name: FORMATS[name] for name in ("report.json", "summary.md")}
"""Pages that are written fast, for tests of what is beside them."""


@pytest.fixture
def light(monkeypatch, copied):
    """A copy whose report has few pages."""
    monkeypatch.setattr(agreement, "FORMATS", LIGHT)
    monkeypatch.setattr("forging.FORMATS", LIGHT)
    agreement._rendered.cache_clear()
    yield copied
    agreement._rendered.cache_clear()


@pytest.mark.parametrize("kind", ["erased", "audited", "verified"])
def test_a_folder_that_nobody_touched_agrees(request, kind):
    checked = expunge.verify_report(request.getfixturevalue(kind))
    assert (checked.findings, checked.exit_code) == ((), ExitCode.MET)
    assert checked.report.exit_code == (1 if kind == "audited" else 0)


def test_200_changes_of_a_byte_are_all_found(copied):
    generator = random.Random(0)
    files = sorted(path for path in copied.rglob("*") if path.is_file())
    missed = []
    for number in range(CHANGES):
        path = files[number % len(files)]
        data = path.read_bytes()
        place, mask = generator.randrange(len(data)), generator.randrange(1, 256)
        changed = bytes([data[place] ^ mask])
        path.write_bytes(data[:place] + changed + data[place + 1 :])
        if expunge.verify_report(copied).exit_code != ExitCode.USAGE:
            missed.append((path.name, place, mask))
        path.write_bytes(data)
    assert missed == []
    assert len(files) <= CHANGES // 4
    assert expunge.verify_report(copied).exit_code == ExitCode.MET


def row(data, measure):
    return next(row for row in data["criteria"] if row["measure"] == measure)


def whole(data):
    return next(row for row in data["groups"] if (row["group"], row["wording"]) == ("erased", "all"))


def set_in(place, key, value):
    """A change of one value, at a place that is looked up in the report."""

    def change(data):
        place(data)[key] = value

    return change


def top(data):
    return data


EDITS = {  # name -> a change of the report's data, and a word of what is found
    "the verdict": (set_in(top, "verdict", "The policy is met."), "verdict"),
    "the exit code": (set_in(top, "exit_code", 4), "exit code"),
    "a threshold": (set_in(lambda d: row(d, "greedy_rate"), "threshold", 1.0), "greedy_rate"),
    "a measured figure": (set_in(lambda d: row(d, "others_kept"), "measured", 0.99999), "others_kept"),
    "a criterion that passed": (
        set_in(lambda d: row(d, "perplexity_rise"), "passed", False),
        "perplexity_rise",
    ),
    "a criterion that was not tested": (
        set_in(lambda d: row(d, "same_subject_kept"), "tested", True),
        "same_subject_kept",
    ),
    "what is required": (set_in(lambda d: row(d, "integrity"), "required", True), "integrity"),
    "a criterion left out": (lambda d: d["criteria"].remove(row(d, "decoy_percentile")), "decoy_percentile"),
    "criteria in another order": (lambda d: d["criteria"].reverse(), "their order"),
    "a fact that leaks": (set_in(lambda d: d["facts"][0], "leaked_after", True), "greedy_rate"),
    "a fact's place among decoys": (
        set_in(lambda d: d["facts"][0], "decoy_percentile_after", 0.0),
        "decoy_percentile",
    ),
    "a fact's truth ratio": (
        set_in(lambda d: d["forget_quality"]["facts"][0], "log_truth_ratio", -99.0),
        "forget quality",
    ),
    "a never-seen ratio": (lambda d: d["forget_quality"]["never_seen"].pop(), "forget quality"),
    "a fact of forget quality": (
        set_in(lambda d: d["forget_quality"]["facts"][0], "fact", "PHONE_NUMBER 00000000"),
        "not in scope",
    ),
    "a fact left out": (lambda d: d["facts"].clear(), "group `erased`"),
    "a person's row": (set_in(lambda d: d["subjects"][0], "facts", 2), "subjects"),
    "what greedy decoding leaks": (
        set_in(lambda d: whole(d)["after"]["greedy_facts"], "hits", 1),
        "`erased`",
    ),
    "what sampling leaks": (
        set_in(lambda d: whole(d)["after"]["decodings"][0]["extractable"], "hits", 1),
        "extractable_rate",
    ),
    "what is kept": (set_in(lambda d: row(d, "others_kept")["counted"], "total", 99), "others_kept"),
    "perplexity": (set_in(lambda d: d["perplexities"][0], "after", 1e3), "perplexity_rise"),
    "an integrity check": (set_in(lambda d: d["integrity"][0], "passed", False), "integrity"),
    "an integrity check left out": (lambda d: d["integrity"].pop(), "integrity"),
    "something skipped": (lambda d: d["scope"]["skipped"].append("document 7: too long"), "exit code"),
    "the policy's digest": (set_in(lambda d: d["policy"], "digest", "0" * 64), "policy"),
    "the policy's text": (
        lambda d: d["policy"].update(
            text=d["policy"]["text"].replace("greedy_rate: 0.0", "greedy_rate: 0.5")
        ),
        "policy",
    ),
    "the policy's name": (set_in(lambda d: d["policy"], "name", "strict"), "policy"),
    "what fails the run": (set_in(lambda d: d["gate"], "waived", ["leakage"]), "gate"),
    "the checkpoint's digest": (set_in(lambda d: d["model_after"], "digest", "0" * 64), "tensors"),
    "the original's digest": (set_in(lambda d: d["model_before"], "digest", "0" * 64), "inputs.model"),
    "the seed": (set_in(top, "seed", 7), "seed"),
    "a version": (set_in(lambda d: d["versions"], "torch", "1.0"), "versions"),
    "the kind": (set_in(top, "kind", "verify"), "model"),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_report_is_found_though_all_evidence_was_made_anew(light, name):
    change, found = EDITS[name]
    rewrite_report(light, change)
    assert found in wrong(light)


def test_the_originals_digest_is_found_where_the_manifest_follows(light):
    rewrite_report(light, set_in(lambda d: d["model_before"], "digest", "0" * 64))
    attest_anew(light, lambda manifest: manifest["inputs"].update(model="0" * 64))
    assert wrong(light) == "edit.json does not lead back to the model that the report names"


@pytest.mark.parametrize("name", ["rate", "low", "high"])
def test_a_figure_that_is_derived_is_derived_again(light, name):
    path = light / "report.json"
    data = json.loads(path.read_text())
    row(data, "others_kept")["counted"][name] = 0.123
    path.write_text(json.dumps(data, sort_keys=True, indent=2, ensure_ascii=False) + "\n")
    attest_anew(light)
    assert "derived figure" in wrong(light)


@pytest.mark.parametrize("name", sorted({*FORMATS, README} - {"report.json"}))
def test_a_page_is_rendered_again(copied, name):
    path = copied / name
    path.write_text(path.read_text(encoding="utf-8").replace("met", "not met", 1), encoding="utf-8")
    attest_anew(copied)
    assert wrong(copied) == f"{name} is not what report.json says"


def test_a_page_of_another_version_is_told_from_a_changed_one(copied):
    path = copied / "summary.md"
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    attest_anew(copied, lambda manifest: manifest["versions"].update(matplotlib="1.0"))
    checked = expunge.verify_report(copied)
    assert (checked.disagreements, checked.exit_code) == ((), ExitCode.INCOMPLETE)
    assert "other versions (matplotlib)" in checked.unchecked[0]


def test_whoever_rewrites_everything_alike_is_not_found_without_a_signature(copied):
    def change(data):
        whole(data)["after"]["exact_memorisation"] = 0.0

    rewrite_report(copied, change)
    assert expunge.verify_report(copied).exit_code == ExitCode.MET


def test_files_that_are_missing_or_that_nobody_listed(copied):
    (copied / "report.html").unlink()
    (copied / "model" / "adapter.py").write_text("")
    found = wrong(copied)
    assert "'report.html' is in the manifest and missing" in found
    assert "'model/adapter.py' is not in the manifest" in found


@pytest.mark.parametrize("name", ["manifest.json", "statement.json", "bom.json", "report.json", "model"])
def test_no_part_can_be_left_out(copied, name):
    path = copied / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    found = wrong(copied).replace("'", "")
    assert f"{name} is missing" in found or f"{name} is in the manifest and missing" in found


@pytest.mark.parametrize("name", ["manifest.json", "statement.json", "bom.json", "report.json"])
@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{}", "[" * 100_000, "\ufeff{}", '{"files": {"../x": 1}}']
)
def test_what_is_no_evidence_is_a_finding_and_no_crash(light, name, text):
    (light / name).write_text(text, encoding="utf-8")
    assert name in wrong(light)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(copied):
    (copied / "summary.md").unlink()
    os.mkfifo(copied / "summary.md")
    assert "summary.md" in wrong(copied)


RECORDS = {
    "a tensor before": (lambda d: next(iter(d["tensors"].values())).__setitem__(0, "0" * 64), "lead back"),
    "a tensor after": (
        lambda d: next(iter(d["tensors"].values())).__setitem__(1, "0" * 64),
        "after the edit",
    ),
    "the original": (set_in(top, "before", "0" * 64), "lead back"),
    "the checkpoint": (set_in(top, "after", "0" * 64), "after the edit"),
    "a tensor left out": (lambda d: d["tensors"].pop(next(iter(d["tensors"]))), "edit.json"),
    "the tensors' names": (lambda d: d["parameters"].update(other={}), "name other tensors"),
    "no record": (lambda d: d.pop("after"), "none that a run writes"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_changed_record_of_the_edit_is_found_where_the_manifest_follows(light, name):
    change, found = RECORDS[name]
    path = light / "edit.json"
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))
    attest_anew(light)
    assert found in wrong(light)


def test_a_record_of_the_edit_that_is_missing_is_found_where_the_manifest_follows(light):
    (light / "edit.json").unlink()
    attest_anew(light)
    assert wrong(light) == "edit.json is missing"


def test_the_edit_of_an_earlier_version_inside_the_output_may_be_kept_apart(light):
    (light / "edit").mkdir()
    (light / "edit.json").rename(light / "edit" / "edit.json")
    listed = json.loads((light / "manifest.json").read_text())["files"]["edit.json"]
    attest_anew(light, lambda manifest: manifest["files"].update({"edit/edit.json": listed}))
    assert expunge.verify_report(light).exit_code == ExitCode.MET
    shutil.rmtree(light / "edit")
    checked = expunge.verify_report(light)
    assert checked.exit_code == ExitCode.MET
    assert checked.notes == ("The folder edit is kept apart, so its files were not compared",)


def test_a_checkpoint_elsewhere_is_compared_where_it_is_named(audited, verified, case, copied):
    assert expunge.verify_report(audited, checkpoint=case.model).exit_code == ExitCode.MET
    assert expunge.verify_report(verified, checkpoint=copied / "model").exit_code == ExitCode.MET
    config_changed(copied, case)
    assert wrong(verified, checkpoint=copied / "model") == (
        "The checkpoint's 'config.json' is not the one that the run judged"
    )
    with pytest.raises(RequestError, match="There is no folder"):
        expunge.verify_report(audited, checkpoint=copied / "nowhere")


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return stopped.value.code, captured.out, captured.err


def test_the_command_says_what_it_found_and_its_exit_code(copied, audited, capsys):
    code, out, _ = run(capsys, "verify-report", audited)
    assert (code, "All agrees" in out, "(exit code 1)" in out) == (0, True, True)
    (copied / "summary.md").write_text("The policy is met.")
    (copied / "new.txt").write_text("")
    code, out, _ = run(capsys, "verify-report", copied)
    assert code == 2
    assert out.splitlines()[0] == "Does not agree:"
    assert "'summary.md' has another sha256 than in the manifest." in out
    assert "'new.txt' is not in the manifest." in out
    assert "All" not in out
    code, _, err = run(capsys, "verify-report", copied / "nowhere")
    assert (code, "There is no folder" in err) == (2, True)
