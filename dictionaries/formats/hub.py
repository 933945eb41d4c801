"""Dictionaries of the Hugging Face hub: only the files that a format needs are fetched."""

import glob
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from policies.errors import DictionaryError

REMEDY = "Check the name, the network, and that you are logged in where the repository asks for it"


def is_hub_name(name: str) -> bool:
    """Return whether this may name a repository, and a folder or file in it: `owner/name`, `owner/name/layer_3`."""
    return re.fullmatch(r"[\w-][\w.-]*/[\w.-]+(/[^/]+)*", name) is not None


def fetch(name: str, files: Iterable[str], nested: Iterable[str]) -> Path:
    """Download what is needed of a repository's folder and return where it lies.

    Args:
        name: `owner/name`, with a folder or a file in it after a slash.
        files: names of the files of every format, within such a folder.
        nested: names of the files that are also taken from the folders one deeper.

    Raises:
        DictionaryError: the repository is not there, or cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    owner, repository, *inner = name.split("/")
    inside = PurePosixPath(*inner)
    named = [str(inside)] if inside.suffix in {".npz", ".pt", ".safetensors"} else []
    folder = inside.parent if named else inside
    wanted = [_escape(folder / file) for file in files]
    deeper = [_escape(folder) + "/*/" + glob.escape(file) for file in nested]
    patterns = wanted + [glob.escape(one) for one in named] + [one.removeprefix("./") for one in deeper]
    try:
        snapshot = snapshot_download(f"{owner}/{repository}", allow_patterns=patterns)
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise DictionaryError(
            f"{name} is neither on this disk nor to be had from the hub ({type(error).__name__})", REMEDY
        ) from None
    return Path(snapshot, *inner)


def _escape(path: PurePosixPath) -> str:
    return glob.escape(str(path))
