"""Model folders from anybody: what a library stumbles over is an error of the folder's, before the work."""

import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from editor.model import loading
from editor.model.checks.usable import unchanged
from editor.model.loading import load_model
from editor.model.stored import StoredWeights
from policies.errors import ModelError


@pytest.fixture
def folder(checkpoint, tmp_path):
    shutil.copytree(checkpoint("gpt2"), tmp_path / "m")
    return tmp_path / "m"


def change(folder, name="config.json", **values):
    said = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(said | values))


@pytest.mark.parametrize(
    "values",
    [
        {"layer_norm_epsilon": "1"},
        {"n_layer": "2"},
        {"n_head": 5},
        {"n_positions": 0},
        {"vocab_size": "300"},
        {"dtype": "float31"},
        {"architectures": 5},
        {"architectures": [5]},
        {"activation_function": "none"},
        {"bos_token_id": []},
        {"auto_map": 5},
        {"quantization_config": []},
    ],
    ids=str,
)
def test_configurations_that_describe_nothing(folder, values):
    change(folder, **values)
    with pytest.raises(ModelError) as refused:
        load_model(str(folder), device="cpu")
    assert str(folder) in refused.value.cause
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", "{}"),
        ("tokenizer.json", '{"model": {"type": "BPE", "vocab": {"a": -1}, "merges": [["a"]]}}'),
        ("tokenizer_config.json", "[]"),
        ("tokenizer_config.json", '{"tokenizer_class": 5}'),
        ("generation_config.json", "[1]"),
    ],
)
def test_files_beside_the_weights_that_are_something_else(folder, name, content):
    (folder / name).write_text(content)
    with pytest.raises(ModelError) as refused:
        load_model(str(folder), device="cpu")
    assert refused.value.remedy


def test_an_escape_in_the_names_of_architectures_acts_on_no_terminal(folder):
    change(folder, architectures=["\x1b[2JGPT2"])
    with pytest.raises(ModelError, match="is not a causal language model") as refused:
        load_model(str(folder), device="cpu")
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize(
    "outside", ["../outside.safetensors", "/etc/passwd", "inner/../../outside.safetensors", 5]
)
def test_weights_that_do_not_lie_beside_their_index(folder, outside):
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").rename(folder.parent / "outside.safetensors")
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": dict.fromkeys(tensors, outside)})
    )
    for read in (lambda: load_model(str(folder), device="cpu"), lambda: StoredWeights.find(folder)):
        with pytest.raises(
            ModelError, match=r"index\.json names a file of weights that does not lie beside it"
        ):
            read()


def rewritten(path):
    save_file({name: tensor + 1 for name, tensor in load_file(path).items()}, path)


def touched(path):
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(0, 0))


@pytest.mark.parametrize("write", [rewritten, touched, os.remove])
def test_a_model_that_changes_while_it_is_read_is_named(folder, monkeypatch, write):
    load = loading._load_weights

    def slow(*arguments):
        model = load(*arguments)
        write(folder / "model.safetensors")
        return model

    monkeypatch.setattr(loading, "_load_weights", slow)
    with pytest.raises(ModelError, match=r"model\.safetensors was changed while the model was read"):
        load_model(str(folder), device="cpu")


def test_what_is_no_folder_is_not_looked_at(tmp_path):
    with unchanged(tmp_path / "owner" / "name"):
        (tmp_path / "owner").mkdir()


def test_memory_that_runs_out_is_said_to_be_that(folder, monkeypatch):
    def fail(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loading, "check_finite", fail)
    with pytest.raises(ModelError, match="Memory ran out"):
        load_model(str(folder), device="cpu")
