"""The reading of YAML into validated models, with errors that name the file, the key and the remedy.

The values themselves are never shown: an erasure request holds names.
"""

from collections.abc import Hashable
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from policies.entities import nearest
from policies.errors import PolicyError
from policies.yaml_limits import find_excess

_MAXIMUM_BYTES = 4_000_000


class StrictModel(BaseModel):
    """A frozen model that refuses unknown keys; its error messages never repeat the input."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


ModelT = TypeVar("ModelT", bound=StrictModel)


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice, which YAML would silently resolve to the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.MarkedYAMLError(problem="the same key twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, kind: str) -> dict[str, Any]:
    """Read a YAML file whose top level is a mapping.

    Args:
        path: the file.
        kind: kind of the file, for messages: "policy" or "erasure request".

    Raises:
        PolicyError: the file is missing, unreadable, larger than 4 MB, not UTF-8, not YAML, empty, or not a
            mapping.
    """
    try:
        with path.open("rb") as stream:  # what has no size, such as a device, ends here too
            content = stream.read(_MAXIMUM_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise PolicyError(
            f"The {kind} {path} cannot be read ({reason})", "Give the path of a YAML file"
        ) from None
    if len(content) > _MAXIMUM_BYTES:
        raise PolicyError(f"The {kind} {path} is larger than 4 MB", f"Give the YAML file of the {kind}")
    return parse_yaml(text, str(path), kind)


def parse_yaml(text: str, source: str, kind: str) -> dict[str, Any]:
    """Parse YAML text whose top level is a mapping.

    Args:
        text: the YAML text.
        source: name of the text, for messages.
        kind: kind of the text, for messages: "policy" or "erasure request".

    Raises:
        PolicyError: the text is not YAML, empty, or not a mapping; `source` is named.
    """
    try:
        problem = find_excess(text)
        if problem is None:
            data = yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    except Exception as error:  # besides YAML's own errors, those of what a tag such as !!int makes of a text
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise PolicyError(
            f"The {kind} {source} is not valid YAML{where}: {problem}", "Correct that line"
        ) from None
    if problem is not None:
        raise PolicyError(f"The {kind} {source} {problem}", "Write one that people can read")
    if data is None:
        raise PolicyError(f"The {kind} {source} is empty", "Write one into it, as the tutorial shows")
    if not isinstance(data, dict):
        raise PolicyError(
            f"The {kind} {source} holds a {_yaml_name(data)} where a mapping of keys to values is expected",
            "Start its lines with `key: value`",
        )
    return data


def build(model: type[ModelT], data: dict[str, Any], source: str, kind: str) -> ModelT:
    """Validate data and return them as a model.

    Args:
        model: class of the model.
        data: keys and values, as YAML gave them.
        source: name of the data, for messages.
        kind: kind of the data, for messages: "policy" or "erasure request".

    Raises:
        PolicyError: the data are not valid; the first problem's key and remedy are named.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        known = _known_keys(model)
        # A key that is missing is often there, misspelt.
        problems.sort(key=lambda problem: not _is_misspelt(problem, known))
        cause, remedy = _explain(problems[0], known)
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise PolicyError(f"The {kind} {source}: {cause}{more}", remedy) from None


def _is_misspelt(problem: ErrorDetails, known_keys: list[str]) -> bool:
    return problem["type"] == "extra_forbidden" and nearest(str(problem["loc"][-1]), known_keys) is not None


def _explain(problem: ErrorDetails, known_keys: list[str]) -> tuple[str, str]:
    location = problem["loc"]
    context = problem.get("ctx", {})
    if problem["type"] == "extra_forbidden":
        return _unknown_key(location, known_keys)
    if problem["type"] == "missing":
        return f"the key `{_path(location)}` is missing", "Add it"
    message = problem["msg"].removeprefix("Value error, ").rstrip(".")
    where = f"`{_path(location)}`: " if location else ""
    # YAML reads 2026 as a number and no as a truth value. What was read is not shown: it may be a person's.
    unquoted = problem["type"] == "string_type" and isinstance(problem["input"], int | float | date)
    remedy = "Put it into quotes" if unquoted else "Correct that value"
    return where + message[:1].lower() + message[1:], context.get("remedy", remedy)


def _unknown_key(location: tuple[int | str, ...], known_keys: list[str]) -> tuple[str, str]:
    key = str(location[-1])
    guess = nearest(key, known_keys)
    if "subjects" in known_keys and guess is None:
        # The key may well be a person's name.
        where = f"`{_path(location[:-1])}` has" if location[:-1] else "there is"
        return f"{where} an unknown key", f"Use the keys {', '.join(f'`{one}`' for one in known_keys)}"
    known = ", ".join(known_keys)
    remedy = (
        f"Did you mean `{guess}`? Otherwise remove it" if guess else f"Remove it; the known keys are {known}"
    )
    return f"unknown key `{_path(location)}`", remedy


def _path(location: tuple[int | str, ...]) -> str:
    """Return a location as text: `entities.US_SSN.templates[0]`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def _known_keys(model: type[BaseModel]) -> list[str]:
    """Return the keys of a model and of every model inside it, in order of definition."""
    keys: dict[str, None] = {}
    waiting: list[Any] = [model]
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, type) and issubclass(item, BaseModel):
            keys |= dict.fromkeys(item.model_fields)
            waiting += [field.annotation for field in item.model_fields.values()]
        else:
            waiting += getattr(item, "__args__", ())
    return list(keys)


def _yaml_name(data: Any) -> str:
    if isinstance(data, list):
        return "list"
    return "text" if isinstance(data, str) else "single value"
