import math
from itertools import pairwise

import pytest
import torch

from dictionaries.architectures.relu import ReluSAE
from dictionaries.config import DictionaryConfig
from dictionaries.evaluation.hidden_entropy import GROUPS, entropy_row, hidden_entropy, pattern_entropy
from dictionaries.model.sites import Site, capture
from dictionaries.model.tokens import as_batches, token_batches
from policies.errors import DictionaryError

SITES = (Site(0), Site(2))


@pytest.fixture
def dictionaries():
    made = {}
    for site in SITES:
        generator = torch.Generator().manual_seed(site.layer)
        made[site] = ReluSAE(DictionaryConfig(site=site, width=16, features=24)).requires_grad_(False)
        for parameter in made[site].parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    return made


def test_entropy_of_a_pattern_in_bits():
    p = torch.tensor([0.5, 0.0, 1.0, 0.25], dtype=torch.float64)
    expected = 1 - 0.25 * math.log2(0.25) - 0.75 * math.log2(0.75)
    assert float(pattern_entropy(p)) == pytest.approx(expected)


@torch.no_grad()
def test_entropies_by_layer_and_position_against_a_plain_loop(speaker, texts, tokenizer, dictionaries):
    batches = list(token_batches(texts, tokenizer, context=64, batch_size=7))
    result = hidden_entropy(speaker, batches, dictionaries, context=64)
    on = {site: [] for site in SITES}
    for text in texts:
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        with capture(speaker, SITES, keys=False) as taken:
            speaker(ids)
        for site in SITES:
            bits = dictionaries[site].encode(taken.outputs[site][0]) > 0
            on[site] += [(position, bits[position]) for position in range(1, ids.shape[1])]
    for row, site in zip(result.by_layer, SITES, strict=True):
        p = torch.stack([bits for _, bits in on[site]]).double().mean(dim=0)
        assert (row.series, row.at, row.tokens) == ("mlp_out", site.layer, len(on[site]))
        assert row.bits == pytest.approx(float(pattern_entropy(p)), rel=1e-6)
        assert row.low < row.high
    for index, row in enumerate(one for one in result.by_position if one.series == "mlp_out.2"):
        here = [(at, bits) for at, bits in on[Site(2)] if at // 4 == index]
        p = torch.stack([bits for _, bits in here]).double().mean(dim=0)
        assert row.tokens == len(here)
        assert row.at == pytest.approx(sum(at for at, _ in here) / len(here))
        assert row.bits == pytest.approx(float(pattern_entropy(p)), rel=1e-6)


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """Documents of independent bits of known probability."""
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(30, generator=generator, dtype=torch.float64)
    truth = float(pattern_entropy(probabilities))
    covered = 0
    for _ in range(100):
        tokens = torch.full((GROUPS,), 40.0, dtype=torch.float64)
        draws = torch.rand(GROUPS, 40, 30, generator=generator, dtype=torch.float64) < probabilities
        row = entropy_row("x", 0, draws.sum(dim=1).double(), tokens, 300, 0)
        covered += row.low <= truth <= row.high
    assert 85 <= covered <= 100


def test_the_same_seed_gives_the_same_intervals(speaker, texts, tokenizer, dictionaries):
    batches = list(token_batches(texts, tokenizer))
    one, two, other = (
        hidden_entropy(speaker, batches, dictionaries, context=128, seed=seed) for seed in (1, 1, 2)
    )
    assert one == two
    assert one != other
    positions = [row.at for row in one.by_position if row.series == "mlp_out.0"]
    assert all(left < right for left, right in pairwise(positions))


def test_nothing_to_read_is_an_error(speaker, dictionaries):
    with pytest.raises(DictionaryError, match="not one token"):
        hidden_entropy(speaker, [], dictionaries, context=64)
    ids = torch.zeros(1, 4, dtype=torch.long)
    with pytest.raises(DictionaryError, match="not one token"):
        hidden_entropy(speaker, as_batches([ids], special=[0]), dictionaries, context=64)
