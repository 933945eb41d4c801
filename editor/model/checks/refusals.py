"""Why a model cannot be loaded, each cause by its name: the configuration, code of its own, memory."""

import json
from pathlib import Path
from typing import Any

from editor.model.checks.hub import MAIN, check_hub, hub_refusal
from policies.errors import ModelError
from policies.faults import causes, is_memory_short

CAUSAL_SUFFIXES = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
_OFFLOADED = ("offloaded to the disk", "offload_dir")


def read_config(source: str, *, trust_remote_code: bool, revision: str | None = None) -> Any:
    """Read a model's configuration, and refuse what is no causal language model that can be loaded.

    Args:
        source: a checkpoint folder or a hub name.
        trust_remote_code: whether Python code that comes with the model may run. It is never asked for.
        revision: a branch, tag or commit of a model on the hub; None for its main branch.

    Raises:
        ModelError: the name is nowhere, the configuration cannot be read, the model needs code of its own, or it is
            no causal language model.
    """
    from transformers import AutoConfig

    if Path(source).is_dir():
        _check_json(Path(source, "config.json"))
    else:
        check_hub(source, revision)
    try:
        config = AutoConfig.from_pretrained(
            source, trust_remote_code=trust_remote_code, revision=revision or MAIN
        )
    except Exception as error:  # configurations check themselves, each in its own way
        raise config_refusal(source, error) from None
    check_causal(config, source, trust_remote_code=trust_remote_code)
    return config


def check_causal(config: Any, source: str, *, trust_remote_code: bool) -> None:
    """Refuse a configuration of anything but a causal language model.

    One that names no architecture is taken for what `AutoModelForCausalLM` makes of its model type.

    Raises:
        ModelError: it is no causal language model, or needs code of its own.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

    architectures = getattr(config, "architectures", None) or []
    named = ", ".join(architectures) or f"model type {config.model_type}"
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(
            f"{source} is an encoder-decoder ({named}), which answers a text instead of continuing it",
            "Name a causal language model, whose architecture ends in ForCausalLM or LMHeadModel",
        )
    own_code = "AutoModelForCausalLM" in (getattr(config, "auto_map", None) or {})
    known = type(config) in MODEL_FOR_CAUSAL_LM_MAPPING
    if architectures and not any(name.endswith(CAUSAL_SUFFIXES) for name in architectures) and not own_code:
        raise _not_causal(source, f"its config.json names {named}")
    if not known and own_code and not trust_remote_code:
        raise needs_code(source)
    if not known and not own_code:
        raise _not_causal(source, f"transformers has none of model type {config.model_type}")
    one_way = getattr(config, "is_decoder", False) or getattr(config, "causal", False)
    if type(config) in MODEL_FOR_MASKED_LM_MAPPING and not one_way:
        raise _not_causal(
            source, f"{named} reads a text from both sides, as its config.json has no is_decoder"
        )


def config_refusal(source: str, error: Exception) -> ModelError:
    """Return the error for a configuration that transformers could not read."""
    if asks_for_code(error):
        return needs_code(source)
    refused = hub_refusal(source, error)
    if refused is not None:
        return refused
    model_type = _local_json(source).get("model_type")
    if model_type is None and Path(source).is_dir():
        return ModelError(
            f"The config.json of {source} has no model_type, so that nobody knows what the model is",
            "Fetch the checkpoint's own config.json",
        )
    if model_type is not None and isinstance(error, KeyError | ValueError) and not _is_known(str(model_type)):
        from transformers import __version__

        return ModelError(
            f"{source} is of model type {model_type}, which transformers {__version__} does not know",
            "Install a release of transformers that does",
        )
    return ModelError(
        f"The config.json of {source} cannot be used ({type(error).__name__})", "Fetch the checkpoint's own"
    )


def weights_refusal(source: str, error: Exception) -> ModelError:
    """Return the error for weights that transformers could not load."""
    if asks_for_code(error):
        return needs_code(source)
    refused = hub_refusal(source, error)
    if refused is not None:
        return refused
    if is_out_of_memory(error):
        return ModelError(
            f"The weights of {source} do not fit into memory",
            "Take a machine with more, or give --device auto, which spreads them over the GPUs there are",
        )
    for cause in causes(error):
        if isinstance(cause, ImportError):
            package = cause.name or "a package"
            return ModelError(
                f"The model {source} needs {package}, which is not installed", f"Install {package}"
            )
    return ModelError(
        f"The weights of {source} cannot be loaded ({type(error).__name__})",
        "Check that its files are those of the config.json beside them, and fetch them again",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether something failed for want of memory."""
    return is_memory_short(error) or any(
        isinstance(cause, RuntimeError | ValueError) and any(said in str(cause) for said in _OFFLOADED)
        for cause in causes(error)
    )


def asks_for_code(error: BaseException) -> bool:
    """Return whether transformers refused to run code that comes with a model."""
    return any("trust_remote_code" in str(cause) for cause in causes(error))


def needs_code(source: str) -> ModelError:
    """Return the error for a model that cannot be loaded without Python code of its own."""
    return ModelError(
        f"{source} needs Python code that comes with it, and such code is not run unasked",
        "Read the code; if you trust it, give --trust-remote-code",
    )


def _not_causal(source: str, why: str) -> ModelError:
    return ModelError(
        f"{source} is not a causal language model ({why})",
        "Name a model whose architecture ends in ForCausalLM or LMHeadModel",
    )


def _check_json(path: Path) -> None:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{path} is no JSON that can be read ({type(error).__name__})", "Fetch the checkpoint's own"
        ) from None
    if not isinstance(said, dict):
        raise ModelError(f"{path} holds no JSON object", "Fetch the checkpoint's own")


def _local_json(source: str) -> dict[str, Any]:
    path = Path(source, "config.json")
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _is_known(model_type: str) -> bool:
    from transformers import CONFIG_MAPPING

    return model_type in CONFIG_MAPPING
