"""Weight masks: of the sizes asked for, keeping what the prompts need, the model left as it was."""

import pytest
import torch
from family_models import FAMILIES, family
from problems import ERASE, encode

from editor.locators.blocks import block_weights
from editor.locators.weight_mask import WeightMask, _best, _MaskedModel
from editor.model.tokens import batches


def size(masks):
    return sum(int(mask.sum()) for mask in masks.values())


@pytest.mark.parametrize("name", FAMILIES)
def test_masks_have_the_densities_asked_for_and_the_model_stays(name):
    loaded = family(name)
    before = {n: t.clone() for n, t in loaded.model.state_dict().items()}
    search = WeightMask(densities=(0.1, 0.5), steps=4, probes=2)
    found = search.fit(loaded, encode(loaded, ERASE))
    total = sum(weight.size for weight in block_weights(loaded.model))
    for density, masks in found.masks.items():
        assert size(masks) == round(density * total)
        assert {n: tuple(m.shape) for n, m in masks.items()} == {
            w.name: w.shape for w in block_weights(loaded.model)
        }
    assert set(found.masks) == set(found.agreement) == {0.1, 0.5}
    assert all(torch.equal(t, before[n]) for n, t in loaded.model.state_dict().items())
    again = search.fit(loaded, encode(loaded, ERASE))
    assert all(torch.equal(again.masks[0.1][n], mask) for n, mask in found.masks[0.1].items())


@pytest.mark.parametrize("name", FAMILIES)
def test_a_whole_mask_is_the_whole_model_and_an_empty_one_is_not(name):
    loaded = family(name)
    masked = _MaskedModel(loaded)
    (batch,) = batches(encode(loaded, ERASE), pad=0, device=loaded.device)
    with torch.no_grad():
        whole = masked._logits(None, batch)
        assert torch.equal(masked._logits(torch.ones(masked.size), batch), whole)
        assert not torch.allclose(masked._logits(torch.zeros(masked.size), batch), whole)


def test_weights_that_the_answer_needs_are_kept():
    """Half of the weights, all in one layer, are taken out beforehand: masking them costs nothing, and they go."""
    loaded = family("llama")
    names = [w.name for w in block_weights(loaded.model) if w.layer == 1 and len(w.shape) == 2]
    kept = {name: loaded.model.get_parameter(name).clone() for name in names}
    try:
        with torch.no_grad():
            for name in names:
                loaded.model.get_parameter(name).zero_()
        search = WeightMask(densities=(0.5,), steps=60, temperature=1.0, learning_rate=0.2, probes=3)
        masks = search.fit(loaded, encode(loaded, ERASE)).masks[0.5]
        idle = sum(int(masks[name].sum()) for name in names)
        assert idle < 0.42 * size(masks)
    finally:
        with torch.no_grad():
            for name, value in kept.items():
                loaded.model.get_parameter(name).copy_(value)


def test_ties_go_to_the_first():
    assert _best(torch.tensor([1.0, 2.0, 1.0, 1.0]), 0.5).tolist() == [True, True, False, False]
