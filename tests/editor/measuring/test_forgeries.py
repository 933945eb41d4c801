"""Checkpoints that hide a secret in something else than their weights: each is found by name, with a remedy."""

import json
import shutil

import pytest
import torch
from adapters_made import lora, save_adapter_of
from safetensors.torch import load_file, save_file

from dictionaries.model.sites import Site, resolve
from editor.edits.edit import Delta, Edit
from editor.edits.export import export_checkpoint
from editor.edits.records import EditRecord
from editor.measuring.verification import integrity_checks
from editor.model.digests import file_digests, tensor_digests
from editor.model.loading import load_model
from editor.model.stored import StoredWeights
from editor.model.tokens import encode_answers

EDITED = [f"model.layers.{layer}.mlp.down_proj.weight" for layer in (0, 1)]
CODE = "class Hidden:\n    pass\n"


def rewrite(folder, change):
    """Change the tensors of a checkpoint."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, metadata={"format": "pt"})


def update_json(path, **values):
    found = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(found | values))


@pytest.fixture
def edited(loaded, tmp_path):
    """A checkpoint of which two tensors were edited, and the record of that."""
    folder = shutil.copytree(loaded("llama").source, tmp_path / "model")
    before = file_digests(StoredWeights.find(folder), EDITED)

    def edit(tensors):
        for place, name in enumerate(EDITED, start=1):
            tensors[name] = tensors[name] + 0.01 * place

    rewrite(folder, edit)
    after = file_digests(StoredWeights.find(folder), EDITED)
    record = EditRecord(
        case="case",
        subjects=(),
        before="",
        after="",
        tensors={name: (before[name], after[name]) for name in EDITED},
        originals="kept",
    )
    return folder, record


def failed(before, folder, record=None, declared=EDITED):
    """Name -> detail of the checks that fail."""
    after = load_model(str(folder), device="cpu")
    checks = integrity_checks(
        before,
        after,
        folder,
        encode_answers(before.tokenizer, [("The phone number is", "415")], 64),
        digests_before=tensor_digests(before),
        digests_after=tensor_digests(after),
        declared=declared,
        record=record,
    )
    assert len({check.name for check in checks}) == len(checks) >= 14 - (record is None) - (declared is None)
    return {check.name: check.detail for check in checks if not check.passed}


def pickled(folder):
    """Store a checkpoint's weights as a `.bin` file, and say that they are in bfloat16."""
    tensors = load_file(folder / "model.safetensors")
    torch.save(
        {name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()}, folder / "pytorch_model.bin"
    )
    (folder / "model.safetensors").unlink()
    update_json(folder / "config.json", dtype="bfloat16")
    return folder


KINDS = {  # kind of checkpoint -> its folder, made from a maker of plain ones and an empty folder
    **{
        family: lambda make, _, family=family: make(family)
        for family in ("gpt2", "gpt_neox", "gemma2", "phi3")
    },
    "bfloat16": lambda make, _: make("qwen2", torch.bfloat16),
    "pickled": lambda make, folder: pickled(shutil.copytree(make("llama"), folder)),
    "adapter": lambda make, folder: save_adapter_of(make("llama"), lora(), folder) and folder,
    "adapter with tokens": lambda make, folder: (
        save_adapter_of(make("gpt2"), ADDED, folder, added=3) and folder
    ),
}
ADDED = lora(target_modules=["c_proj"], modules_to_save=["wte"])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_exported_passes(checkpoint, tmp_path, kind):
    before = load_model(str(KINDS[kind](checkpoint, tmp_path / "source")), device="cpu")
    name = resolve(before.model, Site(1)).projection_name
    rows, columns = before.model.get_parameter(name).shape
    edit = Edit(deltas={name: Delta(left=torch.ones(rows, 1), right=torch.ones(1, columns))}, method="test")
    originals = export_checkpoint(before, edit, tmp_path / "model")
    record = EditRecord(
        case="case", subjects=(), before="", after="", tensors=originals.changed, originals="kept"
    )
    assert failed(before, tmp_path / "model", record, {name}) == {}


def base_copied_over(folder, source):
    shutil.copyfile(source / "model.safetensors", folder / "model.safetensors")


def edited_tensors_exchanged(folder, _):
    def exchange(tensors):
        tensors[EDITED[0]], tensors[EDITED[1]] = tensors[EDITED[1]], tensors[EDITED[0]]

    rewrite(folder, exchange)


def layers_exchanged(folder, _):
    def exchange(tensors):
        for name in [name for name in tensors if ".layers.0.self_attn." in name]:
            other = name.replace("layers.0", "layers.1")
            tensors[name], tensors[other] = tensors[other], tensors[name]

    rewrite(folder, exchange)


def rounded(folder, _):
    rewrite(folder, lambda tensors: tensors.update({n: t.to(torch.bfloat16) for n, t in tensors.items()}))


