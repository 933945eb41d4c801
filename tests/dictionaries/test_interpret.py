import pytest
import torch

from dictionaries.architectures.relu import ReluSAE
from dictionaries.config import DictionaryConfig
from dictionaries.evaluation.interpret import mask_text, view_feature
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
    masked = "".join(part for one in view(reach=50).contexts for part in one[2:])
    shown = "".join(part for one in view(reach=50, unmask=True).contexts for part in one[2:])
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
    seen = view(promoted=4)
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
