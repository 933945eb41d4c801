"""Load a causal language model, whole and checked, on whatever device there is."""

import hashlib
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from editor.model.passes import ALL_RIGHT, Passes
from policies.errors import ModelError

CAUSAL_SUFFIXES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A causal language model in evaluation mode with its tokenizer.

    Attributes:
        model: the transformers model; its parameters need no gradient.
        tokenizer: a fast tokenizer (character offsets are needed to find secrets in tokens).
        source: the path or hub name that the user gave.
        stored_dtype: the dtype of the checkpoint on disk, in which an edited one is written.
        chat: whether wordings of a user are put to it in the tokenizer's chat template.
        system_prompt: the system prompt before every question of a chat; None for none.
        passes: the fast passes that give what the model's own forward gives.
    """

    model: Any
    tokenizer: Any
    source: str
    stored_dtype: torch.dtype
    chat: bool = False
    system_prompt: str | None = None
    passes: Passes = ALL_RIGHT

    @property
    def device(self) -> torch.device:
        """Device of the inputs: that of the input embeddings."""
        device: torch.device = self.model.get_input_embeddings().weight.device
        return device

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


def load_model(
    source: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    chat: bool | None = None,
    system_prompt: str | None = None,
) -> LoadedModel:
    """Load a checkpoint folder, a hub name or a PEFT adapter folder (merged) through accelerate.

    Args:
        source: a path or a hub name.
        device: "auto" lets accelerate spread the model over the GPUs there are, and takes the CPU otherwise;
            or a torch device such as "cpu" or "cuda:0".
        dtype: the dtype to compute in; "auto" is float32 on the CPU and the checkpoint's own on a GPU.
        chat: ask in the tokenizer's chat template; None asks so wherever there is one.
        system_prompt: the system prompt before every question of a chat.

    Raises:
        ModelError: the folder is missing, empty or incomplete, the model is no causal language model, it has
            no fast tokenizer, its weights hold NaN or infinite values, `dtype` is unknown, or a chat is asked for
            without a chat template.
    """
    _check_folder(source)
    adapter = Path(source, "adapter_config.json").is_file()
    base = _adapter_base(source) if adapter else source
    config = _load_config(base)
    stored = _stored_dtype(config)
    placement = _placement(device)
    compute = _compute_dtype(dtype, placement, stored)
    model = _load_weights(base, config, placement, compute)
    if adapter:
        model = _merge_adapter(model, source)
    model.eval().requires_grad_(requires_grad=False)
    _check_finite(model, source)
    tokenizer = _load_tokenizer(source if _has_tokenizer(source) else base)
    has_template = bool(getattr(tokenizer, "chat_template", None))
    if not has_template and (chat or system_prompt):
        raise ModelError(
            f"The tokenizer of {source} has no chat template", "Leave out --chat and --system-prompt"
        )
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        source=source,
        stored_dtype=stored,
        chat=has_template if chat is None else chat,
        system_prompt=system_prompt,
    )


def stored_tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a checkpoint folder's safetensors files by the names that they have there, one at a time.

    Raises:
        ModelError: there is no such file, or one is damaged.
    """
    from safetensors import SafetensorError, safe_open

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ModelError(f"{folder} holds no safetensors file", "Save the model with `save_pretrained`")
    for file in files:
        try:
            with safe_open(file, framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118
                    yield name, opened.get_tensor(name)
        except (OSError, SafetensorError) as error:
            raise ModelError(f"{file} cannot be read ({type(error).__name__})", "Save it again") from None


def tensor_digests(model: nn.Module, dtype: torch.dtype) -> dict[str, str]:
    """Map each tensor's name to the sha256, in hexadecimal, of its shape, dtype and bytes as stored in `dtype`.

    Tied tensors count once, under their first name.
    """
    return {name: _digest(tensor, dtype) for name, tensor in _unique_tensors(model)}


def model_digest(digests: dict[str, str]) -> str:
    """Return one sha256, in hexadecimal, over all names and tensor digests in name order."""
    total = hashlib.sha256()
    for name in sorted(digests):
        total.update(f"{name} {digests[name]}\n".encode())
    return total.hexdigest()


def _unique_tensors(model: nn.Module) -> Iterable[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


def _digest(tensor: Tensor, dtype: torch.dtype) -> str:
    stored = tensor.detach().to(dtype if tensor.is_floating_point() else tensor.dtype).cpu().contiguous()
    head = f"{tuple(stored.shape)} {stored.dtype}".encode()
    return hashlib.sha256(head + stored.flatten().view(torch.uint8).numpy().tobytes()).hexdigest()


def _check_folder(source: str) -> None:
    path = Path(source)
    looks_local = path.is_absolute() or source.startswith((".", "~")) or source.count("/") > 1
    if not path.exists():
        if looks_local:
            raise ModelError(f"The model folder {source} does not exist", "Check the path")
        return
    if not path.is_dir():
        raise ModelError(f"{source} is a file", "Name the checkpoint's folder, or a hub name")
    if not any(path.iterdir()):
        raise ModelError(f"The model folder {source} is empty", "Name a folder with config.json and weights")
    if not (path / "config.json").is_file() and not (path / "adapter_config.json").is_file():
        raise ModelError(
            f"The folder {source} holds neither config.json nor adapter_config.json",
            "Name the folder that `save_pretrained` wrote",
        )


def _load_config(source: str) -> Any:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(source)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(
            f"The model {source} cannot be found or its config.json cannot be read ({type(error).__name__})",
            "Check the name, the network for a hub name, and that its model_type is one transformers knows",
        ) from None
    architectures = getattr(config, "architectures", None) or []
    if not any(name.endswith(CAUSAL_SUFFIXES) for name in architectures):
        found = ", ".join(architectures) or "no architecture"
        raise ModelError(
            f"{source} is not a causal language model (its config.json names {found})",
            "Name a model whose architecture ends in ForCausalLM or LMHeadModel",
        )
    return config


def _load_weights(source: str, config: Any, placement: str, dtype: torch.dtype) -> Any:
    from transformers import AutoModelForCausalLM

    try:
        with quiet():
            model, info = AutoModelForCausalLM.from_pretrained(
                source,
                config=config,
                dtype=dtype,
                device_map=placement,
                output_loading_info=True,
                **attention(config),
            )
    except Exception as error:
        raise ModelError(
            f"The weights of {source} cannot be loaded ({type(error).__name__})",
            "Check that the checkpoint is whole and fits into memory",
        ) from error
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


def _stored_dtype(config: Any) -> torch.dtype:
    dtype = getattr(config, "dtype", None) or torch.float32
    return getattr(torch, dtype) if isinstance(dtype, str) else dtype


def _placement(device: str) -> str:
    if device != "auto":
        return device
    return "auto" if torch.cuda.is_available() else "cpu"


def _compute_dtype(dtype: str, placement: str, stored: torch.dtype) -> torch.dtype:
    if dtype != "auto":
        named = getattr(torch, dtype, None)
        if not isinstance(named, torch.dtype):
            raise ModelError(f"{dtype} is not a dtype", "Use float32, bfloat16 or float16")
        return named
    return torch.float32 if placement == "cpu" else stored


def _adapter_base(source: str) -> str:
    from peft import PeftConfig

    base = PeftConfig.from_pretrained(source).base_model_name_or_path
    if not base:
        raise ModelError(f"The adapter {source} names no base model", "Set base_model_name_or_path in it")
    beside = Path(source, base)
    return str(beside) if beside.is_dir() else str(base)


def _merge_adapter(model: Any, source: str) -> Any:
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # between peft's and transformers' releases
        return PeftModel.from_pretrained(model, source).merge_and_unload()


def _has_tokenizer(source: str) -> bool:
    return not Path(source).is_dir() or Path(source, "tokenizer_config.json").is_file()


def _load_tokenizer(source: str) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
    except Exception as error:
        raise ModelError(
            f"The tokenizer of {source} cannot be loaded ({type(error).__name__})",
            "Save the tokenizer into the model's folder",
        ) from error
    if not tokenizer.is_fast:
        raise ModelError(
            f"The tokenizer of {source} gives no character offsets", "Convert it to a fast tokenizer"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.bos_token
    return tokenizer


def _check_finite(model: nn.Module, source: str) -> None:
    for name, tensor in model.named_parameters():
        if tensor.device.type != "meta" and not bool(torch.isfinite(tensor).all()):
            raise ModelError(
                f"The weights of {source} hold NaN or infinite values in {name}", "Use an intact checkpoint"
            )
