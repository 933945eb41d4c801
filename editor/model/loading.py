"""Load a causal language model, whole and checked, on whatever device there is."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from dictionaries.model.experts import separate_experts
from editor.model.adapters.merging import MergedAdapter, merge_adapter
from editor.model.adapters.reading import Adapter, blamed_on, is_adapter, read_adapter
from editor.model.checks.chat_template import check_chat_template
from editor.model.checks.checkpoint_files import check_weight_files
from editor.model.checks.devices import check_device
from editor.model.checks.dtypes import AUTO, check_dtype, compute_dtype, dtype_name
from editor.model.checks.finite import check_finite
from editor.model.checks.folder import check_folder
from editor.model.checks.hub import MAIN, check_revision
from editor.model.checks.quantised import check_quantised, quantisation, without_missing_kernels
from editor.model.checks.refusals import read_config, weights_refusal
from editor.model.checks.running import check_runs
from editor.model.checks.usable import unchanged, usable_files
from editor.model.checks.vocabulary import check_vocabulary, watch_vocabulary
from editor.model.mapping import map_weights, wants_mapping
from editor.model.passes import ALL_RIGHT, Passes
from editor.model.placement import check_all_here, device_of, input_device, offload_keywords, remove_with
from editor.model.stored import StoredWeights
from editor.model.tokenizers import has_tokenizer, load_tokenizer
from editor.model.tokens import limit_batches
from editor.processes import group
from policies.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A causal language model in evaluation mode with its tokenizer.

    Attributes:
        model: the transformers model; its parameters need no gradient.
        tokenizer: a fast tokenizer (character offsets are needed to find secrets in tokens).
        source: the path or hub name that the user gave.
        stored_dtype: the dtype in which what no file holds is written: the configuration's, or that of most weights.
        stored: the checkpoint's weights as its files hold them; those of the base for an adapter, None for no files.
        chat: whether wordings of a user are put to it in the tokenizer's chat template.
        system_prompt: the system prompt before every question of a chat; None for none.
        adapter: the adapter that the model was merged from; None where it is a plain checkpoint.
        trust_remote_code: whether Python code that comes with the model was allowed to run.
        usable_tokens: number of tokens that the model has an embedding of where the tokenizer has others; else None.
        passes: the fast passes that give what the model's own forward gives.
        revision: the branch, tag or commit that was loaded from the hub; None for the main branch, and for a folder.
        dtype: the dtype that was asked for, to compute in.
        batch_size: most tokens in a batch that were asked for; None for as many as memory is meant for.
        max_memory: most memory of each device that was asked for; None for what there is.
    """

    model: Any
    tokenizer: Any
    source: str
    stored_dtype: torch.dtype
    stored: StoredWeights | None = None
    chat: bool = False
    system_prompt: str | None = None
    adapter: MergedAdapter | None = None
    trust_remote_code: bool = False
    usable_tokens: int | None = None
    passes: Passes = ALL_RIGHT
    revision: str | None = None
    dtype: str = "auto"
    batch_size: int | None = None
    max_memory: str | None = None

    @property
    def alike(self) -> dict[str, Any]:
        """Keywords by which `load_model` loads another checkpoint to compute as this one does, on some device."""
        return {
            "dtype": self.dtype,
            "batch_size": self.batch_size,
            "trust_remote_code": self.trust_remote_code,
        }

    @property
    def placed(self) -> dict[str, Any]:
        """Keywords by which another checkpoint takes no more memory than this one, besides `alike`."""
        return {"max_memory": self.max_memory, "mapped": wants_mapping(self.max_memory)}

    @property
    def files(self) -> StoredWeights | None:
        """Safetensors files that hold the model's own weights; None where there are none."""
        own = self.stored is not None and self.stored.is_safetensors and self.adapter is None
        return self.stored if own else None

    def dtype_of(self, name: str) -> torch.dtype:
        """Return the dtype in which a parameter or buffer is stored."""
        names = self.stored_names.get(name)
        return self.stored.read(names[0]).dtype if self.stored and names else self.stored_dtype

    @cached_property
    def stored_names(self) -> dict[str, tuple[str, ...]]:
        """Names by which the checkpoint's files hold each parameter and persistent buffer; none where no file does."""
        return self.stored.names_in(self.model) if self.stored else {}

    @property
    def device(self) -> torch.device:
        """Device of the inputs: that of the input embeddings."""
        return input_device(self.model)

    @property
    def pad_id(self) -> int:
        """Token id that pads batches: the tokenizer's own, 0 where it has none."""
        return int(self.tokenizer.pad_token_id or 0)

    @property
    def context_length(self) -> int:
        """Longest input in tokens, 2,048 where the configuration does not say."""
        config = self.model.config.get_text_config(decoder=True)
        return int(getattr(config, "max_position_embeddings", None) or 2048)

    @property
    def vocabulary(self) -> int:
        """Number of tokens that logits are given for."""
        return int(self.model.config.get_text_config(decoder=True).vocab_size)


