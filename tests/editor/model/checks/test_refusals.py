"""What no causal language model is, what needs code of its own and what is nowhere: each refused by its name."""

import json
import shutil
import sys

import pytest
import torch
from huggingface_hub import errors
from tokenizing import make_tokenizer
from transformers import BertConfig, BertLMHeadModel, T5Config, T5ForConditionalGeneration, ViTConfig

from editor.model.checks.hub import hub_refusal
from editor.model.checks.refusals import weights_refusal
from editor.model.loading import check_model, load_model, quiet
from policies.errors import ModelError

SMALL = {"vocab_size": 300, "num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 8}


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch):
    """No question is ever put on the terminal."""

    def fail(*_):
        raise AssertionError("a question was asked")

    monkeypatch.setattr("builtins.input", fail)


@pytest.fixture
def folder(checkpoint, tmp_path):
    shutil.copytree(checkpoint("llama"), tmp_path / "m")
    return tmp_path / "m"


def change(folder, name="config.json", **values):
    said = json.loads((folder / name).read_text())
    said = {key: value for key, value in (said | values).items() if value is not None}
    (folder / name).write_text(json.dumps(said))


def refusal(source, **options):
    with pytest.raises(ModelError) as refused:
        check_model(str(source), device="cpu", **options)
    assert "memory" not in str(refused.value)
    return str(refused.value)


def save(model, folder):
    with quiet():
        model.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


