"""Helpers that every loader shares: what the user said, JSON beside the weights, and the site read."""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dictionaries.model.sites import Site
from policies.errors import DictionaryError

HOOKS: tuple[tuple[str, str], ...] = (
    (r"blocks\.(\d+)\.hook_resid_post", "resid_post"),
    (r"blocks\.(\d+)\.hook_mlp_out", "mlp_out"),
    (r"blocks\.(\d+)\.hook_attn_out", "attn_out"),
    (r"blocks\.(\d+)\.attn\.hook_z", "attn_heads"),
    (r"blocks\.(\d+)\.mlp\.hook_post", "mlp_hidden"),
    # Names of transformers' modules, as Gemma Scope 2 and sparsify state them.
    (r"(?:\w+\.)*?(?:layers|h)\.(\d+)(?:\.output)?", "resid_post"),
    (r"(?:\w+\.)*?layers\.(\d+)\.post_feedforward_layernorm\.output", "mlp_out"),
    (r"(?:\w+\.)*?layers\.(\d+)\.self_attn\.o_proj\.input", "attn_heads"),
    (r"(?:\w+\.)*?layers\.(\d+)\.mlp\.down_proj\.input", "mlp_hidden"),
    # Names of dictionary_learning's training scripts.
    (r"resid_(?:post|out)_layer_?(\d+)", "resid_post"),
    (r"mlp_out_layer_?(\d+)", "mlp_out"),
    (r"attn_out_layer_?(\d+)", "attn_out"),
)
"""Hooks whose stream is known for every architecture. TransformerLens puts `hook_mlp_out` after Gemma-2's norm."""
MOST = 2**31
"""Largest number of dimensions or features that metadata may state."""
RESID_PRE = r"blocks\.(\d+)\.hook_resid_pre"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Statements of the user on a dictionary whose files may be silent.

    Attributes:
        site: the site that the dictionary reads, or None.
        input_scale: s, the factor by which activations were multiplied before it saw them, or None.
    """

    site: Site | None = None
    input_scale: float | None = None


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        DictionaryError: the file is missing or holds no JSON object.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise DictionaryError(
            f"{file} cannot be read ({error.strerror})",
            "Copy or download the dictionary again, with its JSON",
        ) from None
    except (ValueError, RecursionError):
        raise DictionaryError(f"{file} is not JSON", "Copy or download the dictionary again") from None
    if not isinstance(content, dict):
        raise DictionaryError(f"{file} does not describe a dictionary", "It must hold a JSON object")
    return content


def number(config: dict[str, Any], name: str, file: Path) -> int | None:
    """Return a whole number that metadata state, or None where they do not.

    Raises:
        DictionaryError: what stands there is no whole number above 0.
    """
    value = config.get(name)
    if value is None:
        return None
    whole = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not whole or value != int(value) or not 1 <= value <= MOST:
        raise DictionaryError(f"{file} states {name} {value!r}", f"{name} must be a whole number above 0")
    return int(value)


def site_of_hook(hook: str) -> Site | None:
    """Return the site that a hook's name stands for, or None where it stands for none that can be read.

    What enters a layer is what leaves the one before: `blocks.8.hook_resid_pre` is `resid_post.7`.
    """
    for pattern, stream in HOOKS:
        if match := re.fullmatch(pattern, hook):
            return Site(int(match[1]), stream)  # type: ignore[arg-type]
    if (match := re.fullmatch(RESID_PRE, hook)) and int(match[1]):
        return Site(int(match[1]) - 1, "resid_post")
    return None


def decide_site(stated: Site | None, asked: Asked, source: Path, hook: str | None = None) -> Site:
    """Return the site that the files state or the user named.

    Raises:
        DictionaryError: neither says, or both do and differ.
    """
    if stated is not None and asked.site is not None and stated != asked.site:
        raise DictionaryError(f"{source} reads {stated}, not {asked.site}", "Leave out --site")
    site = stated or asked.site
    if site is None:
        reads = f"reads {hook}, which is not known by that name" if hook else "does not say what it reads"
        raise DictionaryError(
            f"{source} {reads}",
            "Say so to `expunge dictionary convert`, such as --site mlp_out.3, which writes it down",
        )
    return site
