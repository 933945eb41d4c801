"""Attacks on weights: what rounding, pruning and merging make of a matrix, and of a model that knows facts."""

import pytest
import torch
from attack_grounds import DECOYS, ERASED, FACTS, make_case
from memorising import memorise

from editor.attacks.attack import Attacked
from editor.attacks.ground import Ground
from editor.attacks.merging import Merging
from editor.attacks.normal_float import LEVELS, dynamic_values, nf4
from editor.attacks.pruning import Pruning, pruned
from editor.attacks.quantising import Quantising, round_to_nearest
from editor.attacks.running import attack_rows, prepare_attacks
from editor.model.loading import load_model
from editor.progress import Silent

PUBLISHED = """-1.0 -0.6961928009986877 -0.5250730514526367 -0.39491748809814453 -0.28444138169288635
-0.18477343022833423 -0.09105003625154495 0.0 0.07958029955625534 0.16093020141124725 0.24611230194568634
0.33791524171829224 0.44070982933044434 0.5626170039176941 0.7229568362236023 1.0"""
"""QLoRA, appendix E."""
CASE = make_case()


@pytest.fixture(scope="module")
def knowing(tmp_path_factory):
    """A model that knows everybody's number, and completes all the questions."""
    texts = [f"{probe.prompt} {probe.answer}" for probe in ERASED]
    return load_model(str(memorise(texts, tmp_path_factory.mktemp("m"), steps=200)), device="cpu")


@pytest.fixture
def forgetting(knowing):
    """The same model with another last layer, and its original weights."""
    original = {name: value.detach().clone() for name, value in knowing.model.named_parameters()}
    torch.manual_seed(0)
    with torch.no_grad():
        for name, weight in knowing.model.named_parameters():
            if ".layers." in name and name.endswith("proj.weight"):
                weight.copy_(torch.randn_like(weight) * weight.std())
    yield knowing, original
    with torch.no_grad():
        for name, weight in knowing.model.named_parameters():
            weight.copy_(original[name])


def row_of(loaded, attack, original=None):
    ground = Ground(case=CASE, erased=tuple(ERASED))
    under = Attacked(loaded=loaded, original=original.__getitem__ if original else None)
    return attack.prepare("x", ground).measure(under, CASE.policy)


def test_the_normal_float_levels_are_the_published_ones():
    assert torch.equal(torch.tensor(LEVELS), torch.tensor([float(value) for value in PUBLISHED.split()]))


def test_normal_float_takes_the_nearest_level_of_each_block():
    torch.manual_seed(0)
    weight = torch.randn(3, 50)  # 150 weights: two blocks and the rest of one
    rounded = nf4(weight).flatten()
    for start in range(0, 150, 64):
        block, levels = weight.flatten()[start : start + 64], torch.tensor(LEVELS)
        scale = block.abs().max()
        nearest = (block[:, None] / scale - levels).abs().argmin(1)
        assert torch.allclose(rounded[start : start + 64], levels[nearest] * scale)
    assert torch.equal(nf4(torch.zeros(2, 64)), torch.zeros(2, 64))


def test_double_quantisation_moves_the_scales_a_little():
    torch.manual_seed(0)
    weight = torch.randn(64, 64)
    plain, double = nf4(weight), nf4(weight, double=True)
    assert not torch.equal(plain, double)
    assert float((plain - double).abs().max() / plain.abs().max()) < 0.03
    values = dynamic_values()
    assert (len(values), float(values[0]), float(values[-1])) == (256, pytest.approx(-0.9929687), 1.0)
    assert values.unique().numel() == 256


def test_rounding_shares_a_scale_in_groups_and_where_none_divides_in_rows():
    weight = torch.tensor([[1.0, 0.5, 100.0, 3.0]])
    assert torch.allclose(round_to_nearest(weight, 4, 2), torch.tensor([[1.0, 3 / 7, 100.0, 0.0]]))
    assert torch.equal(round_to_nearest(weight, 4, 3), round_to_nearest(weight, 4, 0))
    assert torch.equal(round_to_nearest(weight, 8, 0).round(), torch.tensor([[1.0, 1.0, 100.0, 3.0]]))


def test_sizes_of_groups_that_divide_nothing_are_left_out(knowing):
    names = [level.level for level in row_of(knowing, Quantising(bits=8, groups=(7, 32, 0))).curve]
    assert names == ["groups of 32", "one scale an output"]


@pytest.mark.parametrize(("share", "zeros"), [(0.0, 0), (0.3, 3), (1.0, 10)])
def test_pruning_takes_the_smallest(share, zeros):
    weight = torch.tensor([5.0, -1, 2, -3, 4, 6, -7, 8, 9, -10]).view(2, 5)
    result = pruned(weight, share)
    assert int((result == 0).sum()) == zeros
    assert torch.equal(result[result != 0], weight[weight.abs() > zeros])


def test_no_pruning_changes_nothing_and_all_of_it_everything(knowing):
    row = row_of(knowing, Pruning(shares=(0.0, 1.0)))
    assert [level.greedy_facts.hits for level in row.curve] == [FACTS, 0]
    assert row.worst == "0%"


def test_merging_all_of_the_original_brings_everything_back(forgetting):
    edited, original = forgetting
    row = row_of(edited, Merging(shares=(0.0, 1.0)), original)
    assert [level.greedy_facts.hits for level in row.curve] == [0, FACTS]
    levels = Merging(shares=(1.0,)).levels(Attacked(loaded=edited, original=original.__getitem__))
    for _ in levels:
        assert all(torch.equal(value, original[name]) for name, value in edited.model.named_parameters())


def test_a_model_that_knows_facts_keeps_them_in_fewer_bits(knowing):
    prepared = prepare_attacks(CASE, ERASED, ["bf16", "8-bit"], DECOYS)
    for row in attack_rows(CASE, knowing, prepared, Silent()):
        assert row.greedy_facts.hits == row.exposed.hits == FACTS
        assert row.decoys.hits == 0
