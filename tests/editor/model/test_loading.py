"""Only whole causal language models are loaded, and each refusal names cause and remedy."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from editor.model.loading import attention, load_model
from policies.errors import ModelError


def broken_copy(folder, target):
    shutil.copytree(folder, target)
    return target


def test_loads_in_float32_on_the_cpu_and_remembers_the_stored_dtype(loaded):
    model = loaded("llama", torch.bfloat16)
    assert model.stored_dtype == torch.bfloat16
    assert all(parameter.dtype == torch.float32 for parameter in model.model.parameters())
    assert not model.model.training


@pytest.mark.parametrize(
    ("make", "cause"),
    [
        (lambda path: str(path / "nowhere"), "does not exist"),
        (str, "is empty"),
    ],
)
def test_missing_and_empty_folders(tmp_path, make, cause):
    with pytest.raises(ModelError, match=cause):
        load_model(make(tmp_path))


def test_no_causal_language_model(checkpoint, tmp_path):
    folder = broken_copy(checkpoint("llama"), tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    config["architectures"] = ["BertForMaskedLM"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=r"not a causal language model .*BertForMaskedLM"):
        load_model(str(folder))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite(checkpoint, tmp_path, value):
    folder = broken_copy(checkpoint("llama"), tmp_path / "m")
    tensors = load_file(folder / "model.safetensors")
    tensors["model.layers.1.mlp.up_proj.weight"][3, 4] = value
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"NaN or infinite values in model\.layers\.1\.mlp\.up_proj"):
        load_model(str(folder))


def test_a_missing_tensor(checkpoint, tmp_path):
    folder = broken_copy(checkpoint("llama"), tmp_path / "m")
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="lacks or misshapes 1 tensors"):
        load_model(str(folder))


def test_a_truncated_checkpoint(checkpoint, tmp_path):
    folder = broken_copy(checkpoint("llama"), tmp_path / "m")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="cut short or damaged"):
        load_model(str(folder))


def test_a_peft_adapter_folder_is_merged(checkpoint, loaded, tmp_path):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = checkpoint("llama")
    torch.manual_seed(0)
    config = LoraConfig(r=2, target_modules=["down_proj"], init_lora_weights=False)
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    model.save_pretrained(tmp_path / "adapter")
    merged = load_model(str(tmp_path / "adapter"))
    inputs = {"input_ids": torch.tensor([[0, 5, 6, 7]])}
    with torch.no_grad():
        torch.testing.assert_close(merged.model(**inputs).logits, model.eval()(**inputs).logits)
        assert not torch.allclose(merged.model(**inputs).logits, loaded("llama").model(**inputs).logits)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_capped_attention_scores_are_computed_eagerly(loaded, family):
    model = loaded(family).model
    assert (model.config._attn_implementation == "eager") == (family == "gemma2")
    assert attention(model.config) == ({"attn_implementation": "eager"} if family == "gemma2" else {})
