"""Read a PEFT adapter's folder whole, before its base model is loaded: its configuration, base and tensors."""

import json
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from editor.model.checks.sources import looks_local
from policies.errors import ModelError

CONFIG_FILE = "adapter_config.json"
WEIGHT_FILES = ("adapter_model.safetensors", "adapter_model.bin")
PREFIX = "base_model.model."
"""What PEFT puts before the base model's names."""
WRAPPERS = frozenset({"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "default"})
"""Parts of a name from torch.compile, DDP, FSDP and checkpointing, and the adapter's usual name."""
FACTOR = re.compile(r"^(?P<module>.*)\.lora_(?P<factor>A|B|E|embedding_A|embedding_B)(\.weight)?$")
TASKS = (None, "CAUSAL_LM")
MERGED_ELSEWHERE = (
    "Merge it into its base with `merge_and_unload`, save that with `save_pretrained`, and give the folder"
)


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """A PEFT adapter as it lies on disk.

    Attributes:
        source: its folder.
        base: the folder or hub name of its base model.
        config: PEFT's configuration of it.
        tensors: its tensors by their plain names (`plain_name`), on the CPU, in the file's dtypes.
    """

    source: str
    base: str
    config: Any
    tensors: dict[str, Tensor] = field(repr=False)

    @property
    def kind(self) -> str:
        """PEFT's name of its type, such as LORA."""
        return _kind(self.config)


def is_adapter(source: str) -> bool:
    """Return whether a folder holds a PEFT adapter."""
    return Path(source, CONFIG_FILE).is_file()


def read_adapter(source: str) -> Adapter:
    """Read an adapter's folder.

    Raises:
        ModelError: its configuration is damaged or of an unknown type, it cannot be merged into weights, it names no
            base model that is there, or its tensors are missing, damaged, or of no effect.
    """
    config = _read_config(source)
    _check_kind(source, config)
    base = _base(source, config)
    tensors = _read_tensors(source)
    _check_finite(source, tensors)
    _check_effect(source, tensors)
    return Adapter(source=source, base=base, config=config, tensors=tensors)


@contextmanager
def blamed_on(adapter: Adapter | None) -> Iterator[None]:
    """Say of an error of the base model which adapter names that base; None changes nothing."""
    try:
        yield
    except ModelError as error:
        if adapter is None:
            raise
        raise ModelError(
            f"The base model of the adapter {adapter.source} cannot be used: {error.cause}",
            f"Check base_model_name_or_path in its {CONFIG_FILE}. {error.remedy}",
        ) from error


def plain_name(name: str) -> str:
    """Return a tensor's name without PEFT's prefix and without what wrappers of a model put into it.

    >>> plain_name("base_model.model._orig_mod.model.layers.0.mlp.up_proj.lora_A.default.weight")
    'model.layers.0.mlp.up_proj.lora_A.weight'
    """
    plain = ".".join(part for part in name.split(".") if part not in WRAPPERS)
    while plain.startswith(PREFIX):
        plain = plain.removeprefix(PREFIX)
    return plain


def _read_config(source: str) -> Any:
    from peft import PeftConfig
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    path = Path(source, CONFIG_FILE)
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} cannot be read ({type(error).__name__})", "Save the adapter again"
        ) from None
    kind = given.get("peft_type") if isinstance(given, dict) else None
    if kind is None:
        raise ModelError(f"{path} names no peft_type", "Save the adapter with PEFT's `save_pretrained`")
    if not isinstance(kind, str) or kind not in PEFT_TYPE_TO_CONFIG_MAPPING:
        raise ModelError(
            f"The adapter {source} is of the type {kind!r}, which the installed peft does not know",
            f"Install the release of peft that saved it, or do so elsewhere: {MERGED_ELSEWHERE}",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = PeftConfig.from_pretrained(source)
    except Exception as error:
        raise ModelError(
            f"{path} is not a configuration that peft can read ({type(error).__name__})",
            "Check its entries, or save the adapter again",
        ) from error
    # PEFT leaves out what it does not know, and might then compute something else than who saved it.
    unknown = sorted(name for name, value in given.items() if value and not hasattr(config, name))
    if unknown := [name for name in unknown if name != "peft_version"]:
        raise ModelError(
            f"{path} has the entry {unknown[0]}, which the installed peft does not know",
            f"Install the release of peft that saved it, or do so elsewhere: {MERGED_ELSEWHERE}",
        )
    return config


def _kind(config: Any) -> str:
    return str(getattr(config.peft_type, "value", config.peft_type))


def _check_kind(source: str, config: Any) -> None:
    if config.is_prompt_learning or getattr(config, "is_adaption_prompt", False):
        raise ModelError(
            f"The adapter {source} is of the type {_kind(config)}, which adds learned prompts and cannot be merged "
            "into weights",
            "Name the base model, or an adapter of weights such as LoRA",
        )
    if getattr(config, "layer_replication", None):
        raise ModelError(
            f"The adapter {source} repeats layers of its base, which cannot be merged into weights",
            "Build the model with the repeated layers, save it, and train an adapter of it",
        )
    task = getattr(config.task_type, "value", config.task_type)
    if task not in TASKS:
        raise ModelError(
            f"The adapter {source} is for the task {task}, not for a causal language model",
            "Name an adapter whose task_type is CAUSAL_LM",
        )


def _base(source: str, config: Any) -> str:
    base = config.base_model_name_or_path
    if not base or not isinstance(base, str):
        raise ModelError(
            f"The adapter {source} names no base model", f"Set base_model_name_or_path in its {CONFIG_FILE}"
        )
    beside = Path(source, base)
    folder = beside if beside.is_dir() else Path(base)
    if not folder.is_dir():
        if looks_local(base):
            raise ModelError(
                f"The base model {base} of the adapter {source} does not exist",
                f"Run where that path leads to it, or set base_model_name_or_path in its {CONFIG_FILE}",
            )
        return base
    if is_adapter(str(folder)):
        raise ModelError(
            f"The base model {folder} of the adapter {source} is an adapter itself", MERGED_ELSEWHERE
        )
    return str(folder)


def _read_tensors(source: str) -> dict[str, Tensor]:
    paths = [path for name in WEIGHT_FILES if (path := Path(source, name)).is_file()]
    if not paths:
        raise ModelError(
            f"The adapter {source} holds neither {' nor '.join(WEIGHT_FILES)}",
            "Save the adapter with PEFT's `save_pretrained`",
        )
    stored = _load(paths[0])
    if not stored:
        raise ModelError(f"{paths[0]} holds no tensors", "Save the adapter from the model that was trained")
    tensors: dict[str, Tensor] = {}
    for name, tensor in stored.items():
        if plain_name(name) in tensors:
            raise ModelError(f"{paths[0]} holds {plain_name(name)} twice", "Save the adapter again")
        tensors[plain_name(name)] = tensor
    return tensors


def _load(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        stored = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
        return {str(name): tensor.detach() for name, tensor in stored.items()}
    except Exception as error:
        raise ModelError(
            f"{path} cannot be read ({type(error).__name__})", "It is damaged or cut short: save it again"
        ) from error


def _check_finite(source: str, tensors: dict[str, Tensor]) -> None:
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor.float()).all()):
            raise ModelError(
                f"The adapter {source} holds NaN or infinite values in {name}", "Use an intact adapter"
            )


def _check_effect(source: str, tensors: dict[str, Tensor]) -> None:
    """Refuse an adapter whose every low-rank product is zero, or that holds nothing but zeros."""
    live, dead = _factored_modules(tensors)
    if (dead and not live and _only_factors(tensors)) or all(map(_is_zero, tensors.values())):
        raise ModelError(
            f"The adapter {source} changes nothing: its tensors are zero",
            "It was saved before it was trained, or saved from other parameters than the trained ones: save it again",
        )


def _is_zero(tensor: Tensor) -> bool:
    return not tensor.float().count_nonzero()


def _factored_modules(tensors: dict[str, Tensor]) -> tuple[set[str], set[str]]:
    """Return the modules with a product other than zero, and those with a factor that is zero."""
    found = [(match["module"], tensor) for name, tensor in tensors.items() if (match := FACTOR.match(name))]
    dead = {module for module, tensor in found if _is_zero(tensor)}
    return {module for module, _ in found} - dead, dead


def _only_factors(names: Iterable[str]) -> bool:
    return all(FACTOR.match(name) or "lora_magnitude_vector" in name for name in names)
