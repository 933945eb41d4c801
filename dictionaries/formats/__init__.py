"""Dictionary formats: one file per ecosystem, one entry in `FORMATS` each.

Every loader gives the same `Dictionary`; the code that uses one does not know where it came from.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from torch import nn

from dictionaries.dictionary import Dictionary
from dictionaries.formats import bae, hub, llama_scope, own
from dictionaries.formats.own import StorageDtype
from dictionaries.formats.sources import Asked
from dictionaries.formats.tensors import AGAIN, NO_PICKLE
from dictionaries.model.sites import Site, resolve
from policies.errors import DictionaryError, ExpungeError, OutputError
from policies.faults import find_fault

PICKLE_SUFFIXES = {".pt", ".pth", ".pkl", ".pickle", ".bin", ".ckpt"}


@dataclass(frozen=True, kw_only=True)
class Format:
    """One format of dictionaries on disk.

    Attributes:
        recognises: function that tells whether a folder holds a dictionary of this format.
        load: function that reads one, into float32, with what the user says of it.
        files: names, in the folder, of the files that are read.
        save: function that writes one to a folder, or None where this format cannot be written.
    """

    recognises: Callable[[Path], bool]
    load: Callable[[Path, Asked], Dictionary]
    files: tuple[str, ...] = ()
    save: Callable[[Dictionary, Path], None] | None = None

    @classmethod
    def of(cls, module: str) -> "Format":
        """Return what a module of this folder defines: `recognises`, `load`, `FILES` and, where it writes, `save`."""
        found = import_module(f"dictionaries.formats.{module}")
        return cls(
            recognises=found.recognises,
            load=found.load,
            files=getattr(found, "FILES", ()),
            save=getattr(found, "save", None),
        )


FORMATS: dict[str, Format] = {
    "expunge": Format.of("own"),
    "sae-lens": Format.of("sae_lens"),
    "dictionary-learning": Format.of("dictionary_learning"),
    "sparsify": Format.of("sparsify"),
    "gemma-scope": Format.of("gemma_scope"),
    "gemma-scope-2": Format.of("gemma_scope_2"),
    "llama-scope": Format.of("llama_scope"),
    "bae": Format.of("bae"),
}
"""By name; a folder is read by the first format that recognises it."""


def save_dictionary(
    dictionary: Dictionary, path: str | Path, *, dtype: StorageDtype = "float32", overwrite: bool = False
) -> Path:
    """Write one dictionary to a folder in Expunge's own format and return the folder.

    Args:
        dictionary: the dictionary to write.
        path: the folder; it is made.
        dtype: dtype of the matrices on disk; vectors are always float32.
        overwrite: whether to replace a dictionary that is already there.

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
    """Write several dictionaries to `path`/SITE each, as `load_dictionaries(path)` reads them; return the folders.

    Raises:
        OutputError: a folder holds a dictionary and `overwrite` is not given, or cannot be written.
    """
    return {
        site: save_dictionary(dictionary, Path(path) / str(site), dtype=dtype, overwrite=overwrite)
        for site, dictionary in sorted(dictionaries.items())
    }


def export_dictionaries(
    dictionaries: Mapping[Site, Dictionary], path: str | Path, target: str, *, overwrite: bool = False
) -> dict[Site, Path]:
    """Write dictionaries in a format of `FORMATS`: one to the folder itself, several to a folder each.

    Raises:
        DictionaryError: the format cannot be written, or has no such architecture.
        OutputError: a folder holds a dictionary and `overwrite` is not given, or cannot be written.
    """
    save = FORMATS[target].save if target in FORMATS else None
    if save is None:
        raise DictionaryError(f"{target} cannot be written", f"Choose one of {', '.join(writable())}")
    places = {
        site: Path(path) if len(dictionaries) == 1 else Path(path) / str(site)
        for site in sorted(dictionaries)
    }
    for site, folder in places.items():
        held = [name for name, known in FORMATS.items() if folder.is_dir() and known.recognises(folder)]
        if held and not (overwrite and held == [target]):
            remedy = "Choose another folder" if overwrite else "Choose another folder or give --overwrite"
            raise OutputError(f"{folder} already holds a dictionary of {', '.join(held)}", remedy)
        try:
            if target == "expunge":
                own.save(dictionaries[site], folder, overwrite=overwrite)
            else:
                save(dictionaries[site], folder)
        except OSError as error:
            raise OutputError(
                f"The dictionary cannot be written to {folder} ({error.strerror})",
                "Check the folder and the disk",
            ) from None
    return places


def writable() -> list[str]:
    """Return the names of the formats that can be written."""
    return [name for name, known in FORMATS.items() if known.save is not None]


