"""Settings of a method that a search may vary, and the same method with other settings."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

from editor.edits.edit import Edit
from editor.locators.problem import EditProblem

M = TypeVar("M")


@dataclass(frozen=True, kw_only=True)
class Range:
    """Values that one setting may take.

    Attributes:
        low: least value.
        high: largest value.
        log: whether values are spread evenly over their logarithm.
        whole: whether values are whole numbers.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def suggested(self, trial: Any, name: str) -> float:
        """Return the value that an Optuna trial tries.

        Args:
            trial: an `optuna.Trial`.
            name: the setting's name in the trial.
        """
        if self.whole:
            return int(trial.suggest_int(name, int(self.low), int(self.high), log=self.log))
        return float(trial.suggest_float(name, self.low, self.high, log=self.log))


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """Settings that a search varies, and the one that is a method's strength.

    Attributes:
        ranges: values by the setting's name, the method's own or of what it holds.
        strength: name of the setting that makes an edit stronger where it grows.
        stronger: summand of the strength (factor, on a logarithmic range) where an edit is too weak.
        gentler: the same where an edit is too strong.
        holding: name of the setting that weighs what must stay, where a method has one.
        firmer: summand of it (factor, on a logarithmic range) where an edit costs too much.
        looser: the same where an edit is too weak, and costs little.
    """

    ranges: Mapping[str, Range]
    strength: str
    stronger: float
    gentler: float
    holding: str | None = None
    firmer: float = 1.0
    looser: float = 1.0

    def moved(self, method: M, *, stronger: bool) -> M:
        """Return a method one step stronger or gentler, within the range."""
        return self._step(method, self.strength, self.stronger if stronger else self.gentler)

    def held(self, method: M) -> M:
        """Return a method that holds what must stay one step more firmly, within the range; itself if none can."""
        return method if self.holding is None else self._step(method, self.holding, self.firmer)

    def loosened(self, method: M) -> M:
        """Return a method that holds what must stay one step less firmly, within the range; itself if none can."""
        return method if self.holding is None else self._step(method, self.holding, self.looser)

    def _step(self, method: M, name: str, by: float) -> M:
        allowed, value = self.ranges[name], setting(method, name)
        # On a logarithmic range a step is a factor, else a summand.
        value = min(allowed.high, max(allowed.low, value * by if allowed.log else value + by))
        return with_settings(method, {name: round(value) if allowed.whole else value})

    def values(self, method: object) -> dict[str, float]:
        """Return a method's value of each setting, by name."""
        return {
            name: int(setting(method, name)) if allowed.whole else setting(method, name)
            for name, allowed in self.ranges.items()
        }


@runtime_checkable
class WarmStart(Protocol):
    """A method that can resume from an edit of its own."""

    def fit_from(self, problem: EditProblem, start: Edit) -> Edit:
        """Return the edit, begun at one fitted by the same settings to part of the problem."""
        ...


class Fits(Protocol):
    """Anything that fits an edit to a problem."""

    def fit(self, problem: EditProblem) -> Edit:
        """Return the edit."""
        ...


def fit_method(method: Fits, problem: EditProblem, start: Edit | None) -> Edit:
    """Return a method's edit, begun at `start` where there is one and the method can resume."""
    if start is not None and isinstance(method, WarmStart):
        return method.fit_from(problem, start)
    return method.fit(problem)


def steps_of(method: Fits, start: Edit | None) -> int | None:
    """Return how many steps `fit_method` will tell (`editor.progress.tell_step`); None of a method that tells none."""
    resumes = start is not None and isinstance(method, WarmStart)
    steps: int | None = getattr(
        getattr(method, "tuning", method), "warm_start_steps" if resumes else "steps", None
    )
    return steps


def setting(method: object, name: str) -> float:
    """Return a setting of a method or of what it holds.

    Raises:
        AttributeError: neither has it.
    """
    if hasattr(method, name):
        return float(getattr(method, name))
    return float(getattr(getattr(method, _holder(method, {name})), name))


def with_settings(method: M, settings: Mapping[str, Any]) -> M:
    """Return the same method with other settings, its own or of what it holds (its tuning, the method it is like).

    Raises:
        AttributeError: it has no such setting.
    """
    own = {item.name for item in fields(method)}  # type: ignore[arg-type]  # methods are dataclasses
    changes = {name: value for name, value in settings.items() if name in own}
    inner = {name: value for name, value in settings.items() if name not in own}
    if inner:
        # One held dataclass must have all of them.
        holder = _holder(method, set(inner))
        changes[holder] = replace(getattr(method, holder), **inner)
    return replace(method, **changes)  # type: ignore[type-var]


def _holder(method: object, names: set[str]) -> str:
    """Return the name of the field that holds a dataclass with all of some settings."""
    for item in fields(method):  # type: ignore[arg-type]
        held = getattr(method, item.name)
        if is_dataclass(held) and names <= {inner.name for inner in fields(held)}:
            return item.name
    raise AttributeError(f"{type(method).__name__} has no setting {', '.join(sorted(names))}")
