import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from dictionaries import load_dictionaries, save_dictionaries, save_dictionary
from dictionaries.architectures import ARCHITECTURES
from dictionaries.config import DictionaryConfig
from dictionaries.formats.own import METADATA_FILE, TENSORS_FILE
from dictionaries.model.sites import Site
from policies.errors import DictionaryError, OutputError

WIDTH, FEATURES = 16, 24


SITE = Site(1)


def make(name, site=SITE, width=WIDTH):
    generator = torch.Generator().manual_seed(0)
    config = DictionaryConfig(
        site=site, width=width, features=FEATURES, model="tiny", provenance={"steps": 7, "sparsity": 0.1}
    )
    dictionary = ARCHITECTURES[name](config, input_scale=1.7)
    with torch.no_grad():
        for tensor in dictionary.state_dict().values():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) - 0.4)
        if hasattr(dictionary, "k"):
            dictionary.k.fill_(5)
    return dictionary.requires_grad_(False)


@pytest.fixture(params=sorted(ARCHITECTURES))
def dictionary(request):
    return make(request.param)


@pytest.fixture
def saved(tmp_path):
    return save_dictionary(make("gated"), tmp_path / "one")


def change_metadata(folder, **changes):
    file = folder / METADATA_FILE
    metadata = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: value for key, value in metadata.items() if value is not None}))


def change_tensors(folder, **changes):
    tensors = load_file(folder / TENSORS_FILE) | changes
    save_file({name: x for name, x in tensors.items() if x is not None}, folder / TENSORS_FILE)


def test_round_trip_is_exact(dictionary, tmp_path):
    folder = save_dictionary(dictionary, tmp_path / "deep" / "one")
    (loaded,) = load_dictionaries(folder).values()
    assert type(loaded) is type(dictionary)
    assert loaded.config == dictionary.config
    stored = dictionary.state_dict()
    assert all(torch.equal(tensor, stored[name]) for name, tensor in loaded.state_dict().items())
    x = torch.randn(20, WIDTH, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loaded(x), dictionary(x), atol=1e-6, rtol=1e-6)
    assert torch.equal(loaded.baseline, dictionary.baseline)
    assert torch.equal(loaded.directions, dictionary.directions)
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    assert sorted(file.name for file in folder.iterdir()) == [METADATA_FILE, TENSORS_FILE]


def test_bfloat16_halves_matrices_and_spares_vectors(dictionary, tmp_path):
    folder = save_dictionary(dictionary, tmp_path / "half", dtype="bfloat16")
    stored = load_file(folder / TENSORS_FILE)
    assert all(x.dtype == (torch.bfloat16 if x.dim() > 1 else torch.float32) for x in stored.values())
    (loaded,) = load_dictionaries(folder).values()
    for name, tensor in loaded.state_dict().items():
        original = dictionary.state_dict()[name]
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, original.bfloat16().float() if original.dim() > 1 else original)


