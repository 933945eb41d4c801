"""Quantised checkpoints: audited where transformers can load them, named where it cannot, and never edited."""

import pytest
import torch
from family_models import configs
from quantised_checkpoints import FP8, quantise_fp8, says_quantised

from editor.model.checks.quantised import without_missing_kernels
from editor.model.loading import check_model, load_model
from policies.errors import ModelError

NOT_INSTALLED = {
    "gptq": ({"quant_method": "gptq", "bits": 4}, r"GPTQ, 4 bits\).*optimum and gptqmodel"),
    "awq": ({"quant_method": "awq", "bits": 4}, r"AWQ, 4 bits\).*gptqmodel"),
    "bitsandbytes": ({"quant_method": "bitsandbytes", "load_in_4bit": True}, r"bitsandbytes, 4 bits\)"),
    "8 bits": ({"load_in_8bit": True}, r"bitsandbytes, 8 bits\).*bitsandbytes"),
    "compressed-tensors": ({"quant_method": "compressed-tensors"}, "compressed-tensors"),
    "hqq": ({"quant_method": "hqq", "bits": 4}, "hqq"),
    "torchao": ({"quant_method": "torchao", "quant_type": "int8"}, "torchao"),
}


def pretend_missing(monkeypatch):
    """Whatever is installed here, no package of a quantisation is."""
    monkeypatch.setattr("editor.model.checks.quantised.find_spec", lambda _: None)

    def fail(*_, **__):
        raise ImportError("Loading it requires a package (`pip install it`)")

    monkeypatch.setattr("transformers.quantizers.auto.AutoHfQuantizer.from_config", fail)


@pytest.mark.parametrize("case", NOT_INSTALLED)
def test_a_missing_package_is_named_with_its_method(checkpoint, tmp_path, monkeypatch, case):
    said, pattern = NOT_INSTALLED[case]
    pretend_missing(monkeypatch)
    monkeypatch.setattr("editor.model.loading._load_weights", None)  # not reached
    folder = says_quantised(checkpoint("llama"), tmp_path / "m", **said)
    with pytest.raises(ModelError, match=pattern) as refused:
        load_model(str(folder), device="cpu")
    assert "pip install" in refused.value.remedy
    assert "memory" not in str(refused.value)


@pytest.mark.parametrize("said", [said for said, _ in NOT_INSTALLED.values()] + [FP8])
def test_nothing_quantised_is_edited(checkpoint, tmp_path, said):
    folder = says_quantised(checkpoint("llama"), tmp_path / "m", **said)
    with pytest.raises(ModelError, match=r"quantised .*no edit can be written") as refused:
        check_model(str(folder), device="cpu", full_precision=True)
    assert "full-precision checkpoint" in refused.value.remedy


def test_a_method_that_nobody_knows(checkpoint, tmp_path):
    folder = says_quantised(checkpoint("llama"), tmp_path / "m", quant_method="exl2")
    with pytest.raises(ModelError, match=r"\(exl2\), which transformers does not load"):
        check_model(str(folder), device="cpu")


def test_what_else_is_missing_is_said_in_the_methods_own_words(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    folder = says_quantised(checkpoint("llama"), tmp_path / "m", quant_method="fbgemm_fp8")
    monkeypatch.setattr("editor.model.checks.quantised.find_spec", lambda _: True)
    with pytest.raises(ModelError, match=r"FP8 \(fbgemm\)\), which transformers cannot load here: .*GPU"):
        check_model(str(folder), device="cpu")


def test_fp8_is_loaded_in_the_dtype_that_transformers_chooses(checkpoint, tmp_path):
    source = checkpoint("llama", torch.bfloat16)
    quantised = load_model(str(quantise_fp8(source, tmp_path / "m")), device="cpu").model
    whole = load_model(str(source), device="cpu").model
    inputs = {"input_ids": torch.tensor([[0, 5, 6, 7, 8]])}
    with torch.no_grad():
        said, expected = (model(**inputs).logits.float() for model in (quantised, whole))
    assert quantised.dtype == torch.bfloat16
    assert torch.corrcoef(torch.stack([said.flatten(), expected.flatten()]))[0, 1] > 0.95


@pytest.mark.parametrize(
    ("placement", "installed", "dequantized"),
    [("cuda", False, True), ("cuda", True, False), ("auto", False, True), ("cpu", False, False)],
)
def test_fp8_on_a_gpu_without_its_kernels_is_read_as_bfloat16(monkeypatch, placement, installed, dequantized):
    monkeypatch.setattr("editor.model.checks.quantised.find_spec", lambda _: object() if installed else None)
    config = configs(heads=2, groups=1)["llama"]
    config.quantization_config = dict(FP8)
    without_missing_kernels(config, placement)
    assert config.quantization_config["dequantize"] is dequantized
    config.quantization_config = {"quant_method": "gptq"}
    without_missing_kernels(config, placement)
    assert config.quantization_config == {"quant_method": "gptq"}


def test_transformers_dequantizes_fp8_where_it_is_told_to():
    from transformers.quantizers.auto import AutoQuantizationConfig

    assert AutoQuantizationConfig.from_dict(FP8 | {"dequantize": True}).dequantize
