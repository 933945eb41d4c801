"""Write an edited model as an ordinary checkpoint that loads without Expunge."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from editor.edits.companions import companions
from editor.edits.edit import Delta, Edit, load_originals
from editor.model.loading import LoadedModel, quiet
from policies.errors import EditError


def export_checkpoint(loaded: LoadedModel, edit: Edit, folder: Path) -> dict[str, Tensor]:
    """Write the edited checkpoint in the original's dtype, with its configuration and tokenizer unchanged.

    The loaded model itself is left as it was, bit for bit.

    Returns:
        The changed parameters as they were stored before, on the CPU, by name: what a revert needs.

    Raises:
        EditError: the edit is empty, or holds values that are not finite.
    """
    _check(edit)
    originals = {
        name: loaded.model.get_parameter(name).detach().to(loaded.stored_dtype).cpu() for name in edit.deltas
    }
    with edit.applied(loaded.model):
        save_checkpoint(loaded, folder)
    return originals


def save_checkpoint(loaded: LoadedModel, folder: Path) -> None:
    """Write the model as it stands now in its stored dtype, with its configuration and tokenizer."""
    with quiet():
        loaded.model.save_pretrained(folder, state_dict=_stored(loaded))
    loaded.tokenizer.save_pretrained(folder)
    _set_dtype(folder / "config.json", loaded.stored_dtype)
    for path in companions(Path(loaded.source)):
        shutil.copyfile(path, folder / path.name)


def _stored(loaded: LoadedModel) -> dict[str, Tensor]:
    """Return all tensors in their stored dtype; tied ones stay one, as some loaders untie what was stored twice."""
    converted: dict[tuple[int, torch.Size], Tensor] = {}
    stored: dict[str, Tensor] = {}
    for name, tensor in loaded.model.state_dict().items():
        place = (tensor.data_ptr(), tensor.shape)
        if tensor.is_floating_point():
            tied = converted.get(place) if tensor.data_ptr() else None
            stored[name] = converted[place] = tensor.to(loaded.stored_dtype) if tied is None else tied
        else:
            stored[name] = tensor
    return stored


def save_adapter(edit: Edit, loaded: LoadedModel, folder: Path) -> bool:
    """Write the edit as a PEFT LoRA adapter where every change is of low rank, and return whether it was.

    Low means that the factors have at most half the parameters of the full matrix.
    """
    factored = {name: delta for name, delta in edit.deltas.items() if isinstance(delta, Delta)}
    small = all(2 * d.rank * sum(d.shape) <= d.shape[0] * d.shape[1] for d in factored.values())
    if (
        len(factored) < len(edit.deltas)
        or not small
        or not all(name.endswith(".weight") for name in factored)
    ):
        return False
    ranks = {name: delta.rank for name, delta in factored.items()}
    from peft import LoraConfig
    from safetensors.torch import save_file

    modules = {name.removesuffix(".weight"): rank for name, rank in ranks.items()}
    transposed = _are_transposed(loaded.model, modules)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        target_modules=list(modules),
        rank_pattern=modules,
        alpha_pattern=modules,
        fan_in_fan_out=transposed,
        base_model_name_or_path=loaded.source,
    )
    config.inference_mode = True
    tensors: dict[str, Tensor] = {}
    for name, delta in factored.items():
        prefix = f"base_model.model.{name.removesuffix('.weight')}"
        out, into = (delta.right.T, delta.left.T) if transposed else (delta.left, delta.right)
        tensors[f"{prefix}.lora_A.weight"] = into.contiguous()
        tensors[f"{prefix}.lora_B.weight"] = out.contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    save_file(tensors, folder / "adapter_model.safetensors")
    return True


def _are_transposed(model: Any, modules: Iterable[str]) -> bool:
    from transformers.pytorch_utils import Conv1D

    return all(isinstance(model.get_submodule(name), Conv1D) for name in modules)


def _check(edit: Edit) -> None:
    for name, delta in edit.deltas.items():
        if not bool(torch.isfinite(delta.dense()).all()):
            raise EditError(f"The edit of {name} is not finite", "Try a gentler --strength")
    if edit.is_empty:
        raise EditError(
            "The edit changes nothing: the facts are at chance already, or nothing was located that carries them",
            "Run `expunge audit` to see what leaks; else try another --method, or a dictionary trained on this model",
        )


def _set_dtype(path: Path, dtype: torch.dtype) -> None:
    config = json.loads(path.read_text(encoding="utf-8"))
    config["dtype"] = str(dtype).removeprefix("torch.")
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def revert_checkpoint(erased: Path, target: Path, *, trust_remote_code: bool = False) -> int:
    """Write the checkpoint as it was before an edit, and return how many tensors were put back.

    Args:
        erased: an output folder of `erase` that still holds `edit/originals.safetensors`.
        target: the folder to write to.
        trust_remote_code: whether Python code that comes with the model may run.

    Raises:
        EditError: the edit or its originals are missing, or the result's digest is not the original's.
    """
    from editor.model.loading import load_model, model_digest, tensor_digests

    edit, originals = Edit.load(erased / "edit"), load_originals(erased / "edit")
    loaded = load_model(str(erased / "model"), device="cpu", trust_remote_code=trust_remote_code)
    with torch.no_grad():
        for name in edit.deltas:
            loaded.model.get_parameter(name).copy_(originals[name])
    wanted = _original_digest(erased / "report.json")
    if model_digest(tensor_digests(loaded.model, loaded.stored_dtype)) != wanted:
        raise EditError(
            f"Putting back the originals of {erased} does not give the original's digest",
            "The checkpoint was changed after it was written; go back to the original",
        )
    save_checkpoint(loaded, target)
    return len(edit.deltas)


def _original_digest(report: Path) -> str:
    try:
        return str(json.loads(report.read_text(encoding="utf-8"))["model_before"]["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        raise EditError(f"{report} cannot be read", "Name the output folder that `erase` wrote") from None
