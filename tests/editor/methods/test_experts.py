"""Mixtures of experts: their experts apart, erased from, exported, reloaded and reverted, family by family."""

import pytest
import torch
from every_family import make_family
from problems import make_problem
from safetensors.torch import load_file
from six_people import PEOPLE, write_case
from tokenizing import make_tokenizer

import expunge
from dictionaries import ARCHITECTURES, DictionaryConfig, Site, save_dictionaries
from dictionaries.model.experts import RoutedExperts, has_experts, separate_experts
from dictionaries.model.sites import decoder_layers, resolve
from editor.edits.edit import Edit
from editor.measuring.coverage import coverage
from editor.methods.features.span import _reached
from editor.model.loading import load_model, quiet
from policies.errors import ModelError

EDITED = (
    "deepseek_v2",
    "deepseek_v3",
    "ernie4_5_moe",
    "flex_olmo",
    "glm4_moe",
    "hunyuan_v1_moe",
    "minimax_m2",
    "mixtral",
    "olmoe",
    "phimoe",
    "qwen2_moe",
    "qwen3_moe",
)
REFUSED = ("gpt_oss", "granitemoe", "jetmoe", "llama4_text")
IDS = torch.tensor([[5, 9, 13, 40, 77, 9, 5, 21]])


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Write a family's tiny model once."""
    made = {}

    def write(name):
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name)
            with quiet():
                make_family(name).save_pretrained(made[name])
            make_tokenizer().save_pretrained(made[name])
        return made[name]

    return write


@pytest.mark.parametrize("name", EDITED)
def test_experts_apart_give_what_they_give_together(name):
    model = make_family(name)
    with torch.no_grad():
        together = model(IDS, use_cache=False).logits
        memory = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
        separate_experts(model)
        apart = model(IDS, use_cache=False).logits
    assert has_experts(model)
    torch.testing.assert_close(apart, together, rtol=1e-4, atol=1e-4)
    assert {weight.untyped_storage().data_ptr() for weight in model.parameters()} <= memory


def dictionaries_of(loaded, folder):
    """Random ones of every layer's MLP."""
    torch.manual_seed(0)
    made = {}
    for layer in range(len(decoder_layers(loaded.model))):
        width = resolve(loaded.model, Site(layer)).width
        made[Site(layer)] = ARCHITECTURES["gated"](
            DictionaryConfig(site=Site(layer), width=width, features=64)
        )
    with torch.no_grad():
        for parameter in (one for dictionary in made.values() for one in dictionary.parameters()):
            parameter.copy_(torch.randn_like(parameter) * 0.3)
    save_dictionaries(made, folder)
    return folder


def tensors(folder):
    return {
        name: tensor
        for path in sorted(folder.glob("*.safetensors"))
        for name, tensor in load_file(path).items()
    }


@pytest.mark.usefixtures("short_fits", "no_figures")
@pytest.mark.parametrize("name", EDITED)
def test_a_mixture_is_erased_from_exported_reloaded_and_reverted(name, saved, tmp_path):
    model = saved(name)
    write_case(tmp_path)
    report = expunge.erase(
        model,
        facts=tmp_path / "facts.jsonl",
        policy=tmp_path / "policy.yaml",
        subjects=PEOPLE[:1],
        dictionary=dictionaries_of(load_model(str(model), device="cpu"), tmp_path / "dictionaries"),
        strength="default",
        controls=False,
        attacks="none",
        output=tmp_path / "out",
        keep_edit=True,
        device="cpu",
    )
    edit = Edit.load(tmp_path / "out.edit")
    rows = {row.kind: row for row in report.edit.coverage}
    assert rows["expert out"].edited
    assert rows["expert in"].edited == 2 * (rows["expert out"].edited)
    assert sum(row.edited for row in rows.values()) == len(edit.deltas)
    original, edited = tensors(model), tensors(tmp_path / "out" / "model")
    assert original.keys() == edited.keys()
    differing = {name for name, tensor in original.items() if not torch.equal(tensor, edited[name])}
    assert 0 < len(differing) <= len(edit.deltas)
    assert all("expert" in name or ".mlp." in name for name in differing)
    with torch.no_grad():
        again = load_model(str(tmp_path / "out" / "model"), device="cpu").model
        before = load_model(str(model), device="cpu").model
        edit.apply_to(before)
        assert torch.equal(again(IDS, use_cache=False).logits, before(IDS, use_cache=False).logits)
    expunge.revert(tmp_path / "out", edit=tmp_path / "out.edit", output=tmp_path / "back")
    back = tensors(tmp_path / "back")
    assert all(torch.equal(tensor, back[name]) for name, tensor in original.items())


@pytest.mark.parametrize("name", REFUSED)
def test_experts_laid_out_otherwise_are_refused_by_name(name, saved, tmp_path):
    write_case(tmp_path)
    given = {"facts": tmp_path / "facts.jsonl", "policy": tmp_path / "policy.yaml", "subjects": PEOPLE[:1]}
    with pytest.raises(ModelError) as refused:
        expunge.erase(saved(name), output=tmp_path / "out", device="cpu", **given)
    assert "can be audited, but not edited" in refused.value.cause
    assert not (tmp_path / "out").exists()


def test_a_method_that_edits_no_experts_names_those_that_do(saved, tmp_path):
    write_case(tmp_path)
    given = {"facts": tmp_path / "facts.jsonl", "policy": tmp_path / "policy.yaml", "subjects": PEOPLE[:1]}
    with pytest.raises(ModelError) as refused:
        expunge.erase(saved("mixtral"), method="memit", output=tmp_path / "out", device="cpu", **given)
    assert "mixture of experts, which memit does not edit" in refused.value.cause
    assert "feature-edit" in refused.value.remedy


def test_only_experts_that_secrets_go_to_are_reached(saved):
    loaded = load_model(str(saved("olmoe")), device="cpu")
    problem = make_problem(loaded)
    routed = {}
    hooks = [
        module.register_forward_pre_hook(lambda _, given, name=name: routed.update({name: given[1]}))
        for name, module in loaded.model.named_modules()
        if isinstance(module, RoutedExperts)
    ]
    expected = set()
    for sequence in problem.erase:
        loaded.model(torch.tensor([sequence.ids]), use_cache=False)
        places = [place - 1 for place, marked in enumerate(sequence.marked) if marked]
        expected |= {
            f"{name}.{one}" for name, index in routed.items() for one in index[places].flatten().tolist()
        }
    for hook in hooks:
        hook.remove()
    assert _reached(problem) == expected


def test_every_weight_is_counted(saved):
    model = load_model(str(saved("qwen2_moe")), device="cpu").model
    rows = coverage(model, {"lm_head.weight"})
    assert sum(row.matched for row in rows) == len(list(model.named_parameters()))
    assert all(row.matched == row.edited + row.left for row in rows)
    assert {row.kind: row.edited for row in rows}["output head"] == 1
    assert {"expert in", "expert out", "attention in", "attention out", "norm"} <= {row.kind for row in rows}
