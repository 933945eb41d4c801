import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from dictionaries.model.sites import Site, capture, decoder_layers, parse_site, resolve
from policies.errors import DictionaryError, ModelError

FAMILIES = ("gpt2", "gpt_neox", "llama", "gemma2", "qwen2", "mistral", "phi", "opt")
SITES = tuple(Site(layer) for layer in range(3))


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, make_model):
    return make_model(request.param)


def hooks_of(model):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())


def without_mlp(model, layer, tokens):
    """The layer's output with the site's activation replaced by zero, and without intervention."""
    taken = {}
    modules = resolve(model, Site(layer))

    def zero(_, __, output):
        return torch.zeros_like(output)

    def keep(name):
        def hook(_, __, output):
            taken[name] = output[0] if isinstance(output, tuple) else output

        return hook

    handle = decoder_layers(model)[layer].register_forward_hook(keep("full"))
    model(tokens)
    handle.remove()
    handles = [
        decoder_layers(model)[layer].register_forward_hook(keep("ablated")),
        modules.output.register_forward_hook(zero),
    ]
    model(tokens)
    for handle in handles:
        handle.remove()
    return taken["full"], taken["ablated"]


def test_activation_is_what_the_layer_adds_to_the_residual_stream(model, tokens):
    with torch.no_grad():
        with capture(model, SITES) as taken:
            model(tokens)
        for site in SITES:
            full, ablated = without_mlp(model, site.layer, tokens)
            torch.testing.assert_close(taken.outputs[site], full - ablated, atol=2e-5, rtol=1e-4)


def test_keys_through_the_projection_give_the_activation(model, tokens):
    with torch.no_grad(), capture(model, SITES) as taken:
        model(tokens)
    for site in SITES:
        modules = resolve(model, site)
        weight = dict(model.named_parameters())[modules.projection_name]
        assert weight is modules.projection.weight
        matrix = weight if modules.transposed else weight.T
        bias = modules.projection.bias if modules.projection.bias is not None else 0.0
        projected = taken.keys[site] @ matrix + bias
        expected = projected if modules.norm is None else modules.norm(projected)
        torch.testing.assert_close(taken.outputs[site], expected, atol=1e-5, rtol=1e-4)
        assert taken.outputs[site].shape == (*tokens.shape, modules.width)
        assert taken.keys[site].shape[:2] == tokens.shape


def test_only_gemma2_has_a_norm_behind_the_projection(model):
    norm = resolve(model, Site(1)).norm
    assert (norm is not None) == (model.config.model_type == "gemma2")


def test_hooks_leave_no_trace(model, tokens):
    before, logits = hooks_of(model), model(tokens).logits
    with capture(model, SITES, grad=True):
        assert torch.equal(model(tokens).logits, logits)
    assert hooks_of(model) == before
    assert torch.equal(model(tokens).logits, logits)


def test_hooks_are_removed_on_exceptions(model):
    before = hooks_of(model)
    with pytest.raises(RuntimeError, match="inside"), capture(model, SITES):
        raise RuntimeError("inside")
    assert hooks_of(model) == before
    with pytest.raises(DictionaryError), capture(model, [Site(0), Site(99)]):
        pass
    assert hooks_of(model) == before


def test_gradient_reaches_every_site_of_a_frozen_model(model, tokens):
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    with capture(model, SITES, grad=True) as taken:
        model(tokens).logits[:, -1, 7].sum().backward()
    gradient = taken.outputs[SITES[2]].grad
    assert all(taken.outputs[site].grad is not None and taken.keys[site].grad is not None for site in SITES)

    direction = torch.randn(gradient.shape, generator=torch.Generator().manual_seed(3))
    step = 1e-2

    def objective(sign):
        modules = resolve(model, SITES[2])
        hook = modules.output.register_forward_hook(
            lambda _, __, out: out + sign * step * direction.view_as(out)
        )
        try:
            return model(tokens).logits[:, -1, 7].double().sum()
        finally:
            hook.remove()

    with torch.no_grad():
        numeric = (objective(1) - objective(-1)) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum().double(), numeric, rtol=2e-2, atol=2e-3)


def test_stopping_early_gives_the_same_activations(model, tokens):
    with torch.no_grad():
        with capture(model, SITES[:2]) as full:
            model(tokens)
        reached = False
        with capture(model, SITES[:2], stop_early=True) as early:
            model(tokens)
            reached = True
        with capture(model, SITES[:2], outputs=False, stop_early=True) as only_keys:
            model(tokens)
            reached = True
    assert not reached
    for site in SITES[:2]:
        assert torch.equal(full.outputs[site], early.outputs[site])
        assert torch.equal(full.keys[site], only_keys.keys[site])
    assert not only_keys.outputs


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")  # PEFT's own
def test_peft_wrapped_model_resolves_to_the_base_weight(make_model, tokens):
    base = make_model("llama")
    with torch.no_grad():
        with capture(base, SITES) as plain:
            base(tokens)
        config = LoraConfig(target_modules=["down_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
        wrapped = get_peft_model(base, config)
        with capture(wrapped, SITES) as taken:
            wrapped(tokens)
    modules = resolve(wrapped, SITES[0])
    assert dict(wrapped.named_parameters())[modules.projection_name] is modules.projection.weight
    assert torch.equal(plain.keys[SITES[0]], taken.keys[SITES[0]])
    assert not torch.equal(plain.outputs[SITES[0]], taken.outputs[SITES[0]])


def test_sites_parse_print_and_sort():
    assert str(parse_site("mlp_out.12")) == "mlp_out.12"
    assert sorted([Site(10), Site(2)]) == [Site(2), Site(10)]
    for bad in ("mlp_out", "mlp_out.-1", "resid.1", "mlp_out.1 "):
        with pytest.raises(DictionaryError, match="is not a site"):
            parse_site(bad)


def test_models_that_are_not_understood_are_refused(gpt2):
    with pytest.raises(ModelError):
        decoder_layers(nn.Linear(2, 2))
    with pytest.raises(DictionaryError, match="3 layers"):
        resolve(gpt2, Site(3))
