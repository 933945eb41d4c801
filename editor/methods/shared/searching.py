"""What a search of a method's settings may vary, and how it gets a method with other settings."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

from editor.edits.edit import Edit
from editor.locators.problem import EditProblem

M = TypeVar("M")


@dataclass(frozen=True, kw_only=True)
class Range:
    """The values of one setting.

    Attributes:
        low: the least.
        high: the most.
        log: whether they are spread evenly over the logarithm.
        whole: whether they are whole numbers.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def suggested(self, trial: Any, name: str) -> float:
        """The value that an Optuna trial tries."""
        if self.whole:
            return int(trial.suggest_int(name, int(self.low), int(self.high), log=self.log))
        return float(trial.suggest_float(name, self.low, self.high, log=self.log))


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """The settings that a search varies.

    Attributes:
        ranges: by the setting's name, the method's own or of what it holds.
        strength: the setting that makes an edit stronger where it grows.
        stronger: what is added to it (what it is multiplied by, on a logarithmic range) where an edit is too weak.
        gentler: the same where it is too strong.
    """

    ranges: Mapping[str, Range]
    strength: str
    stronger: float
    gentler: float

    def moved(self, method: M, *, stronger: bool) -> M:
        """A method one step stronger or gentler, within the range."""
        allowed, by = self.ranges[self.strength], self.stronger if stronger else self.gentler
        value = setting(method, self.strength)
        value = min(allowed.high, max(allowed.low, value * by if allowed.log else value + by))
        return with_settings(method, {self.strength: round(value) if allowed.whole else value})

    def values(self, method: object) -> dict[str, float]:
        """What a method has for each of the settings."""
        return {
            name: int(setting(method, name)) if allowed.whole else setting(method, name)
            for name, allowed in self.ranges.items()
        }


@runtime_checkable
class WarmStart(Protocol):
    """A method that can go on from an edit of its own."""

    def fit_from(self, problem: EditProblem, start: Edit) -> Edit:
        """Return the edit, begun at one fitted by the same settings to part of the problem."""
        ...


class Fits(Protocol):
    """What fits an edit."""

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit."""
        ...


def fit_method(method: Fits, problem: EditProblem, start: Edit | None) -> Edit:
    """A method's edit, begun at `start` where there is one and the method can."""
    if start is not None and isinstance(method, WarmStart):
        return method.fit_from(problem, start)
    return method.fit(problem)


def setting(method: object, name: str) -> float:
    """A setting of a method or of what it holds.

    Raises:
        AttributeError: neither has it.
    """
    if hasattr(method, name):
        return float(getattr(method, name))
    return float(getattr(getattr(method, _holder(method, {name})), name))


def with_settings(method: M, settings: Mapping[str, Any]) -> M:
    """The same method with other settings, its own or of what it holds (its tuning, the method it is like).

    Raises:
        AttributeError: it has no such setting.
    """
    own = {item.name for item in fields(method)}  # type: ignore[arg-type]  # methods are dataclasses
    changes = {name: value for name, value in settings.items() if name in own}
    inner = {name: value for name, value in settings.items() if name not in own}
    if inner:
        holder = _holder(method, set(inner))
        changes[holder] = replace(getattr(method, holder), **inner)
    return replace(method, **changes)  # type: ignore[type-var]


def _holder(method: object, names: set[str]) -> str:
    """The field that holds a dataclass with all of some settings."""
    for item in fields(method):  # type: ignore[arg-type]
        held = getattr(method, item.name)
        if is_dataclass(held) and names <= {inner.name for inner in fields(held)}:
            return item.name
    raise AttributeError(f"{type(method).__name__} has no setting {', '.join(sorted(names))}")
