"""Gemma Scope 2 (`params.safetensors` beside `config.json`, for Gemma 3): JumpReLU."""

from pathlib import Path

from dictionaries.dictionary import Dictionary
from dictionaries.formats.gemma_scope import read_layout
from dictionaries.formats.layout import build
from dictionaries.formats.sources import Asked, decide_site, number, read_json, site_of_hook
from dictionaries.formats.tensors import open_tensors
from policies.errors import DictionaryError

FORMAT = "gemma-scope-2"
CONFIG_FILE = "config.json"
TENSORS_FILE = "params.safetensors"
FILES = (CONFIG_FILE, TENSORS_FILE)


def recognises(path: Path) -> bool:
    """Return whether a folder holds a dictionary of Gemma Scope 2."""
    return (path / TENSORS_FILE).is_file()


def load(path: Path, asked: Asked) -> Dictionary:
    """Read one dictionary of Gemma Scope 2.

    Raises:
        DictionaryError: it is damaged, a transcoder, or of another architecture.
    """
    config_file = path / CONFIG_FILE
    config = read_json(config_file)
    hook, hook_out = config.get("hf_hook_point_in"), config.get("hf_hook_point_out")
    if config.get("architecture", "jump_relu") != "jump_relu":
        raise DictionaryError(
            f"{config_file} has architecture {config['architecture']}", "Use a jump_relu dictionary"
        )
    if config.get("affine_connection") or (hook_out and hook_out != hook):
        raise DictionaryError(
            f"The dictionary in {path} is a transcoder: it does not reconstruct what it reads",
            "Use a sparse autoencoder",
        )
    site = decide_site(site_of_hook(str(hook)) if hook else None, asked, config_file, hook)
    with open_tensors(path / TENSORS_FILE) as file:
        layout = read_layout(file, FORMAT, site, asked)
    layout.features = number(config, "width", config_file)
    layout.model = str(config.get("model_name") or "")
    return build(layout)
