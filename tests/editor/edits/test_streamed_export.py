"""An export holds one tensor at a time, and writes byte for byte what saving the edited model would write."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from adapters_made import lora, save_adapter_of
from family_models import configs
from held_bytes import counted_bytes
from safetensors.torch import load_file, save_file
from tokenizing import make_tokenizer
from transformers import AutoModelForCausalLM

from dictionaries.model.sites import Site, resolve
from editor.edits.edit import Delta, Edit, MaskedDelta, load_originals
from editor.edits.export import export_checkpoint, keep_edit
from editor.edits.keeping import Keeping
from editor.model.loading import load_model, quiet

CONFIGS = configs(heads=2, groups=1)
LARGE = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 16}
FUSED = {"gpt2": "transformer.h.1.attn.c_attn.weight", "phi3": "model.layers.1.self_attn.qkv_proj.weight"}


def write(folder, family, dtype, shards, **settings):
    config = deepcopy(CONFIGS[family])
    for name, value in settings.items():
        setattr(config, name, value)
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(config).to(dtype)
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    with quiet():
        model.save_pretrained(folder, max_shard_size=size // shards)
    make_tokenizer().save_pretrained(folder)
    return folder


def edit_of(model, *more, masked=False):
    """Changes of every layer's output projection, and of more parameters."""
    layers = range(model.config.num_hidden_layers)
    names = [resolve(model, Site(layer)).projection_name for layer in layers]
    deltas = {}
    for seed, name in enumerate((*names, *more)):
        torch.manual_seed(seed)
        rows, columns = model.get_parameter(name).shape
        if masked and seed % 2:
            deltas[name] = MaskedDelta.from_dense(torch.randn(rows, columns), torch.rand(rows, columns) < 0.3)
        else:
            deltas[name] = Delta(left=torch.randn(rows, 2), right=torch.randn(2, columns) * 0.1)
    return Edit(deltas=deltas, method="test")


def files_of(folder):
    return {path.name: path.read_bytes() for path in sorted(Path(folder).glob("*.safetensors*"))}


def saved_in_memory(loaded, edit, folder, size="50GB"):
    """Apply an edit to a model in memory, save all of it in its stored dtype, and return the files."""
    model = AutoModelForCausalLM.from_config(loaded.model.config).to(loaded.stored_dtype)
    with edit.applied(loaded.model), quiet():
        model.load_state_dict(loaded.model.state_dict())
        model.save_pretrained(folder, max_shard_size=size)
    return files_of(folder)


@pytest.mark.parametrize("family", ["llama", "gpt2", "phi3", "gpt_neox"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=["32", "b16", "16"])
def test_shards_are_those_that_saving_the_edited_model_gives(tmp_path, family, dtype):
    tied = {"tie_word_embeddings": True} if family == "llama" else {}
    folder = write(tmp_path / "in", family, dtype, shards=5, **tied)
    loaded = load_model(str(folder), device="cpu")
    edit = edit_of(loaded.model, *([FUSED[family]] if family in FUSED else []), masked=dtype == torch.float32)
    export_checkpoint(loaded, edit, tmp_path / "out")
    size = sum(p.numel() * dtype.itemsize for p in loaded.model.parameters()) // 5
    written = files_of(tmp_path / "out")
    assert len(written) > 3
    assert written == saved_in_memory(loaded, edit, tmp_path / "again", size)
    assert any(
        content == written[name] for name, content in files_of(folder).items()
    )  # nothing of it is edited


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["32", "b16"])
def test_a_merged_adapter_is_saved_as_from_memory(tmp_path, monkeypatch, dtype):
    monkeypatch.setattr("editor.edits.export.LARGE_BYTES", 1)
    base = write(tmp_path / "base", "llama", dtype, shards=1, tie_word_embeddings=True)
    save_adapter_of(base, lora(), tmp_path / "adapter")
    loaded = load_model(str(tmp_path / "adapter"), device="cpu")
    edit = edit_of(loaded.model)
    originals = export_checkpoint(loaded, edit, tmp_path / "out")
    assert originals.digest != originals.edited
    assert not [path for path in (tmp_path / "out").iterdir() if path.is_dir()]
    plain = saved_in_memory(loaded, Edit(deltas={}, method="none"), tmp_path / "plain")
    before = load_file(tmp_path / "plain" / "model.safetensors")
    assert all(torch.equal(tensor, before[name]) for name, tensor in originals.tensors.items())
    # The edit is added to what is stored, which was rounded once before.
    after = {
        name: edit.deltas[name].added_to(tensor) if name in edit.deltas else tensor
        for name, tensor in before.items()
    }
    save_file(after, tmp_path / "expected.safetensors", {"format": "pt"})
    written = files_of(tmp_path / "out")
    assert written["model.safetensors"] == (tmp_path / "expected.safetensors").read_bytes()
    assert list(written) == list(plain)


def test_the_kept_originals_are_a_plain_file_of_the_tensors_before(tmp_path):
    folder = write(tmp_path / "in", "llama", torch.bfloat16, shards=4)
    loaded = load_model(str(folder), device="cpu")
    edit = edit_of(loaded.model)
    originals = export_checkpoint(loaded, edit, tmp_path / "out")
    keep_edit(edit, loaded, originals, tmp_path / "edit", Keeping())
    path = tmp_path / "edit" / "originals.safetensors"
    save_file(dict(originals.tensors), tmp_path / "expected.safetensors", {"digest": originals.digest})
    assert path.read_bytes() == (tmp_path / "expected.safetensors").read_bytes()
    assert set(load_originals(tmp_path / "edit").tensors) == set(edit.deltas)


@pytest.mark.parametrize("source", ["checkpoint", "adapter"])
def test_less_is_held_than_two_shards(tmp_path, monkeypatch, source):
    monkeypatch.setattr("editor.edits.export.LARGE_BYTES", 1)
    folder = write(tmp_path / "in", "llama", torch.bfloat16, shards=8, **LARGE)
    shard = max(len(content) for name, content in files_of(folder).items() if name.endswith("safetensors"))
    if source == "adapter":
        save_adapter_of(folder, lora(target_modules=["down_proj"]), tmp_path / "adapter")
    loaded = load_model(str(folder if source == "checkpoint" else tmp_path / "adapter"), device="cpu")
    edit = edit_of(loaded.model)
    export_checkpoint(loaded, edit, tmp_path / "first")  # libraries are imported
    with counted_bytes(loaded.model) as whole:
        held = [loaded.model.get_parameter(name).bfloat16() for name in edit.deltas]
    assert whole.most > 1.5 * shard, held[0].shape  # all edited tensors at once would be noticed
    with counted_bytes(loaded.model) as counted:
        originals = export_checkpoint(loaded, edit, tmp_path / "out")
        edit.save(tmp_path / "edit", originals)
    assert 0 < counted.tensors < shard
    assert counted.most < 2 * shard
