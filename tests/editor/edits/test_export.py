"""What is written is an ordinary checkpoint, the edit and nothing else changed."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from adapters_made import lora, save_adapter_of
from peft import PeftModel
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from dictionaries.model.sites import Site, resolve
from editor.edits.edit import Delta, Edit
from editor.edits.export import export_checkpoint, save_adapter
from editor.model.digests import tensor_digests
from editor.model.loading import load_model
from policies.errors import EditError

FAMILIES = ("gpt2", "gpt_neox", "llama", "gemma2", "qwen2")


def edit_for(model, rank=2):
    name = resolve(model, Site(1)).projection_name
    rows, columns = model.get_parameter(name).shape
    generator = torch.Generator().manual_seed(0)
    delta = Delta(
        left=torch.randn(rows, rank, generator=generator),
        right=torch.randn(rank, columns, generator=generator),
    )
    return name, Edit(deltas={name: delta}, method="test")


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_only_the_declared_tensor_differs_and_the_model_is_left_alone(loaded, tmp_path, family, dtype):
    source = loaded(family, dtype)
    before = tensor_digests(source)
    held = {name: tensor.clone() for name, tensor in source.model.state_dict().items()}
    name, edit = edit_for(source.model)
    originals = export_checkpoint(source, edit, tmp_path / "model").tensors
    assert all(torch.equal(tensor, held[name]) for name, tensor in source.model.state_dict().items())
    again = load_model(str(tmp_path / "model"), device="cpu")
    assert again.stored_dtype == dtype
    after = tensor_digests(again)
    assert {n for n in before if before[n] != after[n]} == {name}
    (original,) = originals.values()
    assert torch.equal(original, source.model.get_parameter(name).to(dtype))
    expected = (source.model.get_parameter(name) + edit.deltas[name].dense()).to(dtype).float()
    assert torch.equal(again.model.get_parameter(name), expected)


def test_plain_transformers_loads_it_with_its_tokenizer(loaded, tmp_path):
    source = loaded("gpt2", torch.bfloat16)
    _, edit = edit_for(source.model)
    export_checkpoint(source, edit, tmp_path / "model")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert model.dtype == torch.bfloat16
    text = "Bruno Marsh lives at 48 Alder Lane."
    assert tokenizer(text)["input_ids"] == source.tokenizer(text)["input_ids"]


def names_in(folder):
    with safe_open(Path(folder, "model.safetensors"), "pt") as file:
        return sorted(file.keys())


@pytest.mark.parametrize("family", FAMILIES)
def test_tied_tensors_are_written_once_and_nothing_is_printed(loaded, tmp_path, capfd, family):
    source = loaded(family, torch.bfloat16)
    capfd.readouterr()
    export_checkpoint(source, edit_for(source.model)[1], tmp_path / "model")
    assert capfd.readouterr() == ("", "")
    assert names_in(tmp_path / "model") == names_in(source.source)
    again = load_model(str(tmp_path / "model"), device="cpu")
    tied = source.model.config.tie_word_embeddings
    model = again.model
    assert (model.get_input_embeddings().weight is model.get_output_embeddings().weight) == tied


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_the_adapter_does_what_the_edit_does(loaded, checkpoint, tmp_path, family):
    source = loaded(family)
    _, edit = edit_for(source.model)
    edit = edit.scaled(0.02)  # small enough that float32 tells the two computations alike
    assert save_adapter(edit, source, tmp_path / "adapter")
    base = AutoModelForCausalLM.from_pretrained(checkpoint(family))
    adapted = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    inputs = {"input_ids": torch.tensor([[0, 5, 6, 7]])}
    with torch.no_grad():
        theirs = adapted(**inputs).logits
        with edit.applied(source.model):
            torch.testing.assert_close(source.model(**inputs).logits, theirs, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("family", "targets", "rslora"),
    [
        ("llama", ["q_proj", "down_proj"], True),
        ("llama", ["q_proj"], False),
        ("gpt2", ["c_attn", "c_proj"], False),
        ("gpt2", ["c_attn", "lm_head"], False),
    ],
    ids=["same-layers", "other-layers", "transposed", "of-the-tied-head"],
)
def test_the_adapter_of_an_adapter_does_what_both_do(checkpoint, tmp_path, family, targets, rslora):
    base = checkpoint(family)
    save_adapter_of(base, lora(target_modules=targets, use_rslora=rslora), tmp_path / "own")
    source = load_model(str(tmp_path / "own"), device="cpu")
    edit = edit_for(source.model)[1].scaled(0.02)
    export_checkpoint(source, edit, tmp_path / "model")
    written = AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    is_whole = "lm_head" not in targets  # else the base has to be untied, and that no adapter says
    assert bool(save_adapter(edit, source, tmp_path / "combined")) == is_whole
    if not is_whole:
        assert not (tmp_path / "combined").exists()
        return
    config = json.loads((tmp_path / "combined" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(base)
    adapted = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base), tmp_path / "combined"
    ).eval()
    again = load_model(str(tmp_path / "combined"), device="cpu").model
    inputs = {"input_ids": torch.tensor([[0, 5, 6, 7]])}
    with torch.no_grad():
        expected = written(**inputs).logits
        torch.testing.assert_close(adapted(**inputs).logits, expected, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(again(**inputs).logits, expected, rtol=1e-3, atol=1e-3)
        own = load_model(str(tmp_path / "own"), device="cpu").model(**inputs).logits
        assert (expected - own).abs().max() > 0.01


@pytest.mark.parametrize("settings", [{"use_dora": True}, {"modules_to_save": ["lm_head"]}, {"bias": "all"}])
def test_no_adapter_is_written_of_an_adapter_that_is_no_plain_lora(checkpoint, tmp_path, settings):
    save_adapter_of(checkpoint("qwen2"), lora(**settings), tmp_path / "own")
    source = load_model(str(tmp_path / "own"), device="cpu")
    assert not save_adapter(edit_for(source.model)[1], source, tmp_path / "combined")
    assert not (tmp_path / "combined").exists()


def test_the_checkpoint_of_an_adapter_holds_nothing_of_its_folder(checkpoint, tmp_path):
    save_adapter_of(checkpoint("llama"), lora(modules_to_save=["embed_tokens"]), tmp_path / "own")
    for name in ("config.json", "generation_config.json"):
        shutil.copyfile(checkpoint("llama") / name, tmp_path / "own" / name)
    source = load_model(str(tmp_path / "own"), device="cpu")
    export_checkpoint(source, edit_for(source.model)[1], tmp_path / "model")
    assert not list((tmp_path / "model").glob("adapter*"))
    assert load_model(str(tmp_path / "model"), device="cpu").adapter is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_rounding_swallows_is_left_out_of_the_adapter(loaded, tmp_path, dtype):
    source = loaded("llama", dtype)
    name, edit = edit_for(source.model, rank=20)
    u, s, v = torch.linalg.svd(edit.deltas[name].dense(), full_matrices=False)
    values = torch.full_like(
        s, 1e-3 if dtype == torch.bfloat16 else 2e-6
    )  # of which float32 rounds nothing away
    values[:2] = torch.tensor([1.0, 0.5])
    delta = Delta.from_dense((u * values) @ v)
    edit = Edit(deltas={name: delta}, method="test")
    written = save_adapter(edit, source, tmp_path / "adapter")
    if dtype == torch.float32:
        assert written is None
        return
    assert written.rank == 2
    exact = source.model.get_parameter(name) + delta.dense()
    rounding = (exact.to(dtype).float() - exact).norm() / delta.dense().norm()
    assert 0 < written.left_out <= rounding


def test_full_rank_edits_make_no_adapter(loaded, tmp_path):
    source = loaded("llama")
    _, edit = edit_for(source.model, rank=20)
    assert not save_adapter(edit, source, tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


def test_empty_and_infinite_edits_are_refused(loaded, tmp_path):
    source = loaded("llama")
    name, edit = edit_for(source.model)
    with pytest.raises(EditError, match="changes nothing"):
        export_checkpoint(source, edit.scaled(0.0), tmp_path / "model")
    bad = Delta(left=edit.deltas[name].left * float("inf"), right=edit.deltas[name].right)
    with pytest.raises(EditError, match="not finite"):
        export_checkpoint(source, Edit(deltas={name: bad}, method="test"), tmp_path / "model")
    assert not (tmp_path / "model").exists()
