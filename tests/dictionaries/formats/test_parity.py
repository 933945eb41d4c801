"""The packages themselves load what we write and compute what we compute, and the other way round.

Run by `make test-parity`, in an environment of its own that has sae-lens and dictionary-learning.
"""

import sys
import types

import pytest
import torch
from published import MAKERS, D, F, K

from dictionaries.architectures import ARCHITECTURES
from dictionaries.config import DictionaryConfig
from dictionaries.formats import export_dictionaries, load_dictionaries
from dictionaries.model.sites import Site

pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore")]

SITE = Site(3, "resid_post")
OF_SAE_LENS = (
    "standard",
    "standard_without_bias_in_input",
    "standard_constant_norm",
    "standard_layer_norm",
    "gated",
    "gated_without_bias_in_input",
    "sae_lens_topk_rescaled",
    "sae_lens_topk_of_version_5",
    "sae_lens_jumprelu",
)
OF_DICTIONARY_LEARNING = {
    "dl_gated": "GatedAutoEncoder",
    "dl_standard": "AutoEncoder",
    "dl_topk": "AutoEncoderTopK",
    "dl_batchtopk": "BatchTopKSAE",
    "dl_batchtopk_without_threshold": "BatchTopKSAE",
    "dl_matryoshka": "MatryoshkaBatchTopKSAE",
    "dl_jumprelu": "JumpReluAutoEncoder",
}


@pytest.fixture(scope="module")
def sae_lens():
    return pytest.importorskip("sae_lens")


@pytest.fixture(scope="module")
def library():
    """dictionary_learning's classes by name; nnsight, which only its buffer uses, is stood in for."""
    if "nnsight" not in sys.modules:
        stand_in = types.ModuleType("nnsight")
        stand_in.LanguageModel = object
        sys.modules["nnsight"] = stand_in
    pytest.importorskip("dictionary_learning")
    from dictionary_learning import dictionary
    from dictionary_learning.trainers import batch_top_k, matryoshka_batch_top_k, top_k

    modules = (dictionary, top_k, batch_top_k, matryoshka_batch_top_k)
    return {name: value for module in modules for name, value in vars(module).items()}


@pytest.fixture
def x():
    return torch.randn(100, D, generator=torch.Generator().manual_seed(1)) + 0.3


def make(name):
    """A dictionary of ours with random weights and a scale."""
    generator = torch.Generator().manual_seed(0)
    config = DictionaryConfig(site=SITE, width=D, features=F, model="tiny")
    made = ARCHITECTURES[name](config, input_scale=1.7)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
        for buffer, value in {"k": K, "threshold": 0.3}.items():
            if buffer in dict(made.named_buffers()):
                getattr(made, buffer).fill_(value)
        if "threshold" in dict(made.named_parameters()):
            made.threshold.abs_()
    return made.requires_grad_(False)


def close(one, other):
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", OF_SAE_LENS)
def test_we_read_what_sae_lens_reads(name, sae_lens, tmp_path, x):
    published = MAKERS[name](tmp_path / "p")
    theirs = sae_lens.SAE.load_from_disk(published.path)
    (ours,) = load_dictionaries(published.path).values()
    close(ours(x), theirs(x).detach())
    on = theirs.encode(x).detach() > 0
    assert torch.equal(ours.encode(x) > 0, on)


@pytest.mark.parametrize("name", ["standard", "gated", "topk", "jumprelu"])
def test_we_read_what_sae_lens_writes(name, sae_lens, tmp_path, x):
    kinds = {"standard": "Standard", "gated": "Gated", "topk": "TopK", "jumprelu": "JumpReLU"}
    kind = getattr(sae_lens, f"{kinds[name]}SAE")
    settings = {"d_in": D, "d_sae": F, "apply_b_dec_to_input": name != "jumprelu"}
    config = getattr(sae_lens, f"{kinds[name]}SAEConfig")(**settings, **({"k": K} if name == "topk" else {}))
    config.metadata.hook_name = "blocks.3.hook_resid_post"
    theirs = kind(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
        if name == "jumprelu":
            theirs.threshold.abs_()
    theirs.save_model(tmp_path)
    (ours,) = load_dictionaries(tmp_path).values()
    assert ours.config.site == SITE
    close(ours.encode(x), theirs.encode(x).detach())
    close(ours(x), theirs(x).detach())


@pytest.mark.parametrize("name", sorted(set(ARCHITECTURES) - {"binary"}))
def test_sae_lens_reads_what_we_write(name, sae_lens, tmp_path, x):
    ours = make(name)
    export_dictionaries({SITE: ours}, tmp_path, "sae-lens")
    theirs = sae_lens.SAE.load_from_disk(tmp_path)
    assert theirs.cfg.metadata.hook_name == "blocks.3.hook_resid_post"
    close(theirs.encode(x).detach(), ours.encode(x))
    close(theirs(x).detach(), ours(x))


@pytest.mark.parametrize("name", sorted(OF_DICTIONARY_LEARNING))
def test_we_read_what_dictionary_learning_reads(name, library, tmp_path, x):
    published = MAKERS[name](tmp_path / "p")
    theirs = library[OF_DICTIONARY_LEARNING[name]].from_pretrained(str(published.path / "ae.pt"))
    (ours,) = load_dictionaries(published.path, **published.asked).values()
    close(ours(x), theirs(x).detach())
    assert torch.equal(ours.encode(x) > 0, theirs.encode(x).detach() > 0)


@pytest.mark.parametrize("name", sorted(set(ARCHITECTURES) - {"binary"}))
def test_dictionary_learning_reads_what_we_write(name, library, tmp_path, x):
    ours = make(name)
    export_dictionaries({SITE: ours}, tmp_path, "dictionary-learning")
    kinds = {"gated": "dl_gated", "relu": "dl_standard"}
    kind = library[OF_DICTIONARY_LEARNING[kinds.get(name, f"dl_{name}")]]
    theirs = kind.from_pretrained(str(tmp_path / "ae.pt"))
    close(theirs(x).detach(), ours(x))
    assert torch.equal(theirs.encode(x).detach() > 0, ours.encode(x) > 0)
