"""Checkpoints that say they are quantised: FP8 by hand, others by their config.json alone."""

import json
import shutil

import torch
from safetensors.torch import load_file, save_file

BLOCK = 128
FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [BLOCK, BLOCK]}


def says_quantised(source, target, **said):
    """A copy of a checkpoint whose config.json names a quantisation."""
    shutil.copytree(source, target)
    config = json.loads((target / "config.json").read_text())
    (target / "config.json").write_text(json.dumps(config | {"quantization_config": said}))
    return target


def quantise_fp8(source, target):
    """A copy whose linear layers are stored in FP8, with one scale for each block of each matrix."""
    says_quantised(source, target, **FP8)
    tensors = load_file(target / "model.safetensors")
    for name in [name for name in tensors if name.endswith("_proj.weight")]:
        weight = tensors[name].float()
        scale = weight.abs().max() / 448.0
        rows, columns = (-(-size // BLOCK) for size in weight.shape)
        tensors[name] = (weight / scale).to(torch.float8_e4m3fn)
        tensors[f"{name}_scale_inv"] = scale.expand(rows, columns).contiguous()
    save_file(tensors, target / "model.safetensors", metadata={"format": "pt"})
    return target