def load_dictionaries(
    path: str | Path,
    model: nn.Module | None = None,
    *,
    site: Site | None = None,
    input_scale: float | None = None,
) -> dict[Site, Dictionary]:
    """Read dictionaries of any format of `FORMATS`, ordered by site.

    Weights come in float32, frozen, on the CPU. Nothing that can run code is opened.

    Args:
        path: a folder that holds one dictionary or folders with one each, a file of one, or a name on the hub
            (`owner/name`, with the folder in it after a slash).
        model: model against which each dictionary's layer and width are checked, or None.
        site: the site that the dictionary reads, where its files do not say; of several, the one to return.
        input_scale: factor by which its activations were multiplied, where its files do not say.

    Raises:
        DictionaryError: nothing is found, two dictionaries share a site, one is damaged, is a pickle, does not
            say what it reads, or does not fit the model.
        ModelError: the model's structure is not understood.
    """
    found = find_dictionaries(path)
    if len(found) > 1 and input_scale is not None:
        raise DictionaryError(
            f"{path} holds {len(found)} dictionaries",
            "Give the folder of the one that has this --input-scale",
        )
    asked = Asked(site=site if len(found) == 1 else None, input_scale=input_scale)
    dictionaries: dict[Site, Dictionary] = {}
    loaded = [_load(place, known, asked) for place, known in found]
    for dictionary in sorted(loaded, key=lambda one: one.config.site):
        where = dictionary.config.site
        if where in dictionaries:
            raise DictionaryError(
                f"{path} holds two dictionaries for {where}", "Give the folder of one of them"
            )
        if model is not None:
            check_fit(dictionary, model)
        dictionaries[where] = dictionary
    if site is not None and site not in dictionaries:
        names = ", ".join(map(str, dictionaries))
        raise DictionaryError(f"There is no dictionary for {site} in {path}", f"There is one for {names}")
    return dictionaries if site is None else {site: dictionaries[site]}


def _load(place: Path, known: Format, asked: Asked) -> Dictionary:
    """Read one dictionary; whatever its reader stumbles over is damage of the files."""
    try:
        return known.load(place, asked)
    except ExpungeError:
        raise
    except Exception as error:
        fault = find_fault(error)
        if fault is not None:
            raise DictionaryError(f"{fault.cause} while {place} was read", fault.remedy) from None
        raise DictionaryError(
            f"The dictionary in {place} is damaged, or its metadata do not fit its tensors ({type(error).__name__})",
            AGAIN,
        ) from error


def find_dictionaries(path: str | Path) -> list[tuple[Path, Format]]:
    """Return where dictionaries lie, each with its format, and read none; those of the hub are downloaded.

    Raises:
        DictionaryError: none is found.
    """
    folder = _locate(path)
    found = [(place, known) for place in _candidates(folder) if (known := _format_of(place)) is not None]
    if not found:
        raise DictionaryError(f"No dictionary was found in {path}", _remedy(folder))
    return found


def check_fit(dictionary: Dictionary, model: nn.Module) -> None:
    """Check that the model has the dictionary's site, in the dictionary's width.

    Raises:
        DictionaryError: the model has not; both are named.
        ModelError: the model's structure is not understood.
    """
    site, width = dictionary.config.site, dictionary.config.width
    modules = resolve(model, site)
    if modules.width != width:
        raise DictionaryError(
            f"The dictionary for {site} has width {width}, the model has {modules.width} there",
            "Use a dictionary that was trained on this model",
        )


def _locate(path: str | Path) -> Path:
    """Return where the files lie, downloaded where the name is one of the hub."""
    here = Path(path)
    if here.exists():
        return here
    if here.is_absolute() or not hub.is_hub_name(str(path)):
        raise DictionaryError(
            f"{path} does not exist", "Give the folder that `expunge dictionary train` wrote, or a hub name"
        )
    files = {file for known in FORMATS.values() for file in known.files}
    return hub.fetch(str(path), sorted(files), own.FILES)


def _candidates(path: Path) -> list[Path]:
    if path.is_file():
        if bae.recognises(path):
            return [path]
        if any(path.match(file) for known in FORMATS.values() for file in known.files):
            return [path.parent.parent if path.match(llama_scope.TENSORS_FILE) else path.parent]
        remedy = NO_PICKLE if _is_pickle(path) else _FOLDER
        raise DictionaryError(f"{path} is a file of no known format", remedy)
    if not path.is_dir():
        return []
    return [path, *sorted(child for child in path.iterdir() if child.is_dir())]


def _format_of(place: Path) -> Format | None:
    return next((known for known in FORMATS.values() if known.recognises(place)), None)


_FOLDER = (
    "Give a folder with a dictionary of Expunge, SAELens, dictionary_learning, sparsify, Gemma Scope or "
    "Llama Scope; of a hub repository, name the folder after a slash"
)


def _remedy(folder: Path) -> str:
    pickled = folder.is_dir() and any(_is_pickle(file) for file in folder.iterdir())
    return NO_PICKLE if pickled else _FOLDER


def _is_pickle(path: Path) -> bool:
    return path.suffix in PICKLE_SUFFIXES
