import pytest
import torch

from dictionaries.model.activations import Tally, harvest, without_sinks
from dictionaries.model.sites import Site, capture
from dictionaries.model.tokens import as_batches, token_batches
from dictionaries.training.activation_store import ActivationStore
from policies.errors import DictionaryError

SITES = (Site(0), Site(2))


@pytest.fixture
def batches(texts, tokenizer):
    return list(token_batches(texts, tokenizer, batch_size=8))


@pytest.fixture
def distinct():
    """Rows that start with different tokens, so that no two activations are the same."""
    ids = torch.randint(1, 340, (48, 32), generator=torch.Generator().manual_seed(0))
    ids[:, 0] = torch.arange(1, 49)
    return list(as_batches(ids.view(8, 6, 32)))


@pytest.fixture
def store(speaker, distinct):
    def make(**settings):
        return ActivationStore(
            speaker, distinct, SITES, generator=torch.Generator().manual_seed(0), **settings
        )

    return make


def distances(left, right):
    return torch.cdist(left, right, compute_mode="donot_use_mm_for_euclid_dist")


def all_rows(speaker, batches):
    """Every counted activation, by a plain loop without padding."""
    rows = {site: [] for site in SITES}
    with torch.no_grad():
        for batch in batches:
            for tokens, attention, counted in zip(batch.tokens, batch.attention, batch.counted, strict=True):
                with capture(speaker, SITES, keys=False) as taken:
                    speaker(tokens[attention][None])
                for site in SITES:
                    rows[site].append(taken.outputs[site][0][counted[attention]])
    return {site: torch.cat(pieces) for site, pieces in rows.items()}


def test_padding_and_special_tokens_leave_no_trace(speaker, batches):
    expected = all_rows(speaker, batches)
    tally = Tally()
    pieces = [piece.activations for piece in harvest(speaker, batches, SITES, tally)]
    for site in SITES:
        got = torch.cat([piece[site] for piece in pieces])
        torch.testing.assert_close(got, expected[site], atol=1e-5, rtol=1e-4)
    assert tally.tokens == len(expected[SITES[0]]) == sum(int(batch.counted.sum()) for batch in batches)


def test_sinks_are_dropped_at_every_site_and_counted():
    rows = {site: torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) for site in SITES}
    rows[SITES[0]][3] *= 1000
    rows[SITES[1]][[3, 7]] *= 1000
    tally = Tally()
    kept = without_sinks(rows, tally)
    assert (~kept).nonzero().flatten().tolist() == [3, 7]
    assert tally.sinks == {SITES[0]: 1, SITES[1]: 2}


def test_a_resident_store_serves_each_row_once_an_epoch(store, speaker, distinct):
    resident = store()
    expected = all_rows(speaker, distinct)[SITES[1]]
    assert resident.resident
    assert resident.rows == len(expected)
    size = resident.rows // 3
    epoch = torch.cat([resident.batch(size)[SITES[1]] for _ in range(3)])
    distance = distances(epoch, expected).min(dim=1)
    assert float(distance.values.max()) < 1e-4
    assert len(distance.indices.unique()) == len(epoch)
    again = torch.cat([resident.batch(size)[SITES[1]] for _ in range(3)])
    assert not torch.equal(again, epoch)


def test_a_small_budget_streams_the_whole_corpus(store, speaker, distinct):
    expected = all_rows(speaker, distinct)[SITES[0]]
    width = expected.shape[1]
    small = store(budget_bytes=4 * width * len(SITES) * 400)
    assert not small.resident
    assert small.rows == 400
    served = torch.cat([small.batch(50)[SITES[0]] for _ in range(len(expected) // 50 * 2)])
    distance = distances(served, expected).min(dim=1)
    assert float(distance.values.max()) < 1e-4
    counts = torch.bincount(distance.indices, minlength=len(expected))
    assert float((counts > 0).double().mean()) > 0.95
    assert int(counts.max()) <= 4


def test_rows_of_different_sites_stay_aligned(store):
    for budget in (1 << 30, 4 * 16 * 2 * 300):
        filled = store(budget_bytes=budget)
        pairs = {}
        for _ in range(30):
            batch = filled.batch(40)
            for left, right in zip(batch[SITES[0]], batch[SITES[1]], strict=True):
                key = tuple(left.tolist())
                assert torch.equal(pairs.setdefault(key, right.clone()), right)


def test_statistics_against_direct_formulas(store, speaker, distinct):
    expected = all_rows(speaker, distinct)[SITES[0]].double()
    statistics = store().statistics()[SITES[0]]
    torch.testing.assert_close(statistics.mean.double(), expected.mean(dim=0), atol=1e-5, rtol=1e-4)
    assert statistics.mean_square == pytest.approx(float(expected.square().sum(1).mean()), rel=1e-5)
    assert statistics.variance == pytest.approx(
        float((expected - expected.mean(0)).square().sum(1).mean()), rel=1e-4
    )


def test_a_batch_larger_than_the_store_is_the_store(store):
    filled = store()
    assert len(filled.batch(10**6)[SITES[0]]) == filled.rows
    assert sum(len(piece[SITES[0]]) for piece in filled.held(64)) == filled.rows


def test_one_shot_iterators_and_empty_corpora(speaker, batches):
    generator = torch.Generator().manual_seed(0)
    assert ActivationStore(speaker, iter(batches), SITES, generator=generator).rows > 0
    with pytest.raises(DictionaryError, match="not one token"):
        ActivationStore(speaker, [], SITES, generator=generator)
    with pytest.raises(DictionaryError, match="not one token"):
        ActivationStore(speaker, batches, SITES, generator=generator, budget_bytes=1)
