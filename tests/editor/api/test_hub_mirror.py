"""Models and dictionaries by their names on the hub, read from a mirror on this machine."""

import shutil

import pytest
from hub_mirror import mirror
from huggingface_hub import constants
from published import MAKERS

from dictionaries import load_dictionaries
from dictionaries.model.sites import Site
from editor.measuring.summaries import model_summary
from editor.model.checks.sources import on_hub
from editor.model.digests import tensor_digests
from editor.model.loading import load_model
from policies.errors import DictionaryError, ModelError


@pytest.fixture(scope="module")
def hub(tmp_path_factory, checkpoint):
    """A model and a dictionary on the mirror; the names of the files that were asked for, and the cache."""
    store, cache = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("cache")
    shutil.copytree(checkpoint("gpt2"), store / "owner" / "letters")
    MAKERS["standard"](store / "owner" / "saes" / "blocks.3" / "small")
    (store / "owner" / "saes" / "blocks.3" / "large.bin").write_bytes(b"0" * 100)
    with mirror(store, cache) as asked:
        yield asked, cache


def test_a_model_by_its_name(hub, loaded):
    asked, cache = hub
    model = load_model("owner/letters", device="cpu")
    assert tensor_digests(model) == tensor_digests(loaded("gpt2"))
    summary = model_summary(model, tensor_digests(model))
    assert (summary.source, summary.repository) == ("owner/letters", "owner/letters")
    assert model.files is not None
    assert model.files.files[0].is_relative_to(cache)
    assert [path for path in asked if path.endswith("/model.safetensors")]


def test_a_model_that_was_fetched_is_read_without_a_network(hub, monkeypatch):
    asked, _ = hub
    load_model("owner/letters", device="cpu")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    before = len(asked)
    assert load_model("owner/letters", device="cpu").source == "owner/letters"
    assert len(asked) == before


def test_a_dictionary_by_its_name_and_folder(hub):
    asked, _ = hub
    (site,) = load_dictionaries("owner/saes/blocks.3/small")
    assert site == Site(3, "resid_post")
    assert not [path for path in asked if "large.bin" in path]


@pytest.mark.usefixtures("hub")
def test_names_that_nobody_has():
    with pytest.raises(ModelError, match="nor a model of that name on the hub"):
        load_model("owner/nothing", device="cpu")
    with pytest.raises(DictionaryError, match="nor to be had from the hub"):
        load_dictionaries("owner/nothing")


@pytest.mark.parametrize(
    ("source", "is_name"),
    [("owner/letters", True), ("gpt2", True), ("./here", False), ("~/m", False), ("a/b/c", False)],
)
def test_what_can_only_be_a_name_on_the_hub(source, is_name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert on_hub(source) is is_name
    (tmp_path / "owner" / "letters").mkdir(parents=True)
    assert on_hub("owner/letters") is False
