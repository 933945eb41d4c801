"""The checkpoint is read again tensor by tensor, and a changed one is found out."""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from editor.measuring.verification import _is_read_again
from editor.model.loading import load_model


@pytest.fixture(params=["gpt2", "llama"])
def written(request, loaded, tmp_path):
    return shutil.copytree(loaded(request.param).source, tmp_path / "model")


def test_an_untouched_checkpoint_is_read_again(written):
    assert _is_read_again(load_model(str(written), device="cpu"), written)


def test_one_changed_number_is_found(written):
    after = load_model(str(written), device="cpu")
    path = written / "model.safetensors"
    tensors = load_file(path)
    name = sorted(tensors)[0]
    tensors[name] = tensors[name].clone()
    tensors[name].view(-1)[0] += 1
    save_file(tensors, path, metadata={"format": "pt"})
    assert not _is_read_again(after, written)


def test_files_with_other_names_are_loaded_as_a_model(written):
    after = load_model(str(written), device="cpu")
    torch.save(after.model.state_dict(), written / "pytorch_model.bin")
    (written / "model.safetensors").unlink()
    assert _is_read_again(after, written)
