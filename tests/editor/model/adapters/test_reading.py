"""An adapter is loaded whole, by whatever names its tensors were saved, or refused by cause and remedy."""

import json
import shutil
from copy import deepcopy

import pytest
import torch
from adapters_made import WEIGHTS, changed_copy, lora, reconfigured, save_adapter_of
from family_models import configs
from peft import AdaptionPromptConfig, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig
from safetensors.torch import load_file
from tokenizing import make_tokenizer
from transformers import AutoModelForCausalLM

from editor.model.adapters.reading import plain_name, read_adapter
from editor.model.digests import tensor_digests
from editor.model.loading import load_model
from policies.errors import ExitCode, ModelError

PREFIX = "base_model.model."


@pytest.fixture(scope="module")
def adapter(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter") / "lora"
    save_adapter_of(checkpoint("llama"), lora(), folder)
    return folder


def digests(folder):
    return tensor_digests(load_model(str(folder), device="cpu"))


def renamed(rename):
    return lambda tensors: {rename(name): tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: name.replace(PREFIX, f"{PREFIX}_orig_mod."),
        lambda name: f"_orig_mod.{name}",
        lambda name: f"module.{name}",
        lambda name: name.replace(PREFIX, f"{PREFIX}module._orig_mod."),
        lambda name: f"_fsdp_wrapped_module.{name}",
        lambda name: name.replace(".mlp.", "._fsdp_wrapped_module._checkpoint_wrapped_module.mlp."),
        lambda name: name.replace(".self_attn.", "._orig_mod.self_attn."),
        lambda name: name.removeprefix(PREFIX),
        lambda name: name.removesuffix(".weight") + ".default.weight",
        lambda name: f"module.{name.removeprefix(PREFIX).removesuffix('.weight')}.default.weight",
    ],
)
def test_names_that_wrappers_leave_are_understood(adapter, tmp_path, rename):
    assert digests(changed_copy(adapter, tmp_path / "renamed", renamed(rename))) == digests(adapter)


def test_a_file_of_pickled_tensors_is_read_as_the_other_is(adapter, tmp_path):
    shutil.copytree(adapter, tmp_path / "pickled")
    torch.save(load_file(adapter / WEIGHTS), tmp_path / "pickled" / "adapter_model.bin")
    (tmp_path / "pickled" / WEIGHTS).unlink()
    assert digests(tmp_path / "pickled") == digests(adapter)


def test_pickled_code_is_never_run(adapter, tmp_path):
    shutil.copytree(adapter, tmp_path / "pickled")
    torch.save({"lora": print}, tmp_path / "pickled" / "adapter_model.bin")
    (tmp_path / "pickled" / WEIGHTS).unlink()
    with pytest.raises(ModelError, match=r"adapter_model\.bin cannot be read"):
        load_model(str(tmp_path / "pickled"))


def without(tensors):
    return dict(list(tensors.items())[1:])


def with_more(tensors):
    return {**tensors, f"{PREFIX}model.layers.7.mlp.down_proj.lora_A.weight": torch.ones(4, 40)}


def cut(tensors):
    return {name: tensor[:, :-1] if "lora_A" in name else tensor for name, tensor in tensors.items()}


def of_rank_two(tensors):
    return {name: tensor[:2] if "lora_A" in name else tensor[:, :2] for name, tensor in tensors.items()}


def zero_b(tensors):
    return {name: tensor * ("lora_B" not in name) for name, tensor in tensors.items()}


def all_zero(tensors):
    return {name: tensor * 0 for name, tensor in tensors.items()}


def with_nan(tensors):
    return {name: tensor.clone().fill_(float("nan")) for name, tensor in tensors.items()}


def twice(tensors):
    return tensors | {f"module.{name}": tensor.clone() for name, tensor in tensors.items()}


