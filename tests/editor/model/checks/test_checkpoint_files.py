"""The files of a checkpoint: what is missing, cut short or of another kind is named before weights are read."""

import json
import shutil

import pytest
import torch
from transformers import AutoModelForCausalLM

from editor.model.checks.checkpoint_files import READ
from editor.model.loading import check_model, load_model, quiet
from policies.errors import ModelError


@pytest.fixture
def folder(checkpoint, tmp_path):
    """A checkpoint of one file."""
    shutil.copytree(checkpoint("llama"), tmp_path / "m")
    return tmp_path / "m"


@pytest.fixture
def sharded(checkpoint, tmp_path):
    """A checkpoint of several files."""
    shutil.copytree(checkpoint("llama"), tmp_path / "shards", ignore=shutil.ignore_patterns("*.safetensors"))
    with quiet():
        model = AutoModelForCausalLM.from_pretrained(checkpoint("llama"))
        model.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert len(list((tmp_path / "shards").glob("model-*.safetensors"))) > 2
    return tmp_path / "shards"


def refusal(folder):
    with pytest.raises(ModelError) as refused:
        check_model(str(folder), device="cpu")
    assert "memory" not in str(refused.value)
    return str(refused.value)


def test_whole_checkpoints_are_loaded(folder, sharded):
    inputs = {"input_ids": torch.tensor([[0, 5, 6, 7]])}
    with torch.no_grad():
        one, several = (
            load_model(str(path), device="cpu").model(**inputs).logits for path in (folder, sharded)
        )
    assert torch.equal(one, several)


def test_no_weights(folder):
    (folder / "model.safetensors").unlink()
    assert "no weights (model.safetensors, pytorch_model.bin" in refusal(folder)


@pytest.mark.parametrize("left", [0, 4, 1000])
def test_a_file_that_is_cut_short(folder, left):
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:left])
    assert f"model.safetensors is cut short or damaged ({left:,} bytes" in refusal(folder)


def test_a_pickled_file_that_is_cut_short(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"a": torch.zeros(1000)}, folder / "pytorch_model.bin")
    whole = (folder / "pytorch_model.bin").read_bytes()
    (folder / "pytorch_model.bin").write_bytes(whole[: len(whole) // 2])
    assert "pytorch_model.bin is cut short or damaged" in refusal(folder)


def test_a_missing_shard(sharded):
    shards = sorted(sharded.glob("model-*.safetensors"))
    shards[1].unlink()
    assert f"lacks 1 of its {len(shards)} files of weights, such as {shards[1].name}" in refusal(sharded)


def test_a_shard_that_is_cut_short(sharded):
    shard = sorted(sharded.glob("model-*.safetensors"))[-1]
    shard.write_bytes(shard.read_bytes()[:-10])
    assert f"{shard.name} is cut short" in refusal(sharded)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"weight_map": 3}'])
def test_an_index_that_cannot_be_read(sharded, text):
    (sharded / "model.safetensors.index.json").write_text(text)
    assert "model.safetensors.index.json cannot be read" in refusal(sharded)


def test_shards_without_their_index(sharded):
    (sharded / "model.safetensors.index.json").unlink()
    assert "no model.safetensors.index.json, which says what is in which file" in refusal(sharded)


def test_a_git_lfs_pointer(folder):
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\n")
    assert "Git LFS pointer" in refusal(folder)
    assert "git lfs pull" in refusal(folder)


@pytest.mark.parametrize("with_config", [True, False])
def test_gguf_alone(folder, with_config):
    (folder / "model.safetensors").unlink()
    (folder / "model-Q4_K_M.gguf").write_bytes(b"GGUF")
    if not with_config:
        (folder / "config.json").unlink()
    assert "are GGUF alone (model-Q4_K_M.gguf)" in refusal(folder)
    assert "gguf_file='model-Q4_K_M.gguf'" in refusal(folder)


def test_gguf_beside_weights_does_not_matter(folder):
    (folder / "model.gguf").write_bytes(b"GGUF")
    check_model(str(folder), device="cpu")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("tf_model.h5", "TensorFlow"),
        ("flax_model.msgpack", "Flax"),
        ("model.onnx", "ONNX"),
        ("consolidated.00.pth", "the original release"),
    ],
)
def test_weights_of_another_kind(folder, name, kind):
    (folder / "model.safetensors").rename(folder / name)
    assert f"are those of {kind}" in refusal(folder)


@pytest.mark.parametrize(
    "name",
    ["model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"],
)
def test_a_link_to_nothing_where_the_file_is_read(folder, name):
    assert name in READ
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(folder / "gone")
    assert f"{name} is a link to a file that is not there" in refusal(folder)


def test_a_shard_that_is_a_link_to_nothing(sharded):
    shard = sorted(sharded.glob("model-*.safetensors"))[0]
    shard.unlink()
    shard.symlink_to(sharded / "gone")
    assert f"{shard.name} is a link to a file that is not there" in refusal(sharded)


@pytest.mark.parametrize("name", ["README.md", "notes.txt", "training_args.json", "run.py"])
def test_a_link_to_nothing_elsewhere_does_not_matter(folder, name):
    (folder / name).symlink_to(folder / "gone")
    check_model(str(folder), device="cpu")


def test_a_folder_that_is_a_link_to_nothing(tmp_path):
    (tmp_path / "m").symlink_to(tmp_path / "gone")
    assert "is a link to a folder that is not there" in refusal(tmp_path / "m")


def test_a_linked_checkpoint_is_read_as_the_hubs_cache_keeps_it(folder, tmp_path):
    linked = tmp_path / "snapshot"
    linked.mkdir()
    for path in folder.iterdir():
        (linked / path.name).symlink_to(path)
    assert json.loads((linked / "config.json").read_text())
    check_model(str(linked), device="cpu")
