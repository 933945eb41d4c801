"""The streams beside `mlp_out`: where they are, and that training, evaluation and a feature's view work on them."""

from dataclasses import replace

import pytest
import torch

from dictionaries.architectures import ARCHITECTURES
from dictionaries.config import DictionaryConfig
from dictionaries.evaluation.evaluate import evaluate_dictionaries
from dictionaries.evaluation.interpret import view_feature
from dictionaries.model.sites import STREAMS, Site, capture, intercepted, parse_site, resolve, writing_sites
from dictionaries.model.tokens import token_batches
from dictionaries.training.loop import train_dictionaries
from policies.errors import DictionaryError

FAMILIES = ("gpt2", "gpt_neox", "llama", "gemma2", "qwen2", "mistral", "phi", "phi3", "opt")
OTHERS = ("attn_out", "resid_post", "attn_heads", "mlp_hidden")


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, make_model):
    return make_model(request.param)


def read(model, sites, tokens):
    with torch.no_grad(), capture(model, sites) as taken:
        hidden = model(tokens, output_hidden_states=True).hidden_states
    return taken, hidden


def through(found, keys):
    """What a projection adds to the residual stream, by its weights."""
    weight = found.projection.weight if found.transposed else found.projection.weight.T
    bias = found.projection.bias if found.projection.bias is not None else 0.0
    written = keys @ weight + bias
    return written if found.norm is None else found.norm(written)