def of_the_inner_model(tensors):
    return {name.replace(f"{PREFIX}model.", PREFIX): tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (without, "lacks 1 tensor, such as model.layers.0.mlp.down_proj.lora_A.weight"),
        (with_more, "has unexpected 1 tensor, such as model.layers.7.mlp.down_proj.lora_A.weight"),
        (cut, "misshapes 4 tensors, such as .* 4×39 for 4×40"),
        (of_rank_two, "misshapes 8 tensors"),
        (zero_b, "changes nothing"),
        (all_zero, "changes nothing"),
        (with_nan, "NaN or infinite values in"),
        (twice, "twice"),
        (of_the_inner_model, "lacks 8 tensors.* and has unexpected 8 tensors"),
        (lambda _: {}, "holds no tensors"),
        (renamed(lambda name: f"something.{name}"), "lacks 8 tensors"),
    ],
)
def test_tensors_that_do_not_load_whole_are_refused(adapter, tmp_path, change, cause):
    spoilt = changed_copy(adapter, tmp_path / "spoilt", change)
    with pytest.raises(ModelError, match=cause) as refused:
        load_model(str(spoilt))
    assert refused.value.exit_code == ExitCode.USAGE
    assert refused.value.remedy


def test_one_layer_that_was_never_trained_is_no_empty_adapter(adapter, checkpoint, tmp_path):
    partly = changed_copy(
        adapter,
        tmp_path / "partly",
        lambda tensors: {name: t * ("layers.0.mlp" not in name) for name, t in tensors.items()},
    )
    before, after = digests(checkpoint("llama")), digests(partly)
    assert {name for name in before if before[name] != after[name]} == {
        "model.layers.0.self_attn.q_proj.weight",
        "model.layers.1.self_attn.q_proj.weight",
        "model.layers.1.mlp.down_proj.weight",
    }


def test_a_scale_of_zero_changes_nothing(adapter, tmp_path):
    with pytest.raises(ModelError, match=r"every weight of .* is what it was"):
        load_model(str(reconfigured(adapter, tmp_path / "scaled", lora_alpha=0)))


def other_base(folder, **sizes):
    config = deepcopy(configs(heads=2, groups=1)["llama"])
    for name, value in sizes.items():
        setattr(config, name, value)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    ("sizes", "cause"),
    [
        ({"hidden_size": 32, "head_dim": 16}, "misshapes"),
        ({"num_hidden_layers": 3}, "lacks 4 tensors, such as model.layers.2"),
        ({"num_hidden_layers": 1}, "has unexpected 4 tensors, such as model.layers.1"),
    ],
)
def test_a_base_of_another_size_is_refused_by_name(adapter, tmp_path, sizes, cause):
    base = other_base(tmp_path / "other", **sizes)
    with pytest.raises(ModelError, match=rf"does not fit its base model .*other: it {cause}"):
        load_model(str(reconfigured(adapter, tmp_path / "a", base_model_name_or_path=str(base))))


def test_a_base_of_another_family_is_refused_by_name(adapter, checkpoint, tmp_path):
    moved = reconfigured(adapter, tmp_path / "a", base_model_name_or_path=str(checkpoint("gpt2")))
    with pytest.raises(ModelError, match=r"does not fit its base model .*: its layers are not there"):
        load_model(str(moved))


@pytest.mark.parametrize(
    ("base", "cause"),
    [
        (None, "names no base model"),
        ("", "names no base model"),
        ("../nowhere", r"The base model \.\./nowhere of the adapter .* does not exist"),
        ("/nowhere/at/all", "does not exist"),
        ("nowhere/at/all", "does not exist"),
        (
            "nobody/nothing",
            "The base model of the adapter .* cannot be used: There is no folder nobody/nothing here",
        ),
        (".", "is an adapter itself"),
    ],
)
def test_a_base_that_is_not_there_is_refused(adapter, tmp_path, monkeypatch, base, cause):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match=cause):
        load_model(str(reconfigured(adapter, tmp_path / "a", base_model_name_or_path=base)))


def test_a_base_beside_the_adapter_is_found_from_anywhere(adapter, checkpoint, tmp_path):
    shutil.copytree(checkpoint("llama"), tmp_path / "base")
    moved = reconfigured(adapter, tmp_path / "a", base_model_name_or_path="../base")
    assert digests(moved) == digests(adapter)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("{", r"adapter_config\.json cannot be read \(JSONDecodeError\)"),
        ("", "cannot be read"),
        ("[]", "names no peft_type"),
        ("{}", "names no peft_type"),
        (
            '{"peft_type": "LORA_OF_TOMORROW"}',
            "the type 'LORA_OF_TOMORROW', which the installed peft does not know",
        ),
        ('{"peft_type": ["LORA"]}', "does not know"),
        (
            '{"peft_type": "LORA", "task_type": "SING"}',
            r"not a configuration that peft can read \(ValueError\)",
        ),
        ('{"peft_type": "LORA", "task_type": "SEQ_CLS"}', "for the task SEQ_CLS"),
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(adapter, tmp_path, text, cause):
    shutil.copytree(adapter, tmp_path / "a")
    (tmp_path / "a" / "adapter_config.json").write_text(text)
    with pytest.raises(ModelError, match=cause):
        load_model(str(tmp_path / "a"))


