"""`expunge erase --method memit|pisces`, start to report: the checkpoint differs in the declared projections alone."""

import json

import pytest
import torch
from problems import random_dictionaries
from safetensors.torch import load_file
from six_people import PEOPLE

from dictionaries import save_dictionaries
from editor.cli import main
from editor.edits.edit import Edit
from editor.model.loading import load_model

pytestmark = pytest.mark.usefixtures("no_figures")


def stored(folder):
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


@pytest.mark.parametrize(
    ("method", "layers"), [("memit", ["transformer.h.0"]), ("pisces", ["transformer.h.0", "transformer.h.1"])]
)
def test_the_checkpoint_changes_in_declared_projections_and_comes_back(here, checkpoint, method, layers):
    model = checkpoint("gpt2", torch.bfloat16)
    case = ["--facts", "facts.jsonl", "--policy", "policy.yaml", "--subject", PEOPLE[0]]
    if method == "pisces":
        found = random_dictionaries(load_model(str(model), device="cpu"))
        for dictionary in found.values():
            with torch.no_grad():
                dictionary.W_enc.copy_(dictionary.W_dec.T)
        save_dictionaries(found, here / "dictionaries")
        case += ["--dictionary", "dictionaries"]
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
    assert report["edit"]["parameters"] == [f"{layer}.mlp.c_proj.weight" for layer in layers]
    assert all(check["passed"] for check in report["integrity"])
    before, after = stored(model), stored(here / "out" / "model")
    declared = set(Edit.load(here / "out.edit").deltas)
    moved = {name for name, tensor in before.items() if not torch.equal(after[name], tensor)}
    assert moved
    assert {f"transformer.{name.removeprefix('transformer.')}" for name in moved} <= declared
    with pytest.raises(SystemExit):
        main(["revert", "out", "--output", "back"])
    back = stored(here / "back")
    assert all(torch.equal(back[name], tensor) for name, tensor in before.items())
