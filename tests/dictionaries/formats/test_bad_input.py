"""What is wrong with a published dictionary is named, with what to do about it; nothing that runs code is opened."""

import json
import pickle
import zipfile

import numpy as np
import pytest
import torch
from published import MAKERS, D, F, K
from safetensors.torch import load_file, save_file

from dictionaries.formats import load_dictionaries
from dictionaries.model.sites import Site
from policies.errors import DictionaryError


def change_json(file, **changes):
    content = json.loads(file.read_text())
    target = content.get("trainer", content)
    for name, value in changes.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = value
    file.write_text(json.dumps(content))


def change_tensors(file, **changes):
    tensors = load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True)
    tensors = {name: x.contiguous() for name, x in {**tensors, **changes}.items() if x is not None}
    save_file(tensors, file) if file.suffix == ".safetensors" else torch.save(tensors, file)


def refused(path, message, **asked):
    with pytest.raises(DictionaryError, match=message) as caught:
        load_dictionaries(path, **asked)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)
    return caught.value


WEIGHTS = {
    "standard": ("sae_weights.safetensors", "W_enc", "W_dec"),
    "dl_topk": ("ae.pt", "encoder.weight", "decoder.weight"),
    "gemma_scope_2": ("params.safetensors", "w_enc", "w_dec"),
    "llama_scope": ("checkpoints/final.safetensors", "encoder.weight", "decoder.weight"),
    "sparsify": ("layers.6/sae.safetensors", "encoder.weight", "W_dec"),
    "bae": ("model_3.pt", "encoder.weight", "decoder.weight"),
}


@pytest.fixture(params=sorted(WEIGHTS))
def case(request, tmp_path):
    """(what was published, its file of tensors, the encoder's name, the decoder's name)."""
    file, encoder, decoder = WEIGHTS[request.param]
    made = MAKERS[request.param](tmp_path / "p")
    return made, made.path / file, encoder, decoder


def test_a_missing_tensor(case):
    made, file, encoder, _ = case
    change_tensors(file, **{encoder: None})
    refused(made.path, f"lacks {encoder}", **made.asked)


def test_a_transposed_tensor(case):
    made, file, encoder, decoder = case
    tensors = load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True)
    change_tensors(file, **{encoder: tensors[encoder].T})
    refused(made.path, "transpose", **made.asked)
    change_tensors(file, **{encoder: tensors[encoder], decoder: tensors[decoder].T})
    refused(made.path, "transpose", **made.asked)


def test_a_matrix_of_another_width(case):
    made, file, encoder, _ = case
    tensors = load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True)
    wrong = torch.zeros([size + 3 for size in tensors[encoder].shape])
    change_tensors(file, **{encoder: wrong})
    refused(made.path, "has shape|does not have the shape", **made.asked)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite(case, value):
    made, file, _, decoder = case
    tensors = load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True)
    broken = tensors[decoder].clone()
    broken[3, 4] = value
    change_tensors(file, **{decoder: broken})
    refused(made.path, "NaN or infinity", **made.asked)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.complex64])
def test_unknown_dtypes(case, dtype):
    made, file, encoder, _ = case
    tensors = load_file(file) if file.suffix == ".safetensors" else torch.load(file, weights_only=True)
    change_tensors(file, **{encoder: tensors[encoder].to(dtype)})
    error = refused(made.path, f"{encoder} in .* has dtype", **made.asked)
    assert "float32" in error.remedy


@pytest.mark.parametrize("keep", [0, 3, 200, -40])
def test_a_truncated_file(case, keep):
    made, file, _, _ = case
    file.write_bytes(file.read_bytes()[:keep])
    refused(made.path, "damaged", **made.asked)


def test_a_missing_file(case):
    made, file, _, _ = case
    file.unlink()
    refused(made.path, "missing|No dictionary was found", **made.asked)


@pytest.mark.parametrize(
    ("name", "file", "changes"),
    [
        ("standard", "cfg.json", {"d_in": D + 1}),
        ("standard", "cfg.json", {"d_sae": F + 1}),
        ("dl_topk", "config.json", {"activation_dim": D + 1}),
        ("dl_topk", "config.json", {"dict_size": F - 1}),
        ("dl_topk", "config.json", {"k": K + 1}),
        ("sparsify", "layers.6/cfg.json", {"num_latents": 7}),
        ("sparsify", "layers.6/cfg.json", {"d_in": 7}),
        ("gemma_scope_2", "config.json", {"width": 7}),
        ("llama_scope", "hyperparams.json", {"d_sae": 7}),
    ],
)
def test_metadata_that_contradict_the_tensors(name, file, changes, tmp_path):
    made = MAKERS[name](tmp_path / "p")
    change_json(made.path / file, **changes)
    refused(made.path, "state", **made.asked)


