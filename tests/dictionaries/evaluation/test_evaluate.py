import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from dictionaries.architectures import ARCHITECTURES
from dictionaries.config import DictionaryConfig
from dictionaries.evaluation.evaluate import (
    DENSITY_EDGES,
    Accumulator,
    absorbed_cosine,
    evaluate_dictionaries,
)
from dictionaries.model.sites import Site, capture, resolve
from dictionaries.model.splice import replaced
from dictionaries.model.tokens import token_batches
from policies.errors import DictionaryError

WIDTH, FEATURES = 16, 24


@pytest.fixture(params=sorted(ARCHITECTURES))
def dictionary(request):
    generator = torch.Generator().manual_seed(0)
    made = ARCHITECTURES[request.param](
        DictionaryConfig(site=Site(1), width=WIDTH, features=FEATURES), input_scale=1.3
    )
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    return made.requires_grad_(False)


@pytest.fixture
def some(texts):
    """Enough texts for batches of several lengths."""
    return texts[::3]


@pytest.fixture
def batches(some, tokenizer):
    return list(token_batches(some, tokenizer, batch_size=8))


def test_streaming_sums_against_direct_formulas(dictionary):
    x = 50 + 3 * torch.randn(500, WIDTH, generator=torch.Generator().manual_seed(1))
    total = Accumulator(dictionary)
    for piece in x.split(77):
        total.add(piece)
    codes = dictionary.encode(x)
    decoded = dictionary.decode(codes).double()
    x = x.double()
    variance = (x - x.mean(0)).square().sum(1).mean()
    expected = 1 - (x - decoded).square().sum(1).mean() / variance
    assert total.explained_variance == pytest.approx(float(expected), rel=1e-6)
    gamma = decoded.square().sum(1).mean() / (x * decoded).sum(1).mean()
    assert total.gamma == pytest.approx(float(gamma), rel=1e-9)
    on = (codes > 0).double()
    assert total.l0 == pytest.approx(float(on.sum(1).mean()))
    assert total.alive == int((on.sum(0) > 0).sum())
    assert total.denser_than(0.1) == pytest.approx(float((on.mean(0) > 0.1).double().mean()))
    share = on.mean(0)
    bits = [-(p * math.log2(p) + (1 - p) * math.log2(1 - p)) for p in share.tolist() if 0 < p < 1]
    assert total.entropy_bits == pytest.approx(sum(bits))
    counts = [
        int(((share >= low) & (share < high)).sum())
        for low, high in pairwise((*DENSITY_EDGES[:-1], math.inf))
    ]
    assert list(total.density_counts) == counts
    assert sum(counts) == total.alive
    torch.testing.assert_close(total.mean_codes, codes.mean(dim=0), atol=1e-5, rtol=1e-5)


def test_pairs_are_counted_for_bits_alone(dictionary, batches, speaker):
    result = evaluate_dictionaries(speaker, batches, {Site(1): dictionary}, cross_entropy=False)[Site(1)]
    if dictionary.architecture == "binary":
        assert 0 < result.tree_bits < result.entropy_bits
    else:
        assert result.tree_bits is None
    assert Accumulator(dictionary).tree_bits is None


def test_the_absorbed_cosine_is_that_of_the_nearest_other_direction():
    directions = torch.randn(9, 5, generator=torch.Generator().manual_seed(0)) * torch.rand(9, 1)
    alive = torch.ones(9, dtype=torch.bool)
    alive[4] = False
    cosines = [
        max(
            float(nn.functional.cosine_similarity(directions[i], directions[j], dim=0))
            for j in range(9)
            if j not in (i, 4)
        )
        for i in range(9)
        if i != 4
    ]
    assert absorbed_cosine(directions, alive) == pytest.approx(sum(cosines) / 8, rel=1e-5)
    assert math.isnan(absorbed_cosine(directions, torch.zeros(9, dtype=torch.bool)))


def nats(model, batch):
    """Cross-entropy row by row, without padding."""
    total, count = 0.0, 0
    for tokens, attention in zip(batch.tokens, batch.attention, strict=True):
        ids = tokens[attention][None]
        logits = model(ids).logits[0, :-1]
        total += float(nn.functional.cross_entropy(logits, ids[0, 1:], reduction="sum"))
        count += ids.shape[1] - 1
    return total, count


