import pytest
import torch

from dictionaries.architectures.binary import BinaryAutoencoder
from dictionaries.architectures.relu import ReluSAE
from dictionaries.config import DictionaryConfig
from dictionaries.evaluation.interpret import mask_text, value_histogram, view_feature
from dictionaries.model.sites import Site, capture
from dictionaries.model.tokens import token_batches
from policies.errors import DictionaryError


@pytest.fixture
def dictionary():
    generator = torch.Generator().manual_seed(0)
    sae = ReluSAE(DictionaryConfig(site=Site(1), width=16, features=8)).requires_grad_(False)
    for parameter in sae.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator))
    sae.b_enc.fill_(-1.0)
    return sae


@pytest.fixture
def view(speaker, tokenizer, texts, dictionary):
    def make(feature=3, **settings):
        batches = token_batches(texts, tokenizer, batch_size=8)
        return view_feature(speaker, tokenizer, batches, dictionary, feature, **settings)

    return make


def test_contexts_are_where_the_feature_is_largest(view, speaker, tokenizer, texts, dictionary):
    seen = view(contexts=5, reach=100, unmask=True)
    largest, on, tokens = [], 0, 0
    for text in texts:
        ids = torch.tensor([tokenizer(text)["input_ids"]])
        with torch.no_grad(), capture(speaker, [Site(1)]) as taken:
            speaker(ids)
        values = dictionary.encode(taken.outputs[Site(1)][0, 1:])[:, 3]
        largest.append(float(values.max()))
        on, tokens = on + int((values > 0).sum()), tokens + len(values)
    assert seen.density == pytest.approx(on / tokens)
    assert seen.tokens == tokens
    assert seen.largest == pytest.approx(max(largest), rel=1e-4)
    for context in seen.contexts:
        assert context.value == pytest.approx(largest[context.document], rel=1e-4)
        assert context.before + context.token + context.after == texts[context.document]
        assert context.token


def test_contexts_are_distinct_and_ordered(view):
    seen = view(contexts=6)
    values = [context.value for context in seen.contexts]
    assert values == sorted(values, reverse=True)
    assert len({(context.before, context.token) for context in seen.contexts}) == len(values)


def test_digits_and_addresses_are_masked_unless_asked_for(view):
    masked = "".join(one.before + one.token + one.after for one in view(reach=50).contexts)
    shown = "".join(one.before + one.token + one.after for one in view(reach=50, unmask=True).contexts)
    assert not any(character.isdigit() for character in masked)
    assert any(character.isdigit() for character in shown)
    assert len(masked) == len(shown)


def test_masking_keeps_lengths_and_hides_addresses():
    text = "Write to ada.quill@example.org or call +1 555-0142."
    masked = mask_text(text)
    assert len(masked) == len(text)
    assert "ada" not in masked
    assert "example" not in masked
    assert masked.startswith("Write to ")
    assert masked.endswith(" or call +• •••-••••.")
    assert "quill" not in mask_text("ada.quill @ example.org")


def test_promoted_tokens_follow_the_unembedding(view, speaker, tokenizer, dictionary):
    seen = view(promoted=4, unmask=True)
    logits = speaker.lm_head.weight @ dictionary.directions[3]
    logits = (logits - logits.mean()).detach()
    order = logits.argsort(descending=True)
    assert [one.token for one in seen.promoted] == [tokenizer.decode([token]) for token in order[:4].tolist()]
    assert [one.logit for one in seen.promoted] == pytest.approx(logits[order[:4]].tolist(), rel=1e-4)
    assert seen.suppressed[0].logit == pytest.approx(float(logits.min()), rel=1e-4)


def test_unknown_features_and_silent_ones(view, dictionary):
    with pytest.raises(DictionaryError, match="Feature 8 does not exist"):
        view(8)
    dictionary.b_enc[2] = -1e9
    silent = view(2)
    assert (silent.density, silent.largest, silent.contexts) == (0.0, 0.0, ())
    assert view(contexts=0).contexts == ()


def test_every_token_of_a_context_has_its_value(view, speaker, tokenizer, texts, dictionary):
    context = view(contexts=1, reach=100, unmask=True).contexts[0]
    ids = torch.tensor([tokenizer(texts[context.document])["input_ids"]])
    with torch.no_grad(), capture(speaker, [Site(1)]) as taken:
        speaker(ids)
    values = dictionary.encode(taken.outputs[Site(1)][0])[:, 3].tolist()
    pieces = [piece for piece in context.pieces if piece.text]
    assert [piece.text for piece in pieces] == [tokenizer.decode([token]) for token in ids[0, 1:].tolist()]
    assert [piece.value for piece in pieces] == pytest.approx(values[1:], rel=1e-4, abs=1e-5)
    assert context.pieces[context.peak].value == context.value


def test_histogram_counts_every_token_that_is_on(view):
    seen = view()
    assert sum(one.tokens for one in seen.histogram) == round(seen.density * seen.tokens)
    assert seen.histogram[-1].high == pytest.approx(seen.largest)
    assert seen.histogram[-1].tokens > 0
    assert value_histogram(torch.ones(5)) == ((1.0, 1.0, 5),)
    assert [one.tokens for one in value_histogram(torch.tensor([0.1, 1.0, 2.0, 4.0]), 4)] == [2, 1, 0, 1]


def test_a_bit_that_is_mostly_on_is_shown_where_it_is_off(speaker, tokenizer, texts):
    bits = BinaryAutoencoder(DictionaryConfig(site=Site(1), width=16, features=4)).requires_grad_(False)
    bits.W_enc.copy_(torch.randn(16, 4, generator=torch.Generator().manual_seed(0)))
    batches = list(token_batches(texts, tokenizer, batch_size=8))
    shares = [view_feature(speaker, tokenizer, batches, bits, feature).density for feature in range(4)]
    dense = max(range(4), key=lambda feature: shares[feature] * (shares[feature] < 1))
    bits.running_mean.fill_(0.9)
    seen = view_feature(speaker, tokenizer, batches, bits, dense)
    assert seen.contexts
    assert {context.value for context in seen.contexts} == {0.0}
