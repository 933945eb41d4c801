"""An edit does to weights what it says, and is taken back bit for bit."""

import json
import os

import pytest
import torch

from editor.edits.edit import Delta, Edit, MaskedDelta, Originals, load_originals
from policies.errors import EditError

NAME = "model.layers.0.mlp.down_proj.weight"


def make_edit(rank=3, seed=0, name=NAME):
    generator = torch.Generator().manual_seed(seed)
    left = torch.randn(24, rank, generator=generator)
    right = torch.randn(rank, 40, generator=generator)
    return Edit(deltas={name: Delta(left=left, right=right)}, method="test", settings={"gain": 1.0})


def snapshot(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_applied_changes_only_what_it_names_and_restores_bit_for_bit(checkpoint, dtype):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(checkpoint("llama"), dtype=dtype)
    before = snapshot(model)
    edit = make_edit()
    with edit.applied(model):
        changed = {n for n, t in model.state_dict().items() if not torch.equal(t, before[n])}
        expected = (before[NAME].float() + edit.deltas[NAME].dense()).to(dtype)
        assert torch.equal(model.get_parameter(NAME), expected)
    assert changed == {NAME}
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_an_exception_inside_restores_too(loaded):
    model = loaded("llama").model
    before = snapshot(model)
    with pytest.raises(RuntimeError), make_edit().applied(model):
        raise RuntimeError
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_dense_changes_are_factored_at_their_rank():
    dense = make_edit(rank=4).deltas[NAME].dense()
    delta = Delta.from_dense(dense)
    assert delta.rank == 4
    torch.testing.assert_close(delta.dense(), dense, rtol=1e-4, atol=1e-4)
    assert delta.squared_norm() == pytest.approx(float(dense.pow(2).sum()), rel=1e-4)


def test_compose_and_scale():
    first, second = make_edit(seed=1), make_edit(seed=2)
    both = first.composed(second)
    expected = first.deltas[NAME].dense() + second.deltas[NAME].dense()
    torch.testing.assert_close(both.deltas[NAME].dense(), expected, rtol=1e-3, atol=1e-3)
    assert first.scaled(2.0).norm == pytest.approx(2 * first.norm)
    assert first.scaled(0.0).is_empty


def test_save_and_load(tmp_path):
    edit = make_edit()
    originals = Originals(tensors={NAME: torch.ones(24, 40, dtype=torch.bfloat16)}, digest="0a")
    edit.save(tmp_path / "edit", originals)
    again = Edit.load(tmp_path / "edit")
    assert torch.equal(again.deltas[NAME].dense(), edit.deltas[NAME].dense())
    assert (again.method, dict(again.settings)) == ("test", {"gain": 1.0})
    kept = load_originals(tmp_path / "edit")
    assert kept.tensors[NAME].dtype == torch.bfloat16
    assert kept.digest == "0a"


def test_damaged_edits_and_wrong_models_are_named(tmp_path, loaded):
    with pytest.raises(EditError, match="cannot be read"):
        Edit.load(tmp_path)
    with pytest.raises(EditError, match="cannot be taken back"):
        load_originals(tmp_path)
    with pytest.raises(EditError, match="has no parameter"):
        make_edit(name="nowhere.weight").apply_to(loaded("llama").model)
    with pytest.raises(EditError, match="is \\(24, 40\\), the model's is"):
        make_edit(name="model.layers.0.mlp.up_proj.weight").apply_to(loaded("llama").model)


def of_delta(**changes):
    return lambda head: {**head, "parameters": {NAME: {**head["parameters"][NAME], **changes}}}


DAMAGED = {
    "a list": lambda _: [1],
    "a number": lambda _: 7,
    "nothing": lambda _: None,
    "text": lambda _: "edit",
    "parameters are a list": lambda head: {**head, "parameters": [NAME]},
    "no parameters": lambda head: {**head, "parameters": None},
    "a parameter without a description": lambda head: {**head, "parameters": {NAME: None}},
    "a parameter that is not stored": lambda head: {**head, "parameters": {"nowhere": {"rank": 1}}},
    "another shape": of_delta(shape=[40, 24]),
    "a mask that is none": of_delta(kind="masked"),
    "settings are a number": lambda head: {**head, "settings": 1},
    "no settings": lambda head: {**head, "settings": None},
    "no method": lambda head: {name: value for name, value in head.items() if name != "method"},
    "version is a list": lambda head: {**head, "version": [1]},
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_head_is_an_error_with_a_remedy(tmp_path, damage):
    make_edit().save(tmp_path)
    path = tmp_path / "edit.json"
    path.write_text(json.dumps(DAMAGED[damage](json.loads(path.read_text()))))
    with pytest.raises(EditError) as caught:
        Edit.load(tmp_path)
    assert "Expunge that wrote it" in caught.value.remedy or "`expunge erase` wrote" in caught.value.remedy


@pytest.mark.parametrize("shape", [["24", 40], [24.0, 40], "24", None, [7, 7], [-1, 40]])
def test_a_damaged_mask_is_an_error_with_a_remedy(tmp_path, shape):
    mask = torch.zeros(24, 40, dtype=torch.bool)
    mask[0, :3] = True
    delta = MaskedDelta.from_dense(torch.ones(24, 40), mask)
    Edit(deltas={NAME: delta}, method="test").save(tmp_path)
    path = tmp_path / "edit.json"
    path.write_text(json.dumps(of_delta(shape=shape)(json.loads(path.read_text()))))
    with pytest.raises(EditError, match="cannot be read"):
        Edit.load(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="modes")
def test_nobody_else_may_look_into_what_leads_back(tmp_path):
    edit = Edit(deltas={"a": Delta(left=torch.ones(3, 1), right=torch.ones(1, 4))}, method="m")
    edit.save(tmp_path / "edit", Originals(tensors={"a": torch.ones(3, 4)}, digest="0"))
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "edit").iterdir()}
    assert (tmp_path / "edit").stat().st_mode & 0o777 == 0o700
    assert modes["deltas.safetensors"] == modes["originals.safetensors"] == 0o600


def test_a_change_of_weights_that_was_changed_is_found(tmp_path):
    edit = Edit(deltas={"a": Delta(left=torch.ones(3, 1), right=torch.ones(1, 4))}, method="m")
    edit.save(tmp_path / "edit")
    path = tmp_path / "edit" / "deltas.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(EditError, match=r"deltas\.safetensors is missing or damaged"):
        Edit.load(tmp_path / "edit")
    head = json.loads((tmp_path / "edit" / "edit.json").read_text())
    del head["sha256"]  # as earlier versions wrote it
    (tmp_path / "edit" / "edit.json").write_text(json.dumps(head))
    assert Edit.load(tmp_path / "edit").method == "m"
