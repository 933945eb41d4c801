"""`expunge erase --method circuit-...`, start to report: the written checkpoint differs inside the mask alone."""

import json

import pytest
import torch
from safetensors.torch import load_file
from six_people import PEOPLE

from editor.cli import main
from editor.edits.edit import Edit, MaskedDelta
from editor.locators.weight_mask import WeightMask
from editor.methods import METHODS, MethodEntry
from editor.methods.shared.searching import with_settings

pytestmark = pytest.mark.usefixtures("no_figures")


def stored(folder):
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


@pytest.mark.parametrize("method", ["circuit-node", "circuit-mask", "circuit-mlp"])
def test_the_checkpoint_changes_inside_the_circuit_alone_and_comes_back(
    here, checkpoint, method, monkeypatch
):
    quick = with_settings(METHODS[method].make(), {"steps": 6})
    if method == "circuit-mask":
        quick = with_settings(quick, {"locator": WeightMask(steps=6)})
    monkeypatch.setattr(MethodEntry, "make", lambda *_: quick)
    model = checkpoint("gpt2", torch.bfloat16)
    case = ("--facts", "facts.jsonl", "--policy", "policy.yaml", "--subject", PEOPLE[0])
    where = (
        "--strength",
        "default",
        "--attacks",
        "none",
        "--output",
        "out",
        "--keep-edit",
        "--quiet",
        "--device",
        "cpu",
    )
    with pytest.raises(SystemExit) as stopped:
        main([str(part) for part in ("erase", model, *case, "--method", method, *where)])
    assert stopped.value.code in (0, 1, 3, 4)  # a random model; what the verdict is does not matter here
    report = json.loads((here / "out" / "report.json").read_text())
    assert report["edit"]["method"] == method
    assert [row["name"] for row in report["controls"]] == ["random-circuit"]
    assert all(check["passed"] for check in report["integrity"])
    edit = Edit.load(here / "out.edit")
    before, after = stored(model), stored(here / "out" / "model")
    changed = 0
    for name, tensor in before.items():
        whole = name if name in edit.deltas else f"transformer.{name}"
        delta = edit.deltas.get(whole)
        assert delta is None or isinstance(delta, MaskedDelta)
        inside = delta.mask if delta is not None else torch.zeros(tensor.shape, dtype=torch.bool)
        moved = after[name].view(torch.int16) != tensor.view(torch.int16)
        assert not bool((moved & ~inside).any())
        changed += int(moved.sum())
    assert changed
    with pytest.raises(SystemExit):
        main(["revert", "out", "--output", "back"])
    back = stored(here / "back")
    assert all(torch.equal(back[name], tensor) for name, tensor in before.items())
