"""Which weights make up a head or an MLP: checked by moving them and looking at what moves."""

import pytest
import torch
from family_models import FAMILIES, family

from dictionaries.model.sites import Site, capture
from editor.locators.blocks import Node, all_nodes, block_weights, head_count, node_masks

TOKENS = torch.randint(1, 300, (2, 11), generator=torch.Generator().manual_seed(0))


def outputs(model, sites):
    with torch.no_grad(), capture(model, sites, keys=False) as taken:
        model(TOKENS)
    return {site: value.clone() for site, value in taken.outputs.items()}


def moved(model, masks, sites):
    """Outputs after the masked weights, all others unchanged, were moved; the model is put back."""
    generator = torch.Generator().manual_seed(1)
    kept = {name: model.get_parameter(name).clone() for name in masks}
    with torch.no_grad():
        for name, mask in masks.items():
            noise = torch.randn(mask.shape, generator=generator)
            model.get_parameter(name).add_(torch.where(mask, noise, 0.0))
    try:
        return outputs(model, sites)
    finally:
        with torch.no_grad():
            for name, value in kept.items():
                model.get_parameter(name).copy_(value)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("head", range(4))
def test_a_heads_inputs_move_its_output_and_nobody_elses(name, head):
    """The first layer's heads side by side: those that share keys and values with it may move, no other."""
    model, site = family(name).model, Site(0, "attn_heads")
    inputs = {weight.name for weight in block_weights(model) if weight.kind == "attention in"}
    masks = {n: mask for n, mask in node_masks(model, [Node(0, head)]).items() if n in inputs}
    before, after = outputs(model, [site])[site], moved(model, masks, [site])[site]
    changed = (after - before).unflatten(-1, (4, -1)).abs().amax((0, 1, 3)) > 0
    groups = getattr(model.config, "num_key_value_heads", 4)
    own = {h for h in range(4) if h * groups // 4 == head * groups // 4}
    assert changed[head]
    assert {h for h in range(4) if changed[h]} <= own


@pytest.mark.parametrize("name", FAMILIES)
def test_a_heads_queries_are_its_own(name):
    """Every head of a layer is reached, each entry of the projections belongs to somebody, queries to one head only."""
    model = family(name).model
    per_head = [node_masks(model, [Node(1, head)]) for head in range(4)]
    grouped = getattr(model.config, "num_key_value_heads", 4) < 4
    attention = [w for w in block_weights(model) if w.layer == 1 and w.kind.startswith("attention")]
    for weight in attention:
        if weight.kind == "attention out" and len(weight.shape) == 1:
            assert all(weight.name not in masks for masks in per_head)
            continue
        counts = sum(masks[weight.name].int() for masks in per_head)
        shared = grouped and weight.kind == "attention in" and "q_proj" not in weight.name
        assert int(counts.min()) >= 1
        assert int(counts.max()) == (2 if shared else 1)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_heads_part_of_the_output_projection_reads_that_head(name):
    """With only these weights left, what attention adds depends on that head's output alone."""
    model = family(name).model
    (weight,) = [
        w for w in block_weights(model) if w.layer == 0 and w.kind == "attention out" and len(w.shape) == 2
    ]
    module = model.get_submodule(weight.name.removesuffix(".weight"))
    mask = node_masks(model, [Node(0, 2)])[weight.name]
    heads = torch.randn(5, 24, generator=torch.Generator().manual_seed(2))
    only = heads.unflatten(-1, (4, -1)).clone()
    only[:, [0, 1, 3]] = 0
    kept = module.weight.clone()
    with torch.no_grad():
        whole = module(only.flatten(-2))
        module.weight.copy_(torch.where(mask, kept, 0.0))
        torch.testing.assert_close(module(heads), whole)
        module.weight.copy_(kept)


@pytest.mark.parametrize("name", FAMILIES)
def test_nodes_and_kinds_cover_the_blocks(name):
    model = family(name).model
    weights = block_weights(model)
    assert sum(w.size for w in weights) == sum(
        p.numel() for n, p in model.named_parameters() if ".0." in n or ".1." in n
    )
    masks = node_masks(model, all_nodes(model))
    for weight in weights:
        whole = weight.kind != "norm" and not (weight.kind == "attention out" and len(weight.shape) == 1)
        assert (weight.name in masks) == whole
        assert not whole or bool(masks[weight.name].all())
    assert head_count(model) == 4
    assert {w.kind for w in weights} == {"attention in", "attention out", "MLP in", "MLP out", "norm"}
    assert [str(n) for n in all_nodes(model)[:6]] == [
        "head 0.0",
        "head 0.1",
        "head 0.2",
        "head 0.3",
        "MLP 0",
        "head 1.0",
    ]