def test_an_entry_of_another_release_is_refused_unless_it_says_nothing(adapter, tmp_path):
    assert digests(reconfigured(adapter, tmp_path / "silent", new_variant=False, new_config=None)) == digests(
        adapter
    )
    with pytest.raises(ModelError, match="has the entry new_variant, which the installed peft does not know"):
        load_model(str(reconfigured(adapter, tmp_path / "new", new_variant=True)))


@pytest.mark.parametrize(
    "entries", [{"r": "four"}, {"r": -1}, {"lora_alpha": "x"}, {"lora_alpha": float("nan")}]
)
def test_entries_without_sense_are_refused(adapter, tmp_path, entries):
    with pytest.raises(ModelError):
        load_model(str(reconfigured(adapter, tmp_path / "a", **entries)))


@pytest.mark.parametrize("entries", [{"r": 8}, {"use_dora": True}, {"target_modules": ["q_proj"]}])
def test_a_configuration_of_other_tensors_is_refused(adapter, tmp_path, entries):
    with pytest.raises(ModelError, match="does not fit its base model"):
        load_model(str(reconfigured(adapter, tmp_path / "a", **entries)))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float8_e4m3fn])
def test_a_file_of_another_dtype_is_read(adapter, tmp_path, dtype):
    cast = changed_copy(adapter, tmp_path / "cast", lambda ts: {name: t.to(dtype) for name, t in ts.items()})
    there = changed_copy(
        adapter, tmp_path / "there", lambda ts: {name: t.to(dtype).float() for name, t in ts.items()}
    )
    assert digests(cast) == digests(there)


def test_bytes_that_are_no_text_are_refused(adapter, tmp_path):
    shutil.copytree(adapter, tmp_path / "a")
    (tmp_path / "a" / "adapter_config.json").write_bytes(b"\xff\xfe{")
    with pytest.raises(ModelError, match="cannot be read"):
        load_model(str(tmp_path / "a"))


def test_missing_and_truncated_weights_are_refused(adapter, tmp_path):
    shutil.copytree(adapter, tmp_path / "a")
    whole = (tmp_path / "a" / WEIGHTS).read_bytes()
    for length in (0, 5, len(whole) // 2, len(whole) - 1):
        (tmp_path / "a" / WEIGHTS).write_bytes(whole[:length])
        with pytest.raises(ModelError, match="cannot be read"):
            load_model(str(tmp_path / "a"))
    (tmp_path / "a" / WEIGHTS).unlink()
    with pytest.raises(ModelError, match=r"holds neither adapter_model\.safetensors nor adapter_model\.bin"):
        load_model(str(tmp_path / "a"))


@pytest.mark.parametrize(
    "config",
    [
        PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
        PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
        PromptEncoderConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
        AdaptionPromptConfig(task_type="CAUSAL_LM", adapter_layers=1, adapter_len=3),
    ],
    ids=lambda config: config.peft_type.value,
)
def test_learned_prompts_are_refused_by_their_type(checkpoint, tmp_path, config):
    save_adapter_of(checkpoint("llama"), config, tmp_path / "a")
    with pytest.raises(ModelError, match=f"{config.peft_type.value}, which adds learned prompts"):
        load_model(str(tmp_path / "a"))


def test_what_is_wrong_with_an_adapter_is_said_before_its_base_is_loaded(adapter, tmp_path, monkeypatch):
    monkeypatch.setattr("editor.model.loading._load_weights", lambda *_: pytest.fail("the base was loaded"))
    with pytest.raises(ModelError, match="changes nothing"):
        load_model(str(changed_copy(adapter, tmp_path / "a", zero_b)))


def test_tensors_have_plain_names(adapter):
    read = read_adapter(str(adapter))
    assert read.kind == "LORA"
    assert read.base == json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert "model.layers.0.mlp.down_proj.lora_A.weight" in read.tensors
    assert plain_name("base_model.vera_A") == "base_model.vera_A"