@pytest.mark.parametrize("architectures", ["named", None])
def test_an_encoder_decoder(tmp_path, architectures):
    config = T5Config(vocab_size=300, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    folder = save(T5ForConditionalGeneration(config), tmp_path)
    if architectures is None:
        change(folder, architectures=None)
    said = refusal(folder)
    assert "is an encoder-decoder (" in said
    assert ("T5ForConditionalGeneration" in said) == (architectures is not None)


@pytest.mark.parametrize("architectures", [["BertLMHeadModel"], None])
def test_a_model_that_reads_from_both_sides(tmp_path, architectures):
    folder = save(BertLMHeadModel(BertConfig(**SMALL, intermediate_size=8)), tmp_path)
    change(folder, architectures=architectures)
    assert "reads a text from both sides" in refusal(folder)
    change(folder, is_decoder=True)
    check_model(str(folder), device="cpu")


def test_without_architectures_the_model_type_decides(folder, loaded):
    change(folder, architectures=None)
    model = load_model(str(folder), device="cpu").model
    assert type(model) is type(loaded("llama").model)
    inputs = {"input_ids": torch.tensor([[0, 5, 6, 7]])}
    with torch.no_grad():
        assert torch.equal(model(**inputs).logits, loaded("llama").model(**inputs).logits)


def test_without_architectures_and_a_model_type_that_writes_no_text(tmp_path):
    ViTConfig().save_pretrained(tmp_path)
    assert "is not a causal language model (transformers has none of model type vit)" in refusal(tmp_path)


def test_configurations_that_cannot_be_read(folder):
    change(folder, model_type="martian")
    assert "is of model type martian, which transformers" in refusal(folder)
    change(folder, model_type=None)
    assert "has no model_type" in refusal(folder)
    change(folder, model_type="llama", hidden_size="wide")
    assert "The config.json of" in refusal(folder)
    for text in ("{", "[]", ""):
        (folder / "config.json").write_text(text)
        assert "config.json" in refusal(folder)


CONFIGURATION = """
from pathlib import Path
from transformers import LlamaConfig
Path({marker!r}).write_text("ran")
class OwnConfig(LlamaConfig):
    model_type = "own"
"""
MODELING = """
from transformers import LlamaForCausalLM
from .configuration_own import OwnConfig
class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig
"""


@pytest.fixture
def own_code(folder, tmp_path, monkeypatch):
    """A checkpoint that needs code of its own, which leaves a mark where it ran."""
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.setattr("sys.path", [*sys.path])  # transformers adds the folder of such code
    marker = tmp_path / "ran"
    (folder / "configuration_own.py").write_text(CONFIGURATION.format(marker=str(marker)))
    (folder / "modeling_own.py").write_text(MODELING)
    names = {
        "AutoConfig": "configuration_own.OwnConfig",
        "AutoModelForCausalLM": "modeling_own.OwnForCausalLM",
    }
    change(folder, model_type="own", architectures=["OwnForCausalLM"], auto_map=names)
    return folder, marker


def test_code_of_a_models_own_is_not_run_unasked(own_code):
    folder, marker = own_code
    said = refusal(folder)
    assert "needs Python code that comes with it" in said
    assert "--trust-remote-code" in said
    assert not marker.exists()


def test_code_of_a_models_own_runs_where_it_is_trusted(own_code, loaded):
    folder, marker = own_code
    model = load_model(str(folder), device="cpu", trust_remote_code=True)
    assert marker.exists()
    assert type(model.model).__name__ == "OwnForCausalLM"
    assert model.trust_remote_code
    inputs = {"input_ids": torch.tensor([[0, 5, 6, 7]])}
    with torch.no_grad():
        assert torch.equal(model.model(**inputs).logits, loaded("llama").model(**inputs).logits)


def test_where_transformers_knows_the_model_its_code_is_taken(own_code, loaded):
    folder, marker = own_code
    change(folder, model_type="llama", architectures=["LlamaForCausalLM"])
    model = load_model(str(folder), device="cpu").model
    assert type(model) is type(loaded("llama").model)
    assert not marker.exists()


def test_code_of_a_model_whose_configuration_is_known(own_code):
    folder, marker = own_code
    ViTConfig(auto_map={"AutoModelForCausalLM": "modeling_own.OwnForCausalLM"}).save_pretrained(folder)
    assert "needs Python code that comes with it" in refusal(folder)
    assert not marker.exists()


def test_code_of_a_tokenizers_own(folder, tmp_path):
    (folder / "tokenization_own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    names = {"AutoTokenizer": [None, "tokenization_own.OwnTokenizer"]}
    change(folder, model_type="llama")
    change(folder, "tokenizer_config.json", tokenizer_class="OwnTokenizer", auto_map=names)
    assert "needs Python code that comes with it" in refusal(folder)
    assert not (tmp_path / "ran").exists()


def test_a_hub_name_while_offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    said = refusal("no-such-org/no-such-model")
    assert "There is no folder no-such-org/no-such-model here" in said
    assert "HF_HUB_OFFLINE is set" in said
    assert "hf download" in said


def test_a_hub_that_does_not_answer_is_asked_once(monkeypatch):
    asked = []

    class Session:
        def head(self, url, timeout):
            asked.append((url, timeout))
            raise ConnectionError("no route")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.get_session", Session)
    assert "the hub does not answer (ConnectionError)" in refusal("no-such-org/no-such-model")
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["my model", "--x", "a..b"])
def test_what_is_neither_a_folder_nor_a_hub_name(name):
    assert "a hub name it cannot be" in refusal(name)


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        (errors.GatedRepoError, "only to who was granted access"),
        (errors.RepositoryNotFoundError, "neither a folder"),
        (errors.LocalEntryNotFoundError, "does not answer"),
        (errors.EntryNotFoundError, "lacks a file"),
    ],
)
def test_what_the_hub_refuses(kind, cause):
    error = OSError("wrapped by transformers")
    error.__cause__ = kind.__new__(kind)
    assert cause in str(hub_refusal("org/model", error))


def test_other_errors_are_not_the_hubs():
    assert hub_refusal("org/model", OSError("disk")) is None


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (ValueError("The current `device_map` had weights offloaded to the disk."), True),
        (RuntimeError("size mismatch"), False),
        (ValueError("Unrecognized configuration class"), False),
        (OSError("no file"), False),
    ],
)
def test_memory_is_named_where_it_is_the_cause(error, is_memory):
    assert ("memory" in str(weights_refusal("m", error))) == is_memory


def test_a_package_that_is_missing_is_named():
    said = str(weights_refusal("m", ModuleNotFoundError("No module named 'mamba'", name="mamba")))
    assert "needs mamba, which is not installed" in said
