"""Reading holds a dictionary once: the peak of a process that loads one, after it has loaded a small one."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dictionaries.formats import sae_lens

D, F = 1024, 12_288  # 96 MiB of float32
LIMIT = 1.2

PROGRAM = """
import re, sys
from pathlib import Path
import torch
from dictionaries.formats import load_dictionaries
from dictionaries.model.sites import Site

def peak():
    # ru_maxrss would count the process that this one was forked from.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

def load(folder):
    load_dictionaries(Path(folder), site=Site(0) if "bae" in folder else None)

small, large = sys.argv[1:]
load(small)  # what reading imports and sets up is no part of the dictionary
before = peak()
load(large)
print(peak() - before)
"""

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")


def random_tensors(width, features):
    shapes = {"W_enc": (width, features), "W_dec": (features, width), "b_enc": (features,)}
    shapes |= {"b_dec": (width,), "threshold": (features,)}
    return {name: torch.rand(shape) for name, shape in shapes.items()}


@pytest.fixture(scope="module")
def tensors():
    return random_tensors(8, 16), random_tensors(D, F)


def make(name, folder, tensors):
    from published import write_json

    linear = {"encoder.weight": tensors["W_enc"].T, "decoder.weight": tensors["W_dec"].T}
    linear |= {"encoder.bias": tensors["b_enc"], "decoder.bias": tensors["b_dec"]}
    linear = {key: tensor.contiguous() for key, tensor in linear.items()}
    folder.mkdir()
    if name == "sae-lens":
        config = {"architecture": "jumprelu", "hook_name": "blocks.0.hook_mlp_out"}
        write_json(folder / sae_lens.CONFIG_FILE, config)
        save_file(tensors, folder / sae_lens.TENSORS_FILE)
    elif name == "llama-scope":
        config = {
            "hook_point_in": "blocks.0.hook_mlp_out",
            "act_fn": "jumprelu",
            "d_model": len(tensors["b_dec"]),
        }
        config |= {"norm_activation": "dataset-wise", "dataset_average_activation_norm": {"in": 3.0}}
        write_json(folder / "hyperparams.json", {**config, "jump_relu_threshold": 0.1})
        (folder / "checkpoints").mkdir()
        save_file(linear, folder / "checkpoints" / "final.safetensors")
    elif name == "gemma-scope":
        import numpy as np

        folder = folder / "gemma-scope-2b-pt-res" / "layer_0" / "width_1"
        folder.mkdir(parents=True)
        np.savez(folder / "params.npz", **{key: tensor.numpy() for key, tensor in tensors.items()})
    elif name == "bae":
        torch.save(linear, folder / "model_1.pt")
    return folder


@pytest.mark.parametrize("name", ["sae-lens", "llama-scope", "gemma-scope", "bae"])
def test_loading_peaks_below_one_and_a_fifth_of_the_file(name, tmp_path, tensors, forked):
    small, large = (make(name, tmp_path / f"{name}-{number}", held) for number, held in enumerate(tensors))
    size = sum(file.stat().st_size for file in large.rglob("*") if file.is_file()) / 2**20
    loaded = forked(PROGRAM, small, large)
    assert loaded.returncode == 0, loaded.stderr
    peak = int(loaded.stdout) / 1024
    assert size > 90
    assert peak < LIMIT * size, f"{peak:.0f} MiB for {size:.0f} MiB on disk"