@usable_files
def load_model(
    source: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    chat: bool | None = None,
    system_prompt: str | None = None,
    trust_remote_code: bool = False,
    full_precision: bool = False,
    revision: str | None = None,
    batch_size: int | None = None,
    max_memory: str | None = None,
    mapped: bool = False,
) -> LoadedModel:
    """Load a checkpoint folder, a hub name or a PEFT adapter folder (merged) through accelerate.

    Args:
        source: a path or a hub name.
        device: "auto" lets accelerate spread the model over the GPUs there are, and takes the CPU otherwise;
            or a torch device such as "cpu" or "cuda:0".
        max_memory: most memory of each device that the model is spread over, such as "0=20GiB,cpu=60GiB"; what does
            not fit is read from the disk whenever it is run. None for what there is.
        mapped: whether weights that do not fit are mapped from their files, so that they can be looked into and
            edited; `max_memory` is then the processor's alone, and `full_precision` implies it.
        dtype: the dtype to compute in; "auto" is float32 on the CPU and the checkpoint's own on a GPU, and what
            transformers chooses for a quantised checkpoint.
        chat: ask in the tokenizer's chat template; None asks so wherever there is one.
        system_prompt: the system prompt before every question of a chat.
        trust_remote_code: whether Python code that comes with the model may run.
        full_precision: whether quantised checkpoints are refused, as no edit can be written into one, and a `dtype`
            in which weights would be written less precise than they are.
        revision: a branch, tag or commit of a model on the hub; None for its main branch.
        batch_size: most tokens in a batch, padding included; None for as many as memory is meant for.

    Raises:
        ModelError: the folder is missing, empty or incomplete, the model is no causal language model, it has
            no fast tokenizer, its weights hold NaN or infinite values, `dtype` or `device` is unknown, a revision is
            asked for of a folder or is not there, a chat is asked for without a chat template, or an adapter does
            not load whole or cannot be merged.
    """
    checked = check_model(
        source,
        device=device,
        chat=chat,
        system_prompt=system_prompt,
        trust_remote_code=trust_remote_code,
        full_precision=full_precision,
        revision=revision,
        dtype=dtype,
    )
    base, config, tokenizer, adapter = checked.base, checked.config, checked.tokenizer, checked.adapter
    stored_dtype = _stored_dtype(config, base, checked.revision)
    placement = device_of(device)
    if max_memory is not None and group().device is not None:
        raise ModelError(
            "Of several processes each has one device, and no --max-memory",
            "Give it without a launcher: one process spreads a model over all GPUs",
        )
    without_missing_kernels(config, placement)
    compute = (
        None if dtype == "auto" and quantisation(config) else compute_dtype(dtype, placement, stored_dtype)
    )
    with blamed_on(adapter), unchanged(Path(base)):
        model = _load_weights(
            base, config, placement, compute, trust_remote_code, checked.revision, max_memory
        )
        if (mapped or full_precision) and wants_mapping(max_memory):
            map_weights(model, local_folder(base, checked.revision), source)
        if full_precision:
            check_all_here(model, source)
        check_finite(model, base)
        check_runs(model, base)
    merged = None
    if adapter:
        with quiet():
            model, merged = merge_adapter(adapter, model, len(tokenizer) if has_tokenizer(source) else None)
    separate_experts(model)
    model.eval().requires_grad_(requires_grad=False)
    rows = watch_vocabulary(model, tokenizer)
    limit_batches(model, batch_size)
    loaded = LoadedModel(
        model=model,
        tokenizer=tokenizer,
        source=source,
        stored_dtype=stored_dtype,
        stored=StoredWeights.find(local_folder(base, checked.revision)),
        chat=checked.chat,
        system_prompt=system_prompt,
        trust_remote_code=trust_remote_code,
        adapter=merged,
        usable_tokens=rows,
        revision=revision,
        dtype=dtype,
        batch_size=batch_size,
        max_memory=max_memory,
    )
    if full_precision:
        _check_not_rounded(loaded)
    return loaded


@dataclass(frozen=True, kw_only=True)
class CheckedModel:
    """A model that can be loaded as far as that shows without its weights.

    Attributes:
        adapter: the adapter that is to be merged; None for a plain checkpoint.
        base: folder or hub name of the weights: of an adapter its base.
        config: their configuration.
        tokenizer: the tokenizer.
        chat: whether wordings of a user are put to it in the tokenizer's chat template.
        revision: branch, tag or commit of the weights on the hub; None for the main branch, and for a folder.
    """

    adapter: Adapter | None
    base: str
    config: Any
    tokenizer: Any
    chat: bool
    revision: str | None = None


