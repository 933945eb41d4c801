"""An edit does to weights what it says, and is taken back bit for bit."""

import pytest
import torch

from editor.editing.edit import Delta, Edit, load_originals
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
    edit.save(tmp_path / "edit", {NAME: torch.ones(24, 40, dtype=torch.bfloat16)})
    again = Edit.load(tmp_path / "edit")
    assert torch.equal(again.deltas[NAME].dense(), edit.deltas[NAME].dense())
    assert (again.method, dict(again.settings)) == ("test", {"gain": 1.0})
    assert load_originals(tmp_path / "edit")[NAME].dtype == torch.bfloat16


def test_damaged_edits_and_wrong_models_are_named(tmp_path, loaded):
    with pytest.raises(EditError, match="cannot be read"):
        Edit.load(tmp_path)
    with pytest.raises(EditError, match="cannot be taken back"):
        load_originals(tmp_path)
    with pytest.raises(EditError, match="has no parameter"):
        make_edit(name="nowhere.weight").apply_to(loaded("llama").model)
    with pytest.raises(EditError, match="is \\(24, 40\\), the model's is"):
        make_edit(name="model.layers.0.mlp.up_proj.weight").apply_to(loaded("llama").model)