@pytest.mark.parametrize(
    ("name", "file", "changes", "message"),
    [
        ("standard", "cfg.json", {"architecture": "temporal"}, "architecture temporal"),
        ("standard", "cfg.json", {"activation_fn": "tanh-relu"}, "with tanh-relu"),
        ("standard", "cfg.json", {"hook_name_out": "blocks.3.hook_mlp_out"}, "transcoder"),
        ("standard", "cfg.json", {"hook_head_index": 2}, "one head"),
        ("standard", "cfg.json", {"normalize_activations": "whiten"}, "normalize_activations 'whiten'"),
        ("standard", "cfg.json", {"d_in": "wide"}, "d_in 'wide'"),
        ("sae_lens_topk", "cfg.json", {"k": None}, "does not state k"),
        ("sae_lens_matryoshka", "cfg.json", {"matryoshka_widths": [3, 9]}, "matryoshka_widths"),
        ("dl_topk", "config.json", {"dict_class": "CrossCoder"}, "dict_class CrossCoder"),
        ("dl_topk", "config.json", {"dict_class": "AutoEncoder"}, "lacks bias"),
        ("dl_topk", "config.json", {"layer": 5}, "states layer 5"),
        ("sparsify", "layers.6/cfg.json", {"transcode": True}, "transcoder"),
        ("sparsify", "layers.6/cfg.json", {"skip_connection": True}, "skip_connection"),
        ("sparsify", "layers.6/cfg.json", {"activation": "groupmax"}, "groupmax"),
        ("gemma_scope_2", "config.json", {"architecture": "relu"}, "architecture relu"),
        ("gemma_scope_2", "config.json", {"affine_connection": True}, "transcoder"),
        ("gemma_scope_2", "config.json", {"hf_hook_point_out": "model.layers.17.mlp"}, "transcoder"),
        ("llama_scope", "hyperparams.json", {"hook_point_out": "blocks.9.hook_mlp_out"}, "transcoder"),
        ("llama_scope", "hyperparams.json", {"act_fn": "relu"}, "act_fn 'relu'"),
        ("llama_scope", "hyperparams.json", {"norm_activation": "token-wise"}, "norm_activation"),
        ("llama_scope", "hyperparams.json", {"dataset_average_activation_norm": None}, "does not state"),
        ("llama_scope", "hyperparams.json", {"jump_relu_threshold": "low"}, "jump_relu_threshold 'low'"),
    ],
)
def test_what_cannot_be_read_is_said(name, file, changes, message, tmp_path):
    made = MAKERS[name](tmp_path / "p")
    change_json(made.path / file, **changes)
    refused(made.path, message, **made.asked)


@pytest.mark.parametrize(
    ("name", "file", "changes"),
    [
        ("standard", "cfg.json", {"metadata": {}}),
        ("standard", "cfg.json", {"metadata": {"hook_name": "blocks.0.hook_resid_pre"}}),
        ("standard", "cfg.json", {"metadata": {"hook_name": "blocks.3.hook_resid_mid"}}),
        ("dl_topk", "config.json", {"submodule_name": None}),
        ("dl_topk", "config.json", {"submodule_name": "attention"}),
        (
            "gemma_scope_2",
            "config.json",
            {"hf_hook_point_in": "model.layers.3.mlp", "hf_hook_point_out": None},
        ),
        ("llama_scope", "hyperparams.json", {"hook_point_in": None, "hook_point_out": None}),
    ],
)
def test_the_site_is_asked_for_and_never_guessed(name, file, changes, tmp_path):
    made = MAKERS[name](tmp_path / "p")
    change_json(made.path / file, **changes)
    error = refused(made.path, "does not say what it reads|not known by that name")
    assert "--site mlp_out.3" in error.remedy
    asked = Site(4, "mlp_out")
    assert list(load_dictionaries(made.path, site=asked)) == [asked]


