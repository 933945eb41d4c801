"""Dictionary formats: one file per ecosystem, one entry in `FORMATS` each.

Every loader gives the same `Dictionary`; nothing behind it knows where one came from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from dictionaries.dictionary import Dictionary
from dictionaries.formats import own
from dictionaries.formats.own import StorageDtype
from dictionaries.sites import Site, resolve
from policies.errors import DictionaryError

PICKLE_SUFFIXES = {".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt"}


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format.

    Attributes:
        recognises: whether a folder holds a dictionary of it.
        load: reads one, into float32.
    """

    recognises: Callable[[Path], bool]
    load: Callable[[Path], Dictionary]


FORMATS: dict[str, Format] = {"expunge": Format(recognises=own.recognises, load=own.load)}


def save_dictionary(
    dictionary: Dictionary, path: str | Path, *, dtype: StorageDtype = "float32", overwrite: bool = False
) -> Path:
    """Write one dictionary to a folder in Expunge's own format and return the folder.

    Args:
        dictionary: what to write.
        path: the folder; it is made.
        dtype: of the matrices on disk; vectors are always float32.
        overwrite: replace a dictionary that is already there.

    Raises:
        OutputError: the folder holds a dictionary and `overwrite` is not given, or cannot be written.
    """
    folder = Path(path)
    own.save(dictionary, folder, dtype=dtype, overwrite=overwrite)
    return folder


def save_dictionaries(
    dictionaries: Mapping[Site, Dictionary],
    path: str | Path,
    *,
    dtype: StorageDtype = "float32",
    overwrite: bool = False,
) -> dict[Site, Path]:
    """Write several dictionaries to `path`/SITE each, as `load_dictionaries(path)` reads them."""
    return {
        site: save_dictionary(dictionary, Path(path) / str(site), dtype=dtype, overwrite=overwrite)
        for site, dictionary in sorted(dictionaries.items())
    }


def load_dictionaries(path: str | Path, model: nn.Module | None = None) -> dict[Site, Dictionary]:
    """Read a folder that holds one dictionary, or folders with one each, ordered by site.

    Weights come in float32, frozen, on the CPU. Only safetensors are opened.

    Args:
        path: the folder.
        model: where given, each dictionary's layer and width are checked against it.

    Raises:
        DictionaryError: nothing is found, two dictionaries share a site, one is damaged, is a pickle, or does
            not fit the model.
        ModelError: the model's structure is not understood.
    """
    folder = Path(path)
    found = [loaded for candidate in _candidates(folder) if (loaded := _load(candidate)) is not None]
    if not found:
        raise DictionaryError(f"No dictionary was found in {folder}", _remedy(folder))
    dictionaries: dict[Site, Dictionary] = {}
    for dictionary in sorted(found, key=lambda one: one.config.site):
        site = dictionary.config.site
        if site in dictionaries:
            raise DictionaryError(
                f"{folder} holds two dictionaries for {site}", "Give the folder of one of them"
            )
        if model is not None:
            check_fit(dictionary, model)
        dictionaries[site] = dictionary
    return dictionaries


def check_fit(dictionary: Dictionary, model: nn.Module) -> None:
    """Check that the model has the dictionary's site, in the dictionary's width.

    Raises:
        DictionaryError: it has not; both are named.
    """
    site, width = dictionary.config.site, dictionary.config.width
    modules = resolve(model, site)
    if modules.width != width:
        raise DictionaryError(
            f"The dictionary for {site} has width {width}, the model has {modules.width} there",
            "Use a dictionary that was trained on this model",
        )


def _candidates(folder: Path) -> list[Path]:
    if not folder.exists():
        raise DictionaryError(
            f"{folder} does not exist", "Give the folder that `expunge dictionary train` wrote"
        )
    if folder.is_file():
        raise DictionaryError(
            f"{folder} is a file", _remedy(folder.parent) if _is_pickle(folder) else _FOLDER
        )
    return [folder, *sorted(child for child in folder.iterdir() if child.is_dir())]


def _load(folder: Path) -> Dictionary | None:
    for known in FORMATS.values():
        if known.recognises(folder):
            return known.load(folder)
    return None


_FOLDER = "Give the folder that holds dictionary.json and dictionary.safetensors, or a folder of such folders"


def _remedy(folder: Path) -> str:
    if any(_is_pickle(file) for file in folder.iterdir()):
        return "Pickled weights are never opened, they can run code: convert them to safetensors first"
    return _FOLDER


def _is_pickle(path: Path) -> bool:
    return path.suffix in PICKLE_SUFFIXES
