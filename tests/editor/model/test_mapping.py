"""A model that is larger than the memory it may take is edited from its files, as one in memory is."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from problems import ERASE, encode, make_problem
from six_people import PEOPLE, write_case
from transformers import AutoModelForCausalLM

from dictionaries.model.sites import Site, resolve
from editor.cli import main
from editor.edits.export import export_checkpoint
from editor.methods.features.feature_edit import FeatureEdit
from editor.methods.weights.memit import Memit
from editor.model.digests import tensor_digests
from editor.model.forward import marked_logits
from editor.model.loading import load_model
from editor.model.mapping import is_mapped, map_weights
from editor.model.placement import offload_keywords
from editor.model.precision import quick_precision
from editor.model.tokens import Sizes, one_batch
from policies.errors import ModelError

LITTLE = "cpu=20KB"


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.safetensors"))}


def mapped(folder):
    found = load_model(str(folder), device="cpu", max_memory=LITTLE, full_precision=True)
    assert is_mapped(found.model)
    assert Sizes.of(found.model).weights == 0
    return found


@pytest.mark.parametrize("family", ["gpt2", "llama", "gpt_neox"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["32", "b16"])
def test_it_computes_and_is_described_as_in_memory(checkpoint, loaded, family, dtype):
    here, there = loaded(family, dtype), mapped(checkpoint(family, dtype))
    batch = one_batch(here, encode(here, ERASE))
    assert torch.equal(marked_logits(there.model, batch), marked_logits(here.model, batch))
    assert tensor_digests(there) == tensor_digests(here)
    assert not any(hasattr(module, "_hf_hook") for module in there.model.modules())
    tied = here.model.config.tie_word_embeddings
    assert (there.model.get_input_embeddings().weight is there.model.get_output_embeddings().weight) == tied


@pytest.mark.parametrize(
    "method",
    [FeatureEdit(units=8, steps=2, probes=3, texts=2), Memit()],
    ids=["feature-edit", "memit"],
)
def test_an_edit_is_the_same_and_no_file_of_the_model_changes(checkpoint, loaded, tmp_path, method):
    folder = checkpoint("llama", torch.bfloat16)
    before = files_of(folder)
    here, there = loaded("llama", torch.bfloat16), mapped(folder)
    for name, model in (("here", here), ("there", there)):
        export_checkpoint(model, method.fit(make_problem(model)), tmp_path / name)
    assert files_of(tmp_path / "there") == files_of(tmp_path / "here")
    assert files_of(folder) == before
    with torch.no_grad():  # memory is written to, and no file
        there.model.get_parameter(resolve(there.model, Site(1)).projection_name).add_(1)
    assert files_of(folder) == before


def test_what_would_hold_all_weights_is_left_out_or_refused(checkpoint, tmp_path, monkeypatch, capsys):
    there = mapped(checkpoint("llama"))
    monkeypatch.setattr("editor.model.precision.WIDE", 1)
    monkeypatch.setattr("editor.model.precision.bfloat16_gains", lambda: True)
    with quick_precision(there):
        assert not torch.is_autocast_enabled("cpu")
    monkeypatch.chdir(tmp_path)
    write_case(tmp_path)
    given = ("--facts", "facts.jsonl", "--policy", "policy.yaml", "--subject", PEOPLE[0], "--device", "cpu")
    with pytest.raises(SystemExit) as stopped:
        main(
            ["erase", str(checkpoint("llama")), *given, "--output", "out", "--max-memory", LITTLE, "--quiet"]
        )
    assert stopped.value.code == 2
    assert "Give --attacks none" in capsys.readouterr().err


def test_weights_that_no_file_holds_by_their_names_are_copied_once(checkpoint, loaded, monkeypatch):
    monkeypatch.setattr("editor.model.mapping.StoredWeights.find", lambda _: None)
    here = loaded("llama")
    model = AutoModelForCausalLM.from_pretrained(
        checkpoint("llama"), device_map="auto", **offload_keywords(LITTLE)
    )
    map_weights(model, checkpoint("llama"), "model")
    assert all(
        torch.equal(weight, here.model.get_parameter(name)) for name, weight in model.named_parameters()
    )


def test_a_weight_that_is_nowhere_is_refused_by_name(loaded):
    model = deepcopy(loaded("gpt2").model).to("meta")
    with pytest.raises(ModelError, match="does not fit into memory, and cannot be read"):
        map_weights(model, Path("no such folder"), "model")