def test_resid_post_is_the_next_hidden_state(model, tokens):
    sites = [Site(layer, "resid_post") for layer in range(2)]
    taken, hidden = read(model, sites, tokens)
    for site in sites:
        torch.testing.assert_close(taken.outputs[site], hidden[site.layer + 1], atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_heads_through_their_projection_are_what_attention_adds(model, tokens):
    sites = [Site(1, "resid_post"), Site(1), Site(1, "attn_out"), Site(1, "attn_heads")]
    taken, hidden = read(model, sites, tokens)
    added = taken.outputs[sites[0]] - hidden[1] - taken.outputs[sites[1]]
    attention = resolve(model, sites[2])
    torch.testing.assert_close(taken.outputs[sites[2]], added, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(through(attention, taken.outputs[sites[3]]), added, atol=1e-4, rtol=1e-4)
    assert dict(model.named_parameters())[attention.projection_name] is attention.projection.weight
    assert torch.equal(taken.keys[sites[2]], taken.outputs[sites[3]])
    assert resolve(model, sites[3]).width == taken.outputs[sites[3]].shape[-1]


def test_the_hidden_neurons_are_the_keys_of_the_mlp(model, tokens):
    taken, _ = read(model, [Site(2), Site(2, "mlp_hidden")], tokens)
    assert torch.equal(taken.outputs[Site(2, "mlp_hidden")], taken.keys[Site(2)])
    assert resolve(model, Site(2, "mlp_hidden")).width == taken.keys[Site(2)].shape[-1]


@torch.no_grad()
def test_what_writes_the_residual_stream_adds_up_to_what_the_layer_adds(model, tokens):
    site = Site(0, "resid_post")
    writing = writing_sites(site)
    taken, hidden = read(model, [site, *writing], tokens)
    written = sum(through(resolve(model, one), taken.keys[one]) for one in writing)
    torch.testing.assert_close(written, taken.outputs[site] - hidden[0], atol=1e-4, rtol=1e-4)
    assert site not in taken.keys


def test_what_no_projection_writes_is_refused():
    assert writing_sites(Site(2)) == (Site(2),)
    for stream in ("attn_heads", "mlp_hidden"):
        with pytest.raises(DictionaryError, match="no projection writes it"):
            writing_sites(Site(2, stream))


@pytest.mark.parametrize("stream", STREAMS)
def test_replacing_an_activation_by_itself_changes_nothing(model, tokens, stream):
    site = Site(1, stream)
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    with torch.no_grad():
        logits = model(tokens).logits
        with intercepted(model, site, lambda x: x.clone()):
            assert torch.equal(model(tokens).logits, logits)
        with intercepted(model, site, torch.zeros_like):
            assert not torch.allclose(model(tokens).logits, logits)
        assert torch.equal(model(tokens).logits, logits)
    assert hooks == [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]


@pytest.mark.parametrize("stream", OTHERS)
def test_gradients_reach_every_stream_of_a_frozen_model(model, tokens, stream):
    model.requires_grad_(False)
    site = Site(1, stream)
    with capture(model, [site], grad=True) as taken:
        model(tokens).logits[:, -1, 7].sum().backward()
    gradient = taken.outputs[site].grad
    direction = torch.randn(gradient.shape, generator=torch.Generator().manual_seed(3))

    @torch.no_grad()
    def objective(step):
        with intercepted(model, site, lambda x: x + step * direction.view_as(x)):
            return model(tokens).logits[:, -1, 7].double().sum()

    numeric = (objective(2e-3) - objective(-2e-3)) / 4e-3
    torch.testing.assert_close((gradient * direction).sum().double(), numeric, rtol=3e-2, atol=5e-3)


@pytest.mark.parametrize("stream", OTHERS)
def test_stopping_early_reads_the_same(model, tokens, stream):
    sites = [Site(1), Site(1, stream)]
    full, _ = read(model, sites, tokens)
    with torch.no_grad(), capture(model, sites, stop_early=True) as early:
        model(tokens)
    for site in sites:
        assert torch.equal(full.outputs[site], early.outputs[site])


@pytest.mark.parametrize("stream", OTHERS)
def test_train_evaluate_and_view(stream, speaker, tokenizer, texts):
    batches = list(token_batches(texts, tokenizer))
    site = Site(1, stream)
    settings = replace(ARCHITECTURES["gated"].defaults, features=48, steps=30, batch_size=128)
    trained = train_dictionaries(speaker, batches, [site], "gated", settings).dictionaries
    assert trained[site].config.width == resolve(speaker, site).width
    result = evaluate_dictionaries(speaker, batches, trained)[site]
    assert result.tokens > 0
    assert result.cross_entropy is not None
    assert len(view_feature(speaker, tokenizer, batches, trained[site], 3).promoted) == 10


@pytest.mark.parametrize("stream", STREAMS)
def test_a_perfect_dictionary_recovers_the_cross_entropy(stream, speaker, tokenizer, texts):
    class Identity(ARCHITECTURES["relu"]):
        def encode_scaled(self, x):
            return torch.cat([x.relu(), (-x).relu()], dim=-1)

    batches = list(token_batches(texts, tokenizer))
    site = Site(1, stream)
    width = resolve(speaker, site).width
    perfect = Identity(DictionaryConfig(site=site, width=width, features=2 * width)).requires_grad_(False)
    perfect.W_dec.copy_(torch.cat([torch.eye(width), -torch.eye(width)]))
    cost = evaluate_dictionaries(speaker, batches, {site: perfect})[site].cross_entropy
    assert cost.recovered_from_mean == pytest.approx(1.0, abs=1e-3)
    assert cost.recovered_from_zero == pytest.approx(1.0, abs=1e-3)
    assert cost.spliced == pytest.approx(cost.clean, abs=1e-5)


@torch.no_grad()
def test_what_a_neuron_promotes_goes_through_its_projection(speaker, tokenizer, texts):
    """A feature that is one neuron promotes what that neuron's output weights do."""
    site = Site(1, "mlp_hidden")
    width = resolve(speaker, site).width
    single = ARCHITECTURES["relu"](DictionaryConfig(site=site, width=width, features=width))
    single.W_dec.copy_(torch.eye(width))
    batches = list(token_batches(texts[:5], tokenizer))
    view = view_feature(speaker, tokenizer, batches, single.requires_grad_(False), 11)
    logits = speaker.transformer.h[1].mlp.c_proj.weight[11] @ speaker.lm_head.weight.T
    best = logits.argmax()
    assert view.promoted[0].token == tokenizer.decode([int(best)])
    assert view.promoted[0].logit == pytest.approx(float(logits[best] - logits.mean()), rel=1e-4)


def test_streams_parse_print_and_sort():
    for stream in STREAMS:
        assert parse_site(f"{stream}.4") == Site(4, stream)
    assert sorted([Site(1, "resid_post"), Site(1), Site(1, "attn_heads"), Site(0, "resid_post")]) == [
        Site(0, "resid_post"),
        Site(1, "attn_heads"),
        Site(1),
        Site(1, "resid_post"),
    ]


def test_streams_of_different_widths_are_not_trained_together(speaker, tokenizer, texts):
    batches = list(token_batches(texts[:5], tokenizer))
    with pytest.raises(DictionaryError, match=r"different widths \(mlp_hidden\.1 64, mlp_out\.1 16\)"):
        train_dictionaries(speaker, batches, [Site(1), Site(1, "mlp_hidden")])
