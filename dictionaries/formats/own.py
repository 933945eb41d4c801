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
from safetensors.torch import save_file

from dictionaries.architectures import find_architecture
from dictionaries.config import DictionaryConfig
from dictionaries.dictionary import Dictionary
from dictionaries.formats.layout import check_tensors, fill
from dictionaries.formats.sources import Asked, decide_site, read_json
from dictionaries.formats.tensors import open_tensors, read
from dictionaries.model.sites import parse_site
from dictionaries.training.normalisation import INPUT_NORMS
from policies.errors import DictionaryError, OutputError

FORMAT = "expunge-dictionary"
VERSION = 1
METADATA_FILE = "dictionary.json"
TENSORS_FILE = "dictionary.safetensors"
FILES = (METADATA_FILE, TENSORS_FILE)
StorageDtype = Literal["float32", "bfloat16"]
DTYPES: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
AGAIN = "Write the dictionary again with `expunge dictionary train` or `expunge dictionary convert`"


def recognises(path: Path) -> bool:
    """Return whether a folder holds a dictionary of this format, whole or damaged."""
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
        "input_norm": dictionary.input_norm,
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


def load(path: Path, asked: Asked) -> Dictionary:
    """Read one dictionary into float32.

    Raises:
        DictionaryError: a file is missing, damaged or of another version; a tensor is missing, of another
            shape than stated or not finite.
    """
    dictionary = _empty(_read_metadata(path), path)
    decide_site(dictionary.config.site, asked, path / METADATA_FILE)
    if asked.input_scale not in {None, dictionary.input_scale}:
        raise DictionaryError(
            f"{path / METADATA_FILE} states input_scale {dictionary.input_scale}", "Leave out --input-scale"
        )
    with open_tensors(path / TENSORS_FILE) as file:
        tensors = {name: read(file, name) for name in sorted(file.names)}
    check_tensors(dictionary, tensors, path / TENSORS_FILE)
    return fill(dictionary, tensors)


def _read_metadata(path: Path) -> dict[str, Any]:
    file = path / METADATA_FILE
    metadata = read_json(file)
    if metadata.get("format") != FORMAT:
        raise DictionaryError(f"{file} does not describe a dictionary", f"Its `format` must be {FORMAT!r}")
    if metadata.get("version") != VERSION:
        raise DictionaryError(
            f"{file} has version {metadata.get('version')!r}, this program reads {VERSION}",
            "Use the version of Expunge that wrote it, or train it again",
        )
    return metadata


def _empty(metadata: dict[str, Any], path: Path) -> Dictionary:
    """Make a dictionary of the stated kind whose tensors take no memory yet."""
    file = path / METADATA_FILE
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
            f"{file} is incomplete or has a value of another type ({error})", AGAIN
        ) from None
    norm = metadata.get("input_norm", "none")
    if (
        not 0 < scale < float("inf")
        or norm not in INPUT_NORMS
        or subtract != architecture.subtract_decoder_bias
    ):
        raise DictionaryError(
            f"{file} states an input_scale, input_norm or subtract_decoder_bias that "
            f"{architecture.architecture} dictionaries cannot have",
            AGAIN,
        )
    with torch.device("meta"):
        dictionary = architecture(config, input_scale=scale)
    dictionary.input_norm = norm
    return dictionary