def test_folders_that_do_not_say_the_site(tmp_path):
    gemma = MAKERS["gemma_scope"](tmp_path / "g").path
    moved = tmp_path / "params"
    gemma.rename(moved)
    refused(moved, "does not say what it reads")
    sparse = MAKERS["sparsify"](tmp_path / "s").path
    (sparse / "layers.6").rename(sparse / "layers.6.mlp")
    refused(sparse, r"reads layers\.6\.mlp, which is not known")
    assert list(load_dictionaries(sparse, site=Site(6))) == [Site(6)]


def test_a_site_that_the_files_contradict(tmp_path):
    refused(MAKERS["standard"](tmp_path / "p").path, r"reads resid_post\.3, not mlp_out\.3", site=Site(3))


def test_a_scale_is_asked_for_and_never_guessed(tmp_path):
    made = MAKERS["standard_scaled"](tmp_path / "p")
    error = refused(made.path, "does not say by how much")
    assert "--input-scale" in error.remedy
    refused(made.path, "input_scale of -1", input_scale=-1.0)
    (made.path / "activation_scaler.json").write_text(json.dumps({"scaling_factor": 2.7}))
    (loaded,) = load_dictionaries(made.path).values()
    assert loaded.input_scale == 2.7
    refused(MAKERS["standard"](tmp_path / "q").path, "does not scale", input_scale=2.0)


def test_of_several_one_is_chosen_by_its_site(tmp_path):
    MAKERS["standard"](tmp_path / "a")
    MAKERS["dl_gated"](tmp_path / "b")
    assert list(load_dictionaries(tmp_path)) == [Site(3, "resid_post"), Site(4, "resid_post")]
    assert list(load_dictionaries(tmp_path, site=Site(4, "resid_post"))) == [Site(4, "resid_post")]
    refused(tmp_path, r"no dictionary for mlp_out\.3", site=Site(3))
    refused(tmp_path, "holds 2 dictionaries", input_scale=2.0)


def test_a_finetuning_factor_that_the_config_does_not_know(tmp_path):
    made = MAKERS["standard_finetuned"](tmp_path / "p")
    change_json(made.path / "cfg.json", finetuning_scaling_factor=False)
    refused(made.path, "scaling_factor")


def test_dictionaries_that_do_not_fit_the_model(tmp_path, gpt2):
    made = MAKERS["standard"](tmp_path / "p")
    change_json(made.path / "cfg.json", metadata={"hook_name": "blocks.1.hook_resid_post"})
    with pytest.raises(DictionaryError, match="width 12, the model has 16"):
        load_dictionaries(made.path, gpt2)
    change_json(made.path / "cfg.json", metadata={"hook_name": "blocks.7.hook_resid_post"})
    with pytest.raises(DictionaryError, match="3 layers"):
        load_dictionaries(made.path, gpt2)


class Trap:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return (pytest.fail, ("a pickle was opened",))


@pytest.mark.parametrize("name", ["dl_gated", "bae"])
def test_pickles_are_refused_unopened(name, tmp_path):
    made = MAKERS[name](tmp_path / "p")
    file = next(made.path.glob("*.pt"))
    file.write_bytes(pickle.dumps(Trap()))
    error = refused(made.path, "plain pickle", **made.asked)
    assert "can run code" in error.remedy
    torch.save({"encoder.weight": torch.zeros(3), "trap": Trap()}, file)
    assert "can run code" in refused(made.path, "pickles Python objects", **made.asked).remedy
    torch.save([torch.zeros(3)], file)
    refused(made.path, "no state dict", **made.asked)


def test_objects_in_an_npz_are_refused_unopened(tmp_path):
    made = MAKERS["gemma_scope"](tmp_path / "p")
    with np.load(made.path / "params.npz") as stored:
        arrays = dict(stored)
    arrays["threshold"] = np.array([Trap()], dtype=object)
    np.savez(made.path / "params.npz", **arrays)
    assert "can run code" in refused(made.path, "threshold in .* is a pickled object").remedy


def test_a_damaged_npz(tmp_path):
    made = MAKERS["gemma_scope"](tmp_path / "p")
    file = made.path / "params.npz"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    refused(made.path, "damaged")
    np.save(tmp_path / "one.npy", np.zeros(3))
    file.write_bytes((tmp_path / "one.npy").read_bytes())
    refused(made.path, "no npz archive")
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("W_enc.npy", "nonsense")
    refused(made.path, "lacks|damaged")
