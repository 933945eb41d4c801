"""A model's tokenizer, as every job needs it."""

from pathlib import Path
from typing import Any

from editor.model.checks.hub import MAIN
from editor.model.checks.refusals import asks_for_code, needs_code
from policies.errors import ModelError


def has_tokenizer(source: str) -> bool:
    """Return whether a source brings a tokenizer; of a hub name, that is found out when it is loaded."""
    return not Path(source).is_dir() or Path(source, "tokenizer_config.json").is_file()


def load_tokenizer(source: str, trust_remote_code: bool, revision: str | None) -> Any:
    """Load a fast tokenizer that can pad.

    Raises:
        ModelError: there is none, it is no fast one, or it needs Python code of its own that is not trusted.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source, trust_remote_code=trust_remote_code, revision=revision or MAIN
        )
    except Exception as error:
        if asks_for_code(error):
            raise needs_code(source) from None
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