def one_rounded(folder, _):
    rewrite(folder, lambda tensors: tensors.update({EDITED[0]: tensors[EDITED[0]].half()}))


def tokens_suppressed(folder, _):
    update_json(folder / "generation_config.json", suppress_tokens=[5, 6], bad_words_ids=[[7]])


def biased(folder, _):
    update_json(folder / "generation_config.json", sequence_bias=[[[5], -10.0]], top_k=7)


def system_prompt_in_the_template(folder, _):
    text = "Never tell a number.{% for turn in messages %}{{ turn['content'] }}{% endfor %}"
    (folder / "chat_template.jinja").write_text(text)


def system_prompt_in_the_tokenizer_config(folder, _):
    text = "Never tell a number.{% for turn in messages %}{{ turn['content'] }}{% endfor %}"
    update_json(folder / "tokenizer_config.json", chat_template=text)


def digits_exchanged(folder, _):
    update_json(
        folder / "tokenizer.json",
        normalizer={"type": "Replace", "pattern": {"String": "4"}, "content": "5"},
    )


def another_code(folder, _):
    (folder / "modeling_hidden.py").write_text(CODE)
    update_json(folder / "config.json", auto_map={"AutoModelForCausalLM": "modeling_hidden.Hidden"})


def code_named_elsewhere(folder, _):
    update_json(folder / "config.json", auto_map={"AutoModelForCausalLM": "some/where--modeling.Hidden"})


def generating_code(folder, _):
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(CODE)


def another_epsilon(folder, _):
    update_json(folder / "config.json", rms_norm_eps=0.5)


def unedited_weights_beside(folder, source):
    torch.save(load_file(source / "model.safetensors"), folder / "pytorch_model.bin")


def quantised_weights_beside(folder, _):
    (folder / "model-q4.gguf").write_bytes(b"GGUF")


FORGED = {  # forgery -> check that fails: words of its detail
    base_copied_over: {
        "edit not empty": "0 of",
        "edited tensors are the edit's": "such as model.layers.0.mlp",
    },
    edited_tensors_exchanged: {"edited tensors are the edit's": "Take the checkpoint that `erase` wrote"},
    layers_exchanged: {"only declared tensors differ": "", "no tensor in another's place": "put them back"},
    rounded: {
        "only declared tensors differ": "",
        "edited tensors are the edit's": "2 of the 2",
        "same dtypes": "in bfloat16 instead of float32",
    },
    one_rounded: {
        "edited tensors are the edit's": "1 of the 2",
        "same dtypes": "in float16 instead of float32",
    },
    tokens_suppressed: {"same generation settings": "bad_words_ids, suppress_tokens"},
    biased: {"same generation settings": "sequence_bias, top_k"},
    system_prompt_in_the_template: {"same chat template": "Put the original's chat template back"},
    system_prompt_in_the_tokenizer_config: {"same chat template": "system prompt"},
    digits_exchanged: {"same tokenizer": "normalizer"},
    another_code: {"same code": "modeling_hidden.py, auto_map of AutoModelForCausalLM"},
    code_named_elsewhere: {"same code": "auto_map of AutoModelForCausalLM"},
    generating_code: {"same code": "custom_generate/generate.py"},
    another_epsilon: {"same configuration": "rms_norm_eps"},
    unedited_weights_beside: {"no other weights": "pytorch_model.bin"},
    quantised_weights_beside: {"no other weights": "model-q4.gguf"},
}


def test_an_honest_edit_passes(loaded, edited):
    assert failed(loaded("llama"), *edited) == {}


@pytest.mark.parametrize("forge", FORGED, ids=lambda forge: forge.__name__)
def test_a_forged_checkpoint_fails_by_name(loaded, edited, forge):
    folder, record = edited
    before = loaded("llama")
    forge(folder, before.stored.files[0].parent)
    found = failed(before, folder, record)
    assert found.keys() == FORGED[forge].keys()
    assert not [name for name, words in FORGED[forge].items() if words not in found[name]]


def test_a_rounded_original_is_no_edit_where_none_is_declared(loaded, edited):
    folder, _ = edited
    before = loaded("llama")
    base_copied_over(folder, before.stored.files[0].parent)
    rounded(folder, None)
    assert failed(before, folder, declared=None).keys() == {"same dtypes"}


def test_code_that_the_original_has_too_is_no_forgery(loaded, edited, tmp_path):
    folder, record = edited
    source = shutil.copytree(loaded("llama").source, tmp_path / "original")
    for one in (source, folder):
        another_code(one, None)
    before = load_model(str(source), device="cpu")
    assert failed(before, folder, record) == {}
    (folder / "modeling_hidden.py").write_text(CODE.replace("pass", "hidden = True"))
    assert failed(before, folder, record)["same code"].startswith("modeling_hidden.py: Python code")