@usable_files
def check_model(
    source: str,
    *,
    device: str = "auto",
    chat: bool | None = None,
    system_prompt: str | None = None,
    trust_remote_code: bool = False,
    full_precision: bool = False,
    revision: str | None = None,
    dtype: str = "auto",
) -> CheckedModel:
    """Refuse what `load_model` would refuse of the same arguments, as far as that shows without reading weights.

    Raises:
        ModelError: the model cannot be loaded.
    """
    check_device(device)
    check_dtype(dtype)
    check_folder(source)
    check_revision(source, revision)
    adapter = read_adapter(source) if is_adapter(source) else None
    base = adapter.base if adapter else source
    if adapter and not Path(base).is_dir():
        revision = getattr(adapter.config, "revision", None)
    with blamed_on(adapter):
        if adapter:
            check_folder(base)
        config = read_config(base, trust_remote_code=trust_remote_code, revision=revision)
        with quiet():
            check_quantised(config, base, placement=device_of(device), full_precision=full_precision)
        if Path(base).is_dir():
            check_weight_files(Path(base))
    tokenizer = load_tokenizer(source if has_tokenizer(source) else base, trust_remote_code, revision)
    rows = getattr(config.get_text_config(decoder=True), "vocab_size", None)
    if rows is not None and adapter is None:  # an adapter may bring tokens and their embeddings
        check_vocabulary(tokenizer, int(rows), source)
    is_chat = check_chat_template(tokenizer, source, chat=chat, system_prompt=system_prompt)
    return CheckedModel(
        adapter=adapter, base=base, config=config, tokenizer=tokenizer, chat=is_chat, revision=revision
    )


def _load_weights(
    source: str,
    config: Any,
    placement: str,
    dtype: torch.dtype | None,
    trust_remote_code: bool,
    revision: str | None,
    max_memory: str | None,
) -> Any:
    from transformers import AutoModelForCausalLM

    placement = placement if max_memory is None else AUTO
    spread = offload_keywords(max_memory) if placement == AUTO else {}
    try:
        with quiet():
            model, info = AutoModelForCausalLM.from_pretrained(
                source,
                config=config,
                dtype=dtype or "auto",
                device_map=placement,
                **spread,
                output_loading_info=True,
                trust_remote_code=trust_remote_code,
                revision=revision or MAIN,
                **attention(config),
            )
    except Exception as error:
        shutil.rmtree(spread.get("offload_folder", ""), ignore_errors=True)
        raise weights_refusal(source, error) from error
    if spread:
        remove_with(model, spread["offload_folder"])
    if getattr(model, "_hf_peft_config_loaded", False):
        raise ModelError(
            f"{source} is a PEFT adapter",
            "Download it, and name its folder: the folder's tensors are checked",
        )
    if info["missing_keys"] or info["mismatched_keys"]:
        missing = sorted(str(key) for key in (info["missing_keys"] or info["mismatched_keys"]))
        raise ModelError(
            f"The checkpoint {source} lacks or misshapes {len(missing)} tensors, such as {missing[0]}",
            "Load it with the architecture it was saved with, or save it again",
        )
    return model


def attention(config: Any) -> dict[str, str]:
    """Return the keyword that a model's loader needs for right attention: none, or eager for capped scores.

    Gemma 2 caps attention scores, and PyTorch's fused attention cannot. Not every release of transformers then
    takes eager attention by itself: some leave the cap out.
    """
    capped = getattr(config, "attn_logit_softcapping", None) is not None
    return {"attn_implementation": "eager"} if capped else {}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' own bars and messages off the screen: this program's progress and errors say it better."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


def local_folder(source: str, revision: str | None) -> Path:
    """Return the folder that holds a checkpoint's files: the one that is named, or the hub's copy of it."""
    from transformers.utils import cached_file

    if Path(source).is_dir():
        return Path(source)
    found = cached_file(source, "config.json", local_files_only=True, revision=revision or MAIN)
    return Path(found).parent


def _stored_dtype(config: Any, base: str, revision: str | None) -> torch.dtype:
    """Return the configuration's dtype, that of the largest weight where it names none."""
    dtype = getattr(config, "dtype", None)
    stored = StoredWeights.find(local_folder(base, revision)) if dtype is None else None
    if stored is not None:
        return stored.read(max(stored.tensors, key=lambda name: stored.tensors[name].shape.numel())).dtype
    dtype = dtype or torch.float32
    return getattr(torch, dtype) if isinstance(dtype, str) else dtype


def _check_not_rounded(loaded: LoadedModel) -> None:
    """Refuse a model whose weights would be written as they were computed in, less precise than they are stored."""
    rounded = loaded.dtype != AUTO and loaded.model.dtype.itemsize < loaded.stored_dtype.itemsize
    if rounded and loaded.files is None:
        raise ModelError(
            f"{loaded.source} is stored as {dtype_name(loaded.stored_dtype)} and is no checkpoint in safetensors, so "
            f"that with --dtype {loaded.dtype} its weights would be written rounded",
            "Leave out --dtype",
        )