@torch.no_grad()
def test_cross_entropies_against_a_plain_loop(dictionary, speaker, batches, some, tokenizer):
    site = Site(1)
    result = evaluate_dictionaries(speaker, batches, {site: dictionary})[site]
    rows = []
    for batch in batches:
        with capture(speaker, [site], keys=False) as taken:
            speaker(batch.tokens, attention_mask=batch.attention.long())
        rows.append(taken.outputs[site][batch.counted])
    mean = torch.cat(rows).mean(dim=0)
    variants = {
        "clean": lambda x: x,
        "spliced": dictionary,
        "zero_ablated": torch.zeros_like,
        "mean_ablated": mean.expand_as,
    }
    for name, variant in variants.items():

        def hook(_, __, output, variant=variant):
            # Every row starts with one special token, which keeps its activation.
            return torch.cat([output[:, :1], variant(output[:, 1:])], dim=1)

        handle = resolve(speaker, site).output.register_forward_hook(hook)
        sums = [nats(speaker, batch) for batch in batches]
        handle.remove()
        expected = sum(nat for nat, _ in sums) / sum(count for _, count in sums)
        assert getattr(result.cross_entropy, name) == pytest.approx(expected, rel=1e-4), name
    for name in ("spliced", "zero_ablated", "mean_ablated"):
        variant = variants[name]

        def hook(_, __, output, variant=variant):
            return torch.cat([output[:, :1], variant(output[:, 1:])], dim=1)

        total = 0.0
        for batch in batches:
            for tokens, attention in zip(batch.tokens, batch.attention, strict=True):
                ids = tokens[attention][None]
                clean = speaker(ids).logits[0, :-1].double().log_softmax(1)
                handle = resolve(speaker, site).output.register_forward_hook(hook)
                changed = speaker(ids).logits[0, :-1].double().log_softmax(1)
                handle.remove()
                total += float((clean.exp() * (clean - changed)).sum())
        got = getattr(result.cross_entropy, f"{name}_kl")
        assert got == pytest.approx(total / result.cross_entropy.targets, rel=1e-3, abs=1e-6), name
    cost = result.cross_entropy
    assert cost.kl_recovered_from_mean == pytest.approx(1 - cost.spliced_kl / cost.mean_ablated_kl)
    assert cost.targets == sum(len(tokenizer(text)["input_ids"]) - 1 for text in some)
    recovered = (cost.zero_ablated - cost.spliced) / (cost.zero_ablated - cost.clean)
    assert cost.recovered_from_zero == pytest.approx(recovered)


def test_a_perfect_dictionary_recovers_everything(speaker, batches):
    class Identity(ARCHITECTURES["relu"]):
        def encode_scaled(self, x):
            return torch.cat([x.relu(), (-x).relu()], dim=-1)

    perfect = Identity(DictionaryConfig(site=Site(0), width=WIDTH, features=2 * WIDTH)).requires_grad_(False)
    perfect.W_dec.copy_(torch.cat([torch.eye(WIDTH), -torch.eye(WIDTH)]))
    result = evaluate_dictionaries(speaker, batches, {Site(0): perfect})[Site(0)]
    assert result.explained_variance == pytest.approx(1.0, abs=1e-9)
    assert result.gamma == pytest.approx(1.0, abs=1e-9)
    assert result.l0 == pytest.approx(WIDTH)
    assert result.cross_entropy.recovered_from_mean == pytest.approx(1.0, abs=1e-3)
    assert result.cross_entropy.recovered_from_zero == pytest.approx(1.0, abs=1e-3)
    assert result.cross_entropy.spliced_kl == pytest.approx(0.0, abs=1e-6)
    assert result.cross_entropy.kl_recovered_from_zero == pytest.approx(1.0, abs=1e-3)


def test_replacing_touches_marked_tokens_only_and_leaves_no_hook(gpt2, tokens):
    where = torch.zeros_like(tokens, dtype=torch.bool)
    where[1, 4] = True
    site = Site(2)
    with torch.no_grad():
        with capture(gpt2, [site], keys=False) as clean:
            gpt2(tokens)
        with replaced(gpt2, site, torch.zeros_like, where), capture(gpt2, [site], keys=False) as changed:
            gpt2(tokens)
        with capture(gpt2, [site], keys=False) as after:
            gpt2(tokens)
    expected = clean.outputs[site].clone()
    expected[1, 4] = 0
    assert torch.equal(changed.outputs[site], expected)
    assert torch.equal(after.outputs[site], clean.outputs[site])


def test_nothing_to_evaluate_is_an_error(dictionary, speaker):
    with pytest.raises(DictionaryError, match="not one token"):
        evaluate_dictionaries(speaker, [], {Site(1): dictionary})
