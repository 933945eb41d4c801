"""Write an edited model as an ordinary checkpoint that loads without Expunge."""

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from dictionaries.model.experts import has_experts
from editor.edits.companions import companions
from editor.edits.edit import AnyDelta, Delta, Edit, Originals
from editor.edits.keeping import Keeping
from editor.edits.records import EditRecord
from editor.model.digests import file_digests, model_digest
from editor.model.loading import LoadedModel, quiet
from editor.model.stored import ReadTensors, StoredWeights
from editor.results.edits import AdapterSummary
from policies.errors import EditError

ADAPTER = "adapter"
"""Folder of the adapter, beside the change of weights."""
LARGE_BYTES = 2**20
"""Bytes from which on a tensor that is converted is kept on the disk."""


def export_checkpoint(loaded: LoadedModel, edit: Edit, folder: Path) -> Originals:
    """Write the edited checkpoint: the original's files, in which the bytes of the edit's tensors alone differ.

    Each tensor keeps its dtype, and what is tied stays tied. Where no file holds the model's weights as they are, as
    after merging an adapter, the model is saved first. The loaded model is left as it was, bit for bit.

    Returns:
        What a revert needs.

    Raises:
        EditError: the edit is empty, or holds values that are not finite, or the files hold a tensor in another form
            than the model.
    """
    _check(edit)
    files = loaded.files
    copied = files is not None and not _other_forms(loaded.model, edit, files)
    if files is not None and copied:
        stored, read = files.copy(folder), files.read
        _copy_companions(loaded, folder)
    else:
        stored, read = save_model(loaded, folder), None
        if others := _other_forms(loaded.model, edit, stored, rounded=True):
            raise EditError(
                f"The checkpoint's files hold {others[0]} in another form than the model",
                "Save the model with `save_pretrained`, and name that folder",
            )
    names = stored.names_in(loaded.model)
    mine = {stored_name: name for name in edit.deltas for stored_name in names[name]}
    dtypes = {name: stored.read(name).dtype for name in mine}

    def saved(name: str) -> Tensor:
        """Return what was saved of the model, of which the files hold the changed form."""
        weight: Tensor = loaded.model.get_parameter(mine[name]).detach()
        return weight.cpu().to(dtypes[name])

    originals = ReadTensors(mine, read or saved)
    before, after = _write_shards(stored, {name: edit.deltas[mine[name]] for name in mine}, originals)
    return Originals(
        tensors=originals,
        digest=model_digest(before),
        edited=model_digest(before | after),
        changed={name: (before[name], after[name]) for name in mine},
    )


def _write_shards(
    stored: StoredWeights, deltas: Mapping[str, AnyDelta], originals: Mapping[str, Tensor]
) -> tuple[dict[str, str], dict[str, str]]:
    """Change files in place, one after another, and hold one tensor at a time.

    Returns:
        Digests of all tensors before the change, and of the changed ones after it.
    """
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    for file in stored.files:
        before |= file_digests(stored, stored.inside(file))
        for name in stored.inside(file):
            if name in deltas:
                stored.write({name: deltas[name].added_to(originals[name])})
                after |= file_digests(stored, [name])
    return before, after


def _other_forms(model: nn.Module, edit: Edit, stored: StoredWeights, *, rounded: bool = False) -> list[str]:
    """Return the edit's parameters that files do not hold as the model does, to the last bit of the model's dtype.

    Where the model was saved as it stands, to the last bit of the files' dtype: `rounded`.
    """
    names = stored.names_in(model)

    def alike(tensor: Tensor, weight: Tensor) -> bool:
        if rounded:
            return torch.equal(tensor, weight.to(tensor.dtype))
        return torch.equal(tensor.to(weight.dtype), weight)

    others = []
    for name in edit.deltas:
        weight = model.get_parameter(name).detach().cpu()
        found = (stored.read(stored_name) for stored_name in names[name])
        if not names[name] or not all(alike(tensor, weight) for tensor in found):
            others.append(name)
    return others


def keep_edit(
    edit: Edit,
    loaded: LoadedModel,
    originals: Originals,
    folder: Path,
    keeping: Keeping,
    record: EditRecord | None = None,
    previous: Sequence[EditRecord] = (),
) -> AdapterSummary | None:
    """Write the change of weights and what a revert needs, and an adapter where both are kept in the clear.

    Args:
        edit: the edit.
        loaded: the model that it was made on.
        originals: what a revert needs.
        folder: the folder to write to.
        keeping: how both are kept.
        record: what is on record of the edit.
        previous: the same of the edits that the model had before.

    Returns:
        The adapter; None where none was written.
    """
    edit.save(folder, originals, keeping=keeping, record=record, previous=previous)
    return save_adapter(edit, loaded, folder / ADAPTER) if keeping.in_the_clear else None