def test_a_folder_of_dictionaries_loads_in_order_of_sites(tmp_path, gpt2):
    made = {Site(layer): make("gated", Site(layer)) for layer in (2, 0)}
    save_dictionaries(made, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlp_out.0", "mlp_out.2"]
    assert list(load_dictionaries(str(tmp_path), gpt2)) == [Site(0), Site(2)]


def test_existing_dictionaries_are_not_replaced_unasked(saved):
    with pytest.raises(OutputError, match="already holds"):
        save_dictionary(make("relu"), saved)
    save_dictionary(make("relu"), saved, overwrite=True)
    assert next(iter(load_dictionaries(saved).values())).architecture == "relu"


def test_dictionaries_that_do_not_fit_the_model_are_refused(tmp_path, gpt2):
    with pytest.raises(DictionaryError, match="width 12, the model has 16"):
        load_dictionaries(save_dictionary(make("gated", width=12), tmp_path / "a"), gpt2)
    with pytest.raises(DictionaryError, match="3 layers"):
        load_dictionaries(save_dictionary(make("gated", Site(9)), tmp_path / "b"), gpt2)


def test_two_dictionaries_for_one_site_are_refused(tmp_path):
    for name in ("a", "b"):
        save_dictionary(make("gated"), tmp_path / name)
    with pytest.raises(DictionaryError, match="two dictionaries"):
        load_dictionaries(tmp_path)


def test_missing_files_are_named(tmp_path, saved):
    with pytest.raises(DictionaryError, match="does not exist"):
        load_dictionaries(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DictionaryError, match="No dictionary was found"):
        load_dictionaries(tmp_path / "empty")
    (saved / "notes.txt").write_text("mine")
    with pytest.raises(DictionaryError, match="is a file of no known format"):
        load_dictionaries(saved / "notes.txt")
    (saved / TENSORS_FILE).unlink()
    with pytest.raises(DictionaryError, match=f"{TENSORS_FILE} is missing"):
        load_dictionaries(saved)


def test_missing_metadata_is_named(saved):
    (saved / METADATA_FILE).unlink()
    with pytest.raises(DictionaryError, match=f"{METADATA_FILE} cannot be read"):
        load_dictionaries(saved)


@pytest.mark.parametrize("keep", [0, 4, 300, -8])
def test_truncated_tensors_are_refused(saved, keep):
    file = saved / TENSORS_FILE
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(DictionaryError, match="damaged or truncated"):
        load_dictionaries(saved)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"W_dec": None}, "lacks W_dec"),
        ({"threshold": torch.zeros(3)}, "holds threshold, unknown to gated"),
        ({"W_enc": torch.zeros(FEATURES, WIDTH)}, "W_enc .* is transposed"),
        ({"b_mag": torch.full((FEATURES,), float("nan"))}, "b_mag .* NaN or infinity"),
        ({"W_dec": torch.full((FEATURES, WIDTH), float("inf"))}, "W_dec .* NaN or infinity"),
        ({"r_mag": torch.zeros(FEATURES, dtype=torch.complex64)}, "r_mag .* dtype"),
        ({"b_dec": torch.zeros(WIDTH).to(torch.float8_e4m3fn)}, "b_dec .* dtype"),
    ],
)
def test_damaged_tensors_are_refused(saved, changes, message):
    change_tensors(saved, **changes)
    with pytest.raises(DictionaryError, match=message) as caught:
        load_dictionaries(saved)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "sae"}, "does not describe a dictionary"),
        ({"version": 99}, "has version 99"),
        ({"architecture": "dense"}, "'dense' is not an architecture"),
        ({"site": "resid"}, "'resid' is not a site"),
        ({"width": None}, "incomplete .*width"),
        ({"width": "wide"}, "another type"),
        ({"features": FEATURES + 1}, "has shape"),
        ({"features": 0}, "cannot exist"),
        ({"input_scale": 0.0}, "input_scale"),
        ({"input_scale": float("nan")}, "input_scale"),
        ({"subtract_decoder_bias": False}, "subtract_decoder_bias"),
    ],
)
def test_contradictory_metadata_are_refused(saved, changes, message):
    change_metadata(saved, **changes)
    with pytest.raises(DictionaryError, match=message):
        load_dictionaries(saved)


@pytest.mark.parametrize("text", ["{", "[]", "\x00"])
def test_metadata_that_are_no_json_object_are_refused(saved, text):
    (saved / METADATA_FILE).write_text(text)
    with pytest.raises(DictionaryError, match=r"is not JSON|does not describe"):
        load_dictionaries(saved)


class Trap:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was opened",))


def test_pickles_are_never_opened(tmp_path, saved):
    (tmp_path / "pickled").mkdir()
    file = tmp_path / "pickled" / "ae.pt"
    file.write_bytes(pickle.dumps(Trap()))
    for path in (file, file.parent):
        with pytest.raises(DictionaryError, match="Pickled weights are never opened"):
            load_dictionaries(path)
    (saved / TENSORS_FILE).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(DictionaryError, match="damaged"):
        load_dictionaries(saved)
