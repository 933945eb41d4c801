"""Gemma Scope (`params.npz`, for Gemma 2): JumpReLU.

It has no metadata: the layer stands in the folder `layer_L/width_W/average_l0_N`, the stream in the repository's
name (`gemma-scope-2b-pt-res`, `-mlp`, `-att`).
"""

import re
from pathlib import Path

from dictionaries.dictionary import Dictionary
from dictionaries.formats.layout import Layout, build
from dictionaries.formats.sources import Asked, decide_site
from dictionaries.formats.tensors import TensorFile, open_tensors, read
from dictionaries.model.sites import Site
from policies.errors import DictionaryError

FORMAT = "gemma-scope"
ARCHIVE_FILE = "params.npz"
FILES = (ARCHIVE_FILE,)
STREAMS = {"res": "resid_post", "mlp": "mlp_out", "att": "attn_heads"}
NAMES = ("W_enc", "W_dec", "b_enc", "b_dec", "threshold")


def recognises(path: Path) -> bool:
    """Return whether a folder holds a dictionary of Gemma Scope."""
    return (path / ARCHIVE_FILE).is_file()


def load(path: Path, asked: Asked) -> Dictionary:
    """Read one dictionary of Gemma Scope.

    Raises:
        DictionaryError: it is damaged, or neither its folders nor the user say what it reads.
    """
    source = path / ARCHIVE_FILE
    site = decide_site(_site_of_folders(path), asked, source)
    with open_tensors(source) as file:
        return build(read_layout(file, FORMAT, site, asked))


def read_layout(file: TensorFile, name: str, site: Site, asked: Asked) -> Layout:
    """Read the tensors of a JumpReLU dictionary, as both releases name them."""
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
