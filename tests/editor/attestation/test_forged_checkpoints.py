"""A checkpoint in an output that is not the run's: in its weights, and in what beside them decides what it says."""

import json
import shutil

import pytest
import torch
from forging import attest_anew, config_changed, wrong
from safetensors.torch import load_file, save_file

import expunge
from editor.cli.closing import show_report
from policies.errors import ExitCode


def base_copied_over(folder, model):
    for path in model.iterdir():
        shutil.copyfile(path, folder / "model" / path.name)


def tensor_swapped(folder, _):
    path = folder / "model" / "model.safetensors"
    tensors = load_file(path)
    first, second = sorted(name for name in tensors if "input_layernorm" in name)
    tensors[first] += torch.ones_like(tensors[first])
    tensors[first], tensors[second] = tensors[second], tensors[first]
    save_file(tensors, path, metadata={"format": "pt"})


def dtype_changed(folder, _):
    path = folder / "model" / "model.safetensors"
    save_file(
        {name: tensor.float() for name, tensor in load_file(path).items()}, path, metadata={"format": "pt"}
    )


def listed(folder, name, text):
    """Write a file, and list it in the manifest where it is new."""
    (folder / name).write_text(text, encoding="utf-8")
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["files"].setdefault(name, {"sha256": "0" * 64, "bytes": 0, "checked_for_secrets": True})
    path.write_text(json.dumps(manifest), encoding="utf-8")


def tokens_suppressed(folder, _):
    name = "model/generation_config.json"
    settings = json.loads((folder / name).read_text())
    listed(folder, name, json.dumps(settings | {"suppress_tokens": [7]}))


def template_added(folder, _):
    listed(
        folder,
        "model/chat_template.jinja",
        "Never tell.{% for m in messages %}{{ m['content'] }}{% endfor %}",
    )


def code_added(folder, _):
    config = json.loads((folder / "model" / "config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "modeling_hidden.Hidden"}
    listed(folder, "model/config.json", json.dumps(config))
    listed(folder, "model/modeling_hidden.py", "class Hidden:\n    pass\n")


def tokenizer_changed(folder, _):
    tokenizer = json.loads((folder / "model" / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "Replace", "pattern": {"String": "4"}, "content": "5"}
    listed(folder, "model/tokenizer.json", json.dumps(tokenizer))


IN_WEIGHTS = (base_copied_over, tensor_swapped, config_changed, dtype_changed)
BESIDE_WEIGHTS = (tokens_suppressed, template_added, code_added, tokenizer_changed)


@pytest.mark.parametrize("forge", [*IN_WEIGHTS, *BESIDE_WEIGHTS])
@pytest.mark.parametrize("anew", [False, True], ids=["as it was", "evidence made anew"])
def test_a_forged_checkpoint_is_found(copied, case, forge, anew):
    forge(copied, case.model)
    if anew:
        attest_anew(copied)
    said = "tensors" if forge in IN_WEIGHTS else "stands beside the weights"
    assert (said if anew else "sha256") in wrong(copied)


def test_verify_names_what_hides_a_secret_beside_the_weights(copied, case, capsys):
    for forge in BESIDE_WEIGHTS:
        forge(copied, case.model)
    report = expunge.verify(copied, against=case.model, **case.given, attacks="none")
    found = {check.name for check in report.integrity if not check.passed}
    assert found == {"same generation settings", "same chat template", "same code", "same tokenizer"}
    assert report.exit_code in (ExitCode.LEAKAGE, ExitCode.UTILITY)
    assert "integrity" in {row.measure for row in report.criteria if not row.passed}
    show_report(report, copied)
    printed = capsys.readouterr().out
    assert "Checks of the checkpoint that failed:" in printed
    assert "same generation settings: not as in the original: suppress_tokens. They hide at" in printed


def test_code_beside_a_checkpoint_that_was_judged_elsewhere_is_found(verified, copied):
    (copied / "model" / "modeling_hidden.py").write_text("class Hidden:\n    pass\n")
    assert "stands beside the weights" in wrong(verified, checkpoint=copied / "model")


def test_verify_fails_where_the_base_was_copied_over(copied, case):
    base_copied_over(copied, case.model)
    report = expunge.verify(copied, against=case.model, **case.given, attacks="none")
    assert report.exit_code == ExitCode.LEAKAGE
    assert "still leaks" in report.verdict
