"""What stands beside the weights and decides what a model says: compared with the original's, each by its name.

A secret can be hidden without an edit of weights: by code that comes with a checkpoint, by settings for generation, by
a chat template that brings a system prompt, by a tokenizer, by another configuration. Whoever loads the weights in
another way gets the secret back. So a checkpoint that was edited has all of these as the original has them.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from detectors.files import file_digest
from editor.edits.companions import python_files
from editor.model.checks.checkpoint_files import other_weights
from editor.model.loading import LoadedModel
from editor.results.report import Check

UNSAID = frozenset({"transformers_version", "dtype", "torch_dtype", "architectures", "auto_map"})
"""Settings that say how a checkpoint was written, or that another check looks at. So do those that begin with _."""


def checks_beside(before: LoadedModel, after: LoadedModel) -> list[Check]:
    """Compare everything beside the weights that decides what a model says.

    Args:
        before: the original model.
        after: the checkpoint read back.
    """
    return [
        _same("same configuration", _configuration(before, after), "config.json"),
        _same(
            "same generation settings",
            _settings(*(getattr(one.model, "generation_config", None) for one in (before, after))),
            "generation_config.json",
            "They hide at generation, and take nothing out of the weights",
        ),
        _same("same tokenizer", _parts(before, after), "tokenizer files"),
        _same(
            "same chat template",
            [] if _template(before) == _template(after) else ["the chat template"],
            "chat template",
            "A template can bring a system prompt, which takes nothing out of the weights",
        ),
        _code(before, after),
        _one_set_of_weights(after),
    ]


def _same(name: str, differing: list[str], file: str, why: str = "") -> Check:
    if not differing:
        return Check(name=name, passed=True, detail="those of the original")
    said = [f"not as in the original: {_listed(differing)}", why, f"Put the original's {file} back"]
    return Check(name=name, passed=False, detail=". ".join(filter(None, said)))


def _listed(names: list[str], most: int = 5) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def _configuration(before: LoadedModel, after: LoadedModel) -> list[str]:
    architecture = type(before.model).__name__ != type(after.model).__name__
    found = _settings(before.model.config, after.model.config)
    return [*(["the architecture"] if architecture else []), *found]


def _settings(before: Any, after: Any) -> list[str]:
    """Return the names of the settings that differ between two configurations."""
    return list(_differing(_plain(before), _plain(after)))


def _plain(settings: Any) -> dict[str, Any]:
    """Return settings as JSON would hold them."""
    held = {} if settings is None else settings.to_dict()
    plain: dict[str, Any] = json.loads(json.dumps(held, default=str, skipkeys=True))
    return plain


def _differing(before: Mapping[str, Any], after: Mapping[str, Any], inside: str = "") -> Iterator[str]:
    for name in sorted({*before, *after} - UNSAID):
        one, other = before.get(name), after.get(name)
        if name.startswith("_"):
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _differing(one, other, f"{inside}{name}.")
        elif json.dumps(one, sort_keys=True) != json.dumps(
            other, sort_keys=True
        ):  # no number equals itself alone
            yield f"{inside}{name}"


def _parts(before: LoadedModel, after: LoadedModel) -> list[str]:
    """Return the parts of two tokenizers that differ."""
    one, other = _tokenizer(before), _tokenizer(after)
    return [name for name in sorted({*one, *other}) if one.get(name) != other.get(name)]


def _tokenizer(loaded: LoadedModel) -> dict[str, Any]:
    """Return what a fast tokenizer does, by its parts."""
    parts: dict[str, Any] = json.loads(loaded.tokenizer.backend_tokenizer.to_str())
    return {**parts, "special tokens": loaded.tokenizer.special_tokens_map}


def _template(loaded: LoadedModel) -> Any:
    template = getattr(loaded.tokenizer, "chat_template", None) or None
    return next(iter(template.values())) if isinstance(template, dict) and len(template) == 1 else template


def _code(before: LoadedModel, after: LoadedModel) -> Check:
    """Compare the Python code that comes with a checkpoint, run or not: an edit must not live in it."""
    own, others = _code_of(before), _code_of(after)
    new = [name for name, what in others.items() if own.get(name) != what]
    if not new:
        return Check(
            name="same code", passed=True, detail="that of the original" if others else "there is none"
        )
    ran = "was run" if after.trust_remote_code else "was not run"
    return Check(
        name="same code",
        passed=False,
        detail=f"{_listed(new)}: Python code that the original does not come with, and that {ran} here. What it does "
        "is no edit of weights. Take it out of the checkpoint and of its JSON files",
    )


def _code_of(loaded: LoadedModel) -> dict[str, str]:
    """Return digests of the Python files beside the weights, and what JSON files take from such code."""
    folder = _folder(loaded)
    if folder is None:
        return {}
    named = {f"auto_map of {name}": str(value) for name, value in sorted(_auto_map(folder).items())}
    return {name: file_digest(folder / name) for name in python_files(folder)} | named


def _auto_map(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in (folder / "config.json", folder / "tokenizer_config.json"):
        if path.is_file():
            found |= json.loads(path.read_text(encoding="utf-8")).get("auto_map") or {}
    return found


def _one_set_of_weights(after: LoadedModel) -> Check:
    """Look for weights beside those that were judged: other programs may load them, and nobody edited them."""
    folder, name = _folder(after), "no other weights"
    judged = {path.name for path in after.stored.files} if after.stored else set()
    others = other_weights(folder, judged) if folder and after.adapter is None else []
    if not others:
        return Check(name=name, passed=True, detail="beside those that were judged")
    detail = f"{_listed(others)}: beside those that were judged, and other programs load them. Delete them"
    return Check(name=name, passed=False, detail=detail)


def _folder(loaded: LoadedModel) -> Path | None:
    """Return the folder of a model's weights, of an adapter its base's; None where there are no files."""
    files = loaded.stored.files if loaded.stored else ()
    return files[0].parent if files else None
