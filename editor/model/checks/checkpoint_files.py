"""The files of a checkpoint folder: all there and whole, before weights are read."""

import json
import zipfile
from collections.abc import Collection, Iterable
from pathlib import Path

from editor.model.checks.sources import looks_local
from policies.errors import ModelError

SAFETENSORS, PICKLED = "model.safetensors", "pytorch_model.bin"
WEIGHT_FILES = (SAFETENSORS, PICKLED)
"""Names of whole weights, in the order in which transformers takes them; shards are listed in NAME.index.json."""
READ = (
    "config.json",
    "generation_config.json",
    "adapter_config.json",
    "adapter_model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    *(f"{name}{index}" for name in WEIGHT_FILES for index in ("", ".index.json")),
)
"""Names of files that decide what a model says."""
OF_OTHERS = {
    "*.gguf": "GGUF",
    "*.h5": "TensorFlow",
    "*.msgpack": "Flax",
    "*.onnx": "ONNX",
    "consolidated*": "the original release, not in transformers' format",
}
"""Patterns of weights that transformers does not load from a folder by itself, and of what they are."""
_POINTER = b"version https://git-lfs"


def check_links(folder: Path) -> None:
    """Refuse a folder in which a file that is read is a link to nothing; other such links do not matter.

    Raises:
        ModelError: a file is such a link.
    """
    for name in READ:
        _check_link(folder / name)


def check_no_gguf_alone(folder: Path) -> None:
    """Refuse a folder whose model is in GGUF files alone.

    Raises:
        ModelError: it is.
    """
    if any((folder / name).exists() for name in ("config.json", "adapter_config.json")):
        return
    if found := sorted(path.name for path in folder.glob("*.gguf")):
        raise _gguf(folder, found[0])


def check_weight_files(folder: Path) -> None:
    """Refuse a checkpoint folder whose weights are missing, or a file of which is missing, cut short or damaged.

    Raises:
        ModelError: the weights are not whole.
    """
    for name in WEIGHT_FILES:
        index = folder / f"{name}.index.json"
        if (folder / name).is_file():
            return _check_whole([folder / name])
        if index.is_file():
            return _check_whole(_shards(index))
    raise _no_weights(folder)


def other_weights(folder: Path, judged: Collection[str]) -> list[str]:
    """Return the names of files of weights in a checkpoint folder other than those that are loaded.

    Args:
        folder: the checkpoint.
        judged: names of the files that are loaded.
    """
    patterns = ("*.safetensors", "pytorch_model*.bin", *OF_OTHERS)
    found = {path.name for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return sorted(found - set(judged))


def listed_shards(index: Path) -> list[Path]:
    """Return the files that an index lists, each once, in its order; they need not be there.

    Raises:
        ModelError: the index cannot be read, or names a file that does not lie beside it.
    """
    try:
        listed = list(dict.fromkeys(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        is_plain = all(isinstance(name, str) and Path(name).name == name for name in listed)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ModelError(f"{index} cannot be read", "Fetch the checkpoint again") from None
    if not is_plain:
        raise ModelError(
            f"{index} names a file of weights that does not lie beside it", "Fetch the checkpoint again"
        )
    return [index.parent / name for name in listed]


def _shards(index: Path) -> list[Path]:
    """Return the files that an index lists.

    Raises:
        ModelError: the index cannot be read, or a file is missing.
    """
    shards = sorted(listed_shards(index))
    for shard in shards:
        _check_link(shard)
    missing = [shard.name for shard in shards if not shard.is_file()]
    if missing:
        raise ModelError(
            f"The checkpoint {index.parent} lacks {len(missing)} of its {len(shards)} files of weights, such as "
            f"{missing[0]}",
            "Fetch the checkpoint again",
        )
    return shards


def _check_whole(files: Iterable[Path]) -> None:
    for file in files:
        with file.open("rb") as stream:
            begin = stream.read(len(_POINTER))
        if begin == _POINTER:
            raise ModelError(
                f"{file} is a Git LFS pointer, not the weights themselves",
                "Run `git lfs pull` in its repository",
            )
        if file.suffix == ".safetensors":
            _check_safetensors(file)
        elif begin.startswith(b"PK") and not zipfile.is_zipfile(file):
            raise _damaged(file)


def _check_safetensors(file: Path) -> None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt"):
            pass
    except (OSError, SafetensorError):
        raise _damaged(file) from None


def _check_link(path: Path) -> None:
    if path.is_symlink() and not path.exists():
        raise ModelError(
            f"{path} is a link to a file that is not there",
            "Fetch the checkpoint again, or put the file in place of the link",
        )


def _damaged(file: Path) -> ModelError:
    return ModelError(
        f"{file} is cut short or damaged ({file.stat().st_size:,} bytes are there)", "Fetch the file again"
    )


def _no_weights(folder: Path) -> ModelError:
    shard = next(iter(sorted(folder.glob("*-of-*.safetensors")) or sorted(folder.glob("*-of-*.bin"))), None)
    if shard is not None:
        name = SAFETENSORS if shard.suffix == ".safetensors" else PICKLED
        return ModelError(
            f"The folder {folder} holds {shard.name} and no {name}.index.json, which says what is in which file",
            "Fetch the checkpoint again",
        )
    for pattern, kind in OF_OTHERS.items():
        found = sorted(path.name for path in folder.glob(pattern) if path.is_file())
        if found and kind == "GGUF":
            return _gguf(folder, found[0])
        if found:
            return ModelError(
                f"The weights in {folder} are those of {kind} ({found[0]})",
                f"Name a checkpoint with {SAFETENSORS}, such as `save_pretrained` writes",
            )
    return ModelError(
        f"The folder {folder} holds a config.json and no weights ({SAFETENSORS}, {PICKLED} or shards of them)",
        "Fetch the checkpoint again, or name the folder that `save_pretrained` wrote",
    )


def _gguf(folder: Path, name: str) -> ModelError:
    return ModelError(
        f"The weights in {folder} are GGUF alone ({name}), which is quantised and which no edit can be written into",
        "Name the checkpoint that it was made from, or convert it: load it with "
        f"`AutoModelForCausalLM.from_pretrained(FOLDER, gguf_file={name!r})` and its tokenizer likewise, and save both "
        "with `save_pretrained`",
    )


def check_folder(source: str) -> None:
    """Refuse a model's folder that is missing, or holds nothing that a model is loaded by.

    Raises:
        ModelError: it is refused.
    """
    path = Path(source)
    if path.is_symlink() and not path.exists():
        raise ModelError(f"{source} is a link to a folder that is not there", "Check the path")
    if not path.exists():
        if looks_local(source):
            raise ModelError(f"The model folder {source} does not exist", "Check the path")
        return
    if not path.is_dir():
        raise ModelError(f"{source} is a file", "Name the checkpoint's folder, or a hub name")
    if not any(path.iterdir()):
        raise ModelError(f"The model folder {source} is empty", "Name a folder with config.json and weights")
    check_links(path)
    check_no_gguf_alone(path)
    if not (path / "config.json").is_file() and not (path / "adapter_config.json").is_file():
        raise ModelError(
            f"The folder {source} holds neither config.json nor adapter_config.json",
            "Name the folder that `save_pretrained` wrote",
        )