def save_model(loaded: LoadedModel, folder: Path) -> StoredWeights:
    """Save the model as it stands, each tensor in its stored dtype, with its configuration and tokenizer.

    What has another dtype in memory is converted one tensor at a time, onto the output's disk until it is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as scratch, quiet():
        loaded.model.save_pretrained(folder, state_dict=_stored(loaded, Path(scratch)))
    _set_dtype(folder / "config.json", loaded.stored_dtype)
    _copy_companions(loaded, folder)
    saved = StoredWeights.find(folder)
    assert saved is not None  # just written
    return saved


def _copy_companions(loaded: LoadedModel, folder: Path) -> None:
    """Write the tokenizer, and copy the configuration and what else stands beside the weights."""
    loaded.tokenizer.save_pretrained(folder)
    source = loaded.files.files[0].parent if loaded.files else Path(loaded.source)
    for path in companions(source, code=loaded.trust_remote_code):
        shutil.copyfile(path, folder / path.name)


def _stored(loaded: LoadedModel, scratch: Path) -> dict[str, Tensor]:
    """Return all tensors in their stored dtype; tied ones stay one, as some loaders untie what was stored twice."""
    converted: dict[tuple[int, torch.Size], Tensor] = {}
    stored: dict[str, Tensor] = {}
    for name, tensor in loaded.model.state_dict().items():
        place = (tensor.data_ptr(), tensor.shape)
        if tensor.is_floating_point():
            tied = converted.get(place) if tensor.data_ptr() else None
            if tied is None:
                tied = _in_dtype(tensor, loaded.dtype_of(name), scratch / str(len(converted)))
            stored[name] = converted[place] = tied
        else:
            stored[name] = tensor
    return stored


def _in_dtype(tensor: Tensor, dtype: torch.dtype, path: Path) -> Tensor:
    """Return a tensor in a dtype: itself, or where it is large and has to be converted, mapped from a new file."""
    if tensor.dtype == dtype or tensor.numel() * dtype.itemsize < LARGE_BYTES:
        return tensor.to(dtype)
    mapped = torch.from_file(str(path), shared=True, size=tensor.numel(), dtype=dtype).view(tensor.shape)
    return mapped.copy_(tensor)


def save_adapter(edit: Edit, loaded: LoadedModel, folder: Path) -> AdapterSummary | None:
    """Write the edit as a PEFT LoRA adapter where every change is of low rank, and describe it; None where it is not.

    What is left out of a change is less than what storing the checkpoint rounds away. Low means that the factors then
    have at most half the parameters of the full matrix. Of a model that was merged from a plain LoRA adapter, one
    adapter of the same base does what both do: their ranks are put side by side. Of any other adapter none is written,
    as no LoRA adapter gives the edited model, and none of a mixture of experts, whose experts PEFT does not name.
    """
    factored = {
        name: delta.truncated(_rounding(delta, loaded, name))
        for name, delta in edit.deltas.items()
        if isinstance(delta, Delta)
    }
    small = all(2 * d.rank * sum(d.shape) <= d.shape[0] * d.shape[1] for d in factored.values())
    if (
        len(factored) < len(edit.deltas)
        or not small
        or not all(name.endswith(".weight") for name in factored)
        or has_experts(loaded.model)
        or (loaded.adapter and loaded.adapter.factors is None)
    ):
        return None
    left_out = math.sqrt(sum(_distance(edit.deltas[name], delta) ** 2 for name, delta in factored.items()))
    summary = AdapterSummary(
        rank=max(delta.rank for delta in factored.values()), left_out=left_out / edit.norm
    )
    from peft import LoraConfig
    from safetensors.torch import save_file

    factored = _with_adapter(factored, loaded)
    modules = {name.removesuffix(".weight"): delta.rank for name, delta in factored.items()}
    transposed = {name for name in modules if _is_transposed(loaded.model, name)}
    config = LoraConfig(
        task_type="CAUSAL_LM",
        target_modules=list(modules),
        rank_pattern=modules,
        alpha_pattern=modules,
        fan_in_fan_out=bool(transposed),
        base_model_name_or_path=loaded.adapter.base if loaded.adapter else loaded.source,
        revision=None if loaded.adapter else loaded.revision,
    )
    config.inference_mode = True
    tensors: dict[str, Tensor] = {}
    for name in modules:
        delta, prefix = factored[f"{name}.weight"], f"base_model.model.{name}"
        out, into = (delta.right.T, delta.left.T) if name in transposed else (delta.left, delta.right)
        tensors[f"{prefix}.lora_A.weight"] = into.contiguous()
        tensors[f"{prefix}.lora_B.weight"] = out.contiguous()
    folder.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(folder)
    save_file(tensors, folder / "adapter_model.safetensors")
    return summary


def _rounding(delta: Delta, loaded: LoadedModel, name: str) -> float:
    """Return ‖·‖_F of what storing the changed weight rounds away."""
    exact = loaded.model.get_parameter(name).detach().double().cpu() + delta.dense()
    return float((exact.to(loaded.dtype_of(name)) - exact).norm())


def _distance(first: AnyDelta, second: AnyDelta) -> float:
    return float((first.dense() - second.dense()).norm())


def _with_adapter(deltas: Mapping[str, Delta], loaded: LoadedModel) -> dict[str, Delta]:
    """Add the changes of the adapter that the model was merged from, which is nothing but plain LoRA."""
    added = dict(deltas)
    for name, own in ((loaded.adapter and loaded.adapter.factors) or {}).items():
        delta = deltas.get(name)
        added[name] = Delta(
            left=torch.cat([own.left, delta.left], dim=1) if delta else own.left,
            right=torch.cat([own.right, delta.right]) if delta else own.right,
        )
    return added


def _is_transposed(model: Any, name: str) -> bool:
    from transformers.pytorch_utils import Conv1D

    return isinstance(model.get_submodule(name), Conv1D)


def _check(edit: Edit) -> None:
    for name, delta in edit.deltas.items():
        if not all(math.isfinite(float(end)) for end in torch.aminmax(delta.dense())):
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
