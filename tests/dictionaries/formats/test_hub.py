"""Names on the hub: only what a format needs is asked for, and a local path is never looked up."""

import fnmatch

import pytest
import torch
from published import MAKERS

from dictionaries.formats import hub, load_dictionaries, save_dictionary
from dictionaries.model.sites import Site
from policies.errors import DictionaryError


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A fake of the hub that keeps what it serves in a folder and counts the files it gave."""
    store, snapshot = tmp_path / "hub", tmp_path / "snapshot"
    served = []

    def download(repository, *, allow_patterns):
        assert (store / repository).is_dir(), "asked for a repository that is not there"
        for file in sorted((store / repository).rglob("*")):
            name = file.relative_to(store / repository).as_posix()
            if file.is_file() and any(fnmatch.fnmatch(name, pattern) for pattern in allow_patterns):
                served.append(name)
                target = snapshot / repository / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())
        (snapshot / repository).mkdir(parents=True, exist_ok=True)
        return str(snapshot / repository)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    return store, served


def test_a_folder_of_a_repository(repository):
    store, served = repository
    made = MAKERS["standard"](store / "owner" / "saes" / "blocks.3" / "small")
    MAKERS["standard"](store / "owner" / "saes" / "blocks.4")
    (made.path / "runner_cfg.json").write_text("{}")
    (made.path / "sparsity.safetensors").write_bytes(b"large")
    assert list(load_dictionaries("owner/saes/blocks.3/small")) == [Site(3, "resid_post")]
    assert served == ["blocks.3/small/cfg.json", "blocks.3/small/sae_weights.safetensors"]


def test_a_whole_repository_of_one_dictionary(repository):
    store, served = repository
    MAKERS["dl_gated"](store / "owner" / "one")
    (store / "owner" / "one" / "optimizer.pt").write_bytes(b"large")
    assert list(load_dictionaries("owner/one")) == [Site(4, "resid_post")]
    assert served == ["ae.pt", "config.json"]


def test_gemma_scope_says_its_stream_in_the_repositorys_name(repository):
    store, served = repository
    made = MAKERS["gemma_scope"](store / "else")
    target = store / "google" / "gemma-scope-2b-pt-att" / "layer_7" / "width_16k" / "average_l0_5"
    target.mkdir(parents=True)
    (made.path / "params.npz").rename(target / "params.npz")
    name = "google/gemma-scope-2b-pt-att/layer_7/width_16k/average_l0_5"
    assert list(load_dictionaries(name)) == [Site(7, "attn_heads")]
    assert list(load_dictionaries(f"{name}/params.npz")) == [Site(7, "attn_heads")]
    assert set(served) == {"layer_7/width_16k/average_l0_5/params.npz"}


def test_llama_scope_with_weights_a_folder_deeper(repository):
    store, served = repository
    MAKERS["llama_scope"](store / "fnlp" / "LXR-8x" / "L9R-8x")
    assert list(load_dictionaries("fnlp/LXR-8x/L9R-8x")) == [Site(9, "resid_post")]
    assert served == ["L9R-8x/checkpoints/final.safetensors", "L9R-8x/hyperparams.json"]


def test_a_folder_of_folders_of_our_own(repository, tmp_path):
    store, _ = repository
    dictionary = load_dictionaries(MAKERS["standard"](tmp_path / "p").path)[Site(3, "resid_post")]
    save_dictionary(dictionary, store / "owner" / "ours" / "resid_post.3")
    (loaded,) = load_dictionaries("owner/ours").values()
    assert torch.equal(loaded.W_enc, dictionary.W_enc)


def test_a_repository_without_a_dictionary_at_that_place(repository):
    store, served = repository
    MAKERS["gemma_scope_2"](
        store / "google" / "gemma-scope-2-1b-pt" / "resid_post_all" / "layer_17_width_16k"
    )
    with pytest.raises(DictionaryError, match="No dictionary was found") as caught:
        load_dictionaries("google/gemma-scope-2-1b-pt")
    assert "name the folder after a slash" in caught.value.remedy
    assert not served


def test_a_hub_that_cannot_be_reached(monkeypatch):
    def offline(*_, **__):
        raise ConnectionError("no route to https://a-host.example/with?token=secret")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(DictionaryError, match=r"owner/name is neither .* \(ConnectionError\)") as caught:
        load_dictionaries("owner/name")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["/nowhere/at/all", "./here/not", "nothing", "../up/there", "~/mine"])
def test_local_paths_are_not_looked_up(name, monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", pytest.fail)
    with pytest.raises(DictionaryError, match="does not exist"):
        load_dictionaries(name)
    assert not hub.is_hub_name(name)
