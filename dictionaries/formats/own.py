"""Expunge's own format: `dictionary.json` beside `dictionary.safetensors`.

The JSON states architecture, site, sizes, scale and dtype; the safetensors file holds `W_enc` (d, F), `W_dec`
(F, d), `b_enc`, `b_dec` and what the architecture adds. Matrices are stored in the dtype asked for, vectors
always in float32: thresholds and running means are where rounding would flip features.
"""

import json
import tempfile
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from dictionaries.architectures import find_architecture
from dictionaries.config import DictionaryConfig
from dictionaries.dictionary import Dictionary
from dictionaries.sites import parse_site
from policies.errors import DictionaryError, OutputError

FORMAT = "expunge-dictionary"
VERSION = 1
METADATA_FILE = "dictionary.json"
TENSORS_FILE = "dictionary.safetensors"
StorageDtype = Literal["float32", "bfloat16"]
DTYPES: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def recognises(path: Path) -> bool:
    """Whether a folder holds a dictionary of this format, whole or damaged."""
    return (path / METADATA_FILE).is_file() or (path / TENSORS_FILE).is_file()


def save(
    dictionary: Dictionary, path: Path, *, dtype: StorageDtype = "float32", overwrite: bool = False
) -> None:
    """Write one dictionary to a folder, which is made.

    Raises:
        OutputError: the folder holds a dictionary and `overwrite` is not given, or cannot be written.
    """
    if recognises(path) and not overwrite:
        raise OutputError(f"{path} already holds a dictionary", "Choose another folder or give --overwrite")
    tensors = {
        name: tensor.detach().to("cpu", DTYPES[dtype] if tensor.dim() > 1 else torch.float32).contiguous()
        for name, tensor in dictionary.state_dict().items()
    }
    config = dictionary.config
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "architecture": dictionary.architecture,
        "site": str(config.site),
        "width": config.width,
        "features": config.features,
        "model": config.model,
        "dtype": dtype,
        "input_scale": dictionary.input_scale,
        "subtract_decoder_bias": dictionary.subtract_decoder_bias,
        "tensors": {name: list(tensor.shape) for name, tensor in sorted(tensors.items())},
        "provenance": config.provenance,
    }
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path) as scratch:
            save_file(tensors, Path(scratch) / TENSORS_FILE)
            text = json.dumps(metadata, indent=2, sort_keys=True) + "\n"
            (Path(scratch) / METADATA_FILE).write_text(text, encoding="utf-8")
            for name in (TENSORS_FILE, METADATA_FILE):
                (Path(scratch) / name).replace(path / name)
    except OSError as error:
        raise OutputError(
            f"The dictionary cannot be written to {path} ({error.strerror})", "Check the folder and the disk"
        ) from None


def load(path: Path) -> Dictionary:
    """Read one dictionary into float32.

    Raises:
        DictionaryError: a file is missing, damaged or of another version; a tensor is missing, of another
            shape than stated or not finite.
    """
    metadata = _read_metadata(path)
    tensors = _read_tensors(path)
    dictionary = _empty(metadata, path)
    _check_tensors(dictionary, tensors, path)
    for name, tensor in tensors.items():
        tensors[name] = tensor.to(torch.float32)
    # Assigning keeps the peak at one copy of the tensors.
    dictionary.load_state_dict(tensors, assign=True)
    return dictionary.requires_grad_(False).eval()


def _read_metadata(path: Path) -> dict[str, Any]:
    file = path / METADATA_FILE
    try:
        metadata = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DictionaryError(
            f"{file} cannot be read ({error.strerror})",
            "Give the folder that `expunge dictionary train` wrote",
        ) from None
    except ValueError:
        raise DictionaryError(f"{file} is not JSON", "Write the dictionary again, or copy it again") from None
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise DictionaryError(f"{file} does not describe a dictionary", f"Its `format` must be {FORMAT!r}")
    if metadata.get("version") != VERSION:
        raise DictionaryError(
            f"{file} has version {metadata.get('version')!r}, this program reads {VERSION}",
            "Use the version of Expunge that wrote it, or train it again",
        )
    return metadata


def _read_tensors(path: Path) -> dict[str, Tensor]:
    file = path / TENSORS_FILE
    if not file.is_file():
        raise DictionaryError(f"{file} is missing", "Copy the dictionary again, or train it again")
    try:
        return load_file(file)
    except (SafetensorError, ValueError, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise DictionaryError(
            f"{file} is damaged or truncated ({reason})", "Copy the dictionary again, or train it again"
        ) from None


def _empty(metadata: dict[str, Any], path: Path) -> Dictionary:
    """A dictionary of the stated kind whose tensors take no memory yet."""
    try:
        architecture = find_architecture(str(metadata["architecture"]))
        config = DictionaryConfig(
            site=parse_site(str(metadata["site"])),
            width=int(metadata["width"]),
            features=int(metadata["features"]),
            model=str(metadata.get("model", "")),
            provenance=dict(metadata.get("provenance", {})),
        )
        scale = float(metadata["input_scale"])
        subtract = bool(metadata["subtract_decoder_bias"])
    except (KeyError, TypeError, ValueError) as error:
        raise DictionaryError(
            f"{path / METADATA_FILE} is incomplete or has a value of another type ({error})",
            "Write the dictionary again with `expunge dictionary train`",
        ) from None
    if not 0 < scale < float("inf") or subtract != architecture.subtract_decoder_bias:
        raise DictionaryError(
            f"{path / METADATA_FILE} states an input_scale or subtract_decoder_bias that "
            f"{architecture.architecture} dictionaries cannot have",
            "Write the dictionary again with `expunge dictionary train`",
        )
    with torch.device("meta"):
        return architecture(config, input_scale=scale)


def _check_tensors(dictionary: Dictionary, tensors: dict[str, Tensor], path: Path) -> None:
    file, remedy = path / TENSORS_FILE, "Copy the dictionary again, or train it again"
    expected = dictionary.state_dict()
    if missing := sorted(expected.keys() - tensors.keys()):
        raise DictionaryError(f"{file} lacks {', '.join(missing)}", remedy)
    if unknown := sorted(tensors.keys() - expected.keys()):
        raise DictionaryError(
            f"{file} holds {', '.join(unknown)}, unknown to {dictionary.architecture}", remedy
        )
    for name, tensor in tensors.items():
        if tensor.shape != expected[name].shape:
            found, stated = tuple(tensor.shape), tuple(expected[name].shape)
            raise DictionaryError(
                f"{name} in {file} has shape {found}, {METADATA_FILE} states {stated}", remedy
            )
        if tensor.dtype not in {torch.float32, torch.bfloat16, torch.float16, torch.float64}:
            raise DictionaryError(
                f"{name} in {file} has dtype {tensor.dtype}", "Store it as float32 or bfloat16"
            )
        if not bool(torch.isfinite(tensor).all()):
            raise DictionaryError(f"{name} in {file} holds NaN or infinity", remedy)
