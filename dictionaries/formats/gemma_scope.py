"""Gemma Scope (`params.npz`, for Gemma 2) and Gemma Scope 2 (`params.safetensors`, for Gemma 3): JumpReLU.

The first has no metadata: the layer stands in the folder `layer_L/width_W/average_l0_N`, the stream in the
repository's name (`gemma-scope-2b-pt-res`, `-mlp`, `-att`). The second has a `config.json`.
"""

import re
from pathlib import Path

from dictionaries.dictionary import Dictionary
from dictionaries.formats.layout import Layout, build
from dictionaries.formats.sources import Asked, decide_site, number, read_json, site_of_hook
from dictionaries.formats.tensors import TensorFile, open_tensors, read
from dictionaries.model.sites import Site
from policies.errors import DictionaryError

FORMAT, FORMAT_2 = "gemma-scope", "gemma-scope-2"
ARCHIVE_FILE = "params.npz"
CONFIG_FILE = "config.json"
TENSORS_FILE = "params.safetensors"
FILES, FILES_2 = (ARCHIVE_FILE,), (CONFIG_FILE, TENSORS_FILE)
STREAMS = {"res": "resid_post", "mlp": "mlp_out", "att": "attn_heads"}
NAMES = ("W_enc", "W_dec", "b_enc", "b_dec", "threshold")


def recognises(path: Path) -> bool:
    """Return whether a folder holds a dictionary of Gemma Scope."""
    return (path / ARCHIVE_FILE).is_file()


def recognises_2(path: Path) -> bool:
    """Return whether a folder holds a dictionary of Gemma Scope 2."""
    return (path / TENSORS_FILE).is_file()


def load(path: Path, asked: Asked) -> Dictionary:
    """Read one dictionary of Gemma Scope.

    Raises:
        DictionaryError: it is damaged, or neither its folders nor the user say what it reads.
    """
    source = path / ARCHIVE_FILE
    site = decide_site(_site_of_folders(path), asked, source)
    with open_tensors(source) as file:
        return build(_layout(file, FORMAT, site, asked))


def load_2(path: Path, asked: Asked) -> Dictionary:
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
        layout = _layout(file, FORMAT_2, site, asked)
    layout.features = number(config, "width", config_file)
    layout.model = str(config.get("model_name") or "")
    return build(layout)


def _layout(file: TensorFile, name: str, site: Site, asked: Asked) -> Layout:
    if asked.input_scale is not None:
        raise DictionaryError(f"{file.path} does not scale activations", "Leave out --input-scale")
    tensors = {one: read(file, one if one in file.names else one.lower()) for one in NAMES}
    return Layout(
        source=file.path, format=name, architecture="jumprelu", site=site, tensors=tensors, subtracts=False
    )


def _site_of_folders(path: Path) -> Site | None:
    """Return the site that the folders' names state, or None where they do not state all of it."""
    whole = path.resolve().as_posix()
    layer = re.search(r"/layer_(\d+)/", f"{whole}/")
    stream = re.search(r"gemma-scope-[\w.]+-(?:pt|it)-(res|mlp|att)(?=/|$)", whole)
    if layer is None or stream is None:
        return None
    return Site(int(layer[1]), STREAMS[stream[1]])  # type: ignore[arg-type]
