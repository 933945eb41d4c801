"""A masked change moves the entries of its mask and leaves every other bit, in memory and on disk."""

import json

import pytest
import torch
from torch import nn

from editor.edits.edit import Delta, Edit, MaskedDelta
from editor.edits.export import export_checkpoint, save_adapter
from editor.model.loading import load_model
from policies.errors import EditError

MATRIX = "model.layers.0.mlp.down_proj.weight"
NORM = "model.layers.1.input_layernorm.weight"


def masked_edit(density=0.3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    deltas = {}
    for name, shape in ((MATRIX, (24, 40)), (NORM, (24,))):
        mask = torch.rand(shape, generator=generator) < density
        deltas[name] = MaskedDelta.from_dense(torch.randn(shape, generator=generator) * 0.1, mask)
    return Edit(deltas=deltas, method="test", settings={"steps": 3})


def bits(tensor):
    return tensor.contiguous().view(torch.int16 if tensor.dtype == torch.bfloat16 else torch.int32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_entries_outside_the_mask_keep_their_bits(dtype):
    """Negative zeros too, which adding 0 would turn into positive ones."""
    layer = nn.Linear(40, 24, bias=False).to(dtype)
    with torch.no_grad():
        layer.weight[:, ::3] = -0.0
    before = layer.weight.detach().clone()
    delta = masked_edit().deltas[MATRIX]
    edit = Edit(deltas={"weight": delta}, method="test")
    with edit.applied(layer):
        after = layer.weight.detach().clone()
    assert torch.equal(bits(after)[~delta.mask], bits(before)[~delta.mask])
    wanted = (before.float() + delta.dense()).to(dtype)
    assert torch.equal(after[delta.mask], wanted[delta.mask])
    assert torch.equal(bits(layer.weight.detach()), bits(before))


def test_norm_scale_and_sum():
    first, second = masked_edit(seed=1), masked_edit(seed=2)
    dense = [delta.dense() for delta in first.deltas.values()]
    assert first.norm == pytest.approx(float(sum(d.pow(2).sum() for d in dense)) ** 0.5)
    assert first.scaled(2.0).norm == pytest.approx(2 * first.norm)
    both = first.composed(second).deltas[MATRIX]
    assert isinstance(both, MaskedDelta)
    torch.testing.assert_close(both.dense(), first.deltas[MATRIX].dense() + second.deltas[MATRIX].dense())
    low = Edit(deltas={MATRIX: Delta(left=torch.ones(24, 1), right=torch.ones(1, 40))}, method="low")
    mixed = first.composed(low).deltas[MATRIX]
    torch.testing.assert_close(mixed.dense(), first.deltas[MATRIX].dense() + 1.0)


def test_saved_and_loaded_bit_for_bit_in_a_format_of_its_own(tmp_path):
    edit = masked_edit()
    edit.save(tmp_path)
    assert json.loads((tmp_path / "edit.json").read_text())["version"] == 2
    again = Edit.load(tmp_path)
    for name, delta in edit.deltas.items():
        assert torch.equal(again.deltas[name].mask, delta.mask)
        assert torch.equal(again.deltas[name].values, delta.values)
    Edit(deltas={MATRIX: Delta(left=torch.ones(24, 1), right=torch.ones(1, 40))}, method="low").save(tmp_path)
    assert json.loads((tmp_path / "edit.json").read_text())["version"] == 1


def test_a_mask_that_does_not_fit_its_values_is_refused(tmp_path):
    edit = masked_edit()
    short = MaskedDelta(mask=edit.deltas[MATRIX].mask, values=edit.deltas[MATRIX].values[:-1])
    Edit(deltas={MATRIX: short}, method="test").save(tmp_path)
    with pytest.raises(EditError, match="cannot be read"):
        Edit.load(tmp_path)


def test_the_written_checkpoint_differs_in_the_mask_alone(checkpoint, tmp_path):
    loaded = load_model(str(checkpoint("llama", torch.bfloat16)), device="cpu")
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    edit = masked_edit()
    export_checkpoint(loaded, edit, tmp_path / "model")
    assert not save_adapter(edit, loaded, tmp_path / "adapter")
    after = load_model(str(tmp_path / "model"), device="cpu").model.state_dict()
    for name, tensor in before.items():
        outside = (
            ~edit.deltas[name].mask if name in edit.deltas else torch.ones_like(tensor, dtype=torch.bool)
        )
        assert torch.equal(bits(after[name].float())[outside], bits(tensor.float())[outside])
        assert name not in edit.deltas or not torch.equal(after[name], tensor)
