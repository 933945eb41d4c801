"""Every published format gives what its own definition computes, and goes back to where it can."""

import pytest
import torch
from published import MAKERS, D, F

from dictionaries.formats import FORMATS, export_dictionaries, load_dictionaries, save_dictionary, writable
from policies.errors import DictionaryError


@pytest.fixture(params=sorted(MAKERS))
def published(request, tmp_path):
    return MAKERS[request.param](tmp_path / "published")


@pytest.fixture
def x():
    return 1.5 * torch.randn(200, D, generator=torch.Generator().manual_seed(1)) + 0.3


def load_one(path, **asked):
    (loaded,) = load_dictionaries(path, **asked).values()
    return loaded


def agrees(dictionary, x, compute):
    features, reconstruction = compute(x)
    assert float((dictionary.encode(x) - features).abs().max()) < 1e-5
    assert float((dictionary(x) - reconstruction).abs().max()) < 1e-5
    assert 0 < int((features > 0).sum()) < features.numel()


def test_it_computes_what_its_definition_says(published, x):
    dictionary = load_one(published.path, **published.asked)
    agrees(dictionary, x, published.compute)
    assert dictionary.config.site == published.site
    assert (dictionary.config.width, dictionary.config.features) == (D, F)
    assert {tensor.dtype for tensor in dictionary.state_dict().values()} == {torch.float32}
    assert not any(parameter.requires_grad for parameter in dictionary.parameters())


def test_contributions_add_up(published, x):
    """What locators and edits rely on, whatever the dictionary came from."""
    dictionary = load_one(published.path, **published.asked)
    codes = dictionary.encode(x)
    without = dictionary.decode(torch.zeros_like(codes), x)
    written = dictionary.decode(codes, x) - without
    torch.testing.assert_close(written, codes @ dictionary.directions, atol=1e-4, rtol=1e-4)


def test_it_comes_back_from_expunges_own_format(published, x, tmp_path):
    dictionary = load_one(published.path, **published.asked)
    again = load_one(save_dictionary(dictionary, tmp_path / "own"))
    stored = dictionary.state_dict()
    assert all(torch.equal(tensor, stored[name]) for name, tensor in again.state_dict().items())
    assert (again.input_scale, again.input_norm) == (dictionary.input_scale, dictionary.input_norm)
    assert again.config == dictionary.config
    torch.testing.assert_close(again(x), dictionary(x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("target", sorted(set(writable()) - {"expunge"}))
def test_it_comes_back_from_other_formats(published, x, tmp_path, target):
    dictionary = load_one(published.path, **published.asked)
    unknown = dictionary.architecture == "binary" or (
        target == "dictionary-learning" and dictionary.input_norm != "none"
    )
    if unknown:
        with pytest.raises(DictionaryError, match="has no"):
            export_dictionaries({published.site: dictionary}, tmp_path / "out", target)
        return
    export_dictionaries({published.site: dictionary}, tmp_path / "out", target)
    known = published.site.stream in {"resid_post", "mlp_out"} or target == "sae-lens"
    again = load_one(tmp_path / "out", **({} if known else {"site": published.site}))
    assert again.config.site == published.site
    torch.testing.assert_close(again.encode(x), dictionary.encode(x), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(again(x), dictionary(x), atol=1e-5, rtol=1e-5)


def test_groups_survive(tmp_path):
    for name in ("sae_lens_matryoshka", "dl_matryoshka"):
        dictionary = load_one(MAKERS[name](tmp_path / name).path)
        assert dictionary.group_sizes == [3, 6, F - 9]
        export_dictionaries(
            {dictionary.config.site: dictionary}, tmp_path / f"{name}-back", "dictionary-learning"
        )
        assert load_one(tmp_path / f"{name}-back").group_sizes == [3, 6, F - 9]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("standard", "sae_weights.safetensors"),
        ("dl_gated", "ae.pt"),
        ("gemma_scope", "params.npz"),
        ("gemma_scope_2", "params.safetensors"),
        ("llama_scope", "checkpoints/final.safetensors"),
        ("sparsify", "layers.6/sae.safetensors"),
        ("bae", "model_3.pt"),
    ],
)
def test_a_file_stands_for_its_dictionary(name, file, tmp_path, x):
    published = MAKERS[name](tmp_path / name)
    agrees(load_one(published.path / file, **published.asked), x, published.compute)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_narrow_and_wide_dtypes_are_read_into_float32(dtype, tmp_path):
    from safetensors.torch import load_file, save_file

    published = MAKERS["standard"](tmp_path / "p")
    file = published.path / "sae_weights.safetensors"
    stored = {name: tensor.to(dtype) for name, tensor in load_file(file).items()}
    save_file(stored, file)
    dictionary = load_one(published.path)
    for name, tensor in dictionary.state_dict().items():
        assert torch.equal(tensor, stored[name].float())


def test_every_format_is_among_them(tmp_path):
    read = [MAKERS[name](tmp_path / name) for name in MAKERS]
    formats = {load_one(one.path, **one.asked).config.provenance["format"] for one in read}
    assert formats == FORMATS.keys() - {"expunge"}
