"""The log of a training run: one JSON line for each site at intervals, and TensorBoard on request."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from dictionaries.model.sites import Site
from policies.errors import DictionaryError


class TrainingMetrics(NamedTuple):
    """Figures of one moment of training.

    Attributes:
        step: number of the step, from 1.
        terms: loss terms of that step's batch, unweighted.
        l0: mean number of features on per token.
        dead_share: share of features that were off in every batch looked at in the last 500 steps.
    """

    step: int
    terms: dict[str, float]
    l0: float
    dead_share: float


class LogEntry(NamedTuple):
    """A point of one site's training, and the settings and speed at that time.

    Attributes:
        site: the site trained on.
        point: the figures at that time.
        learning_rate: learning rate of that step.
        sparsity: weight of the sparsity term at that step.
        tokens_per_second: activations trained on per second since the start of this run, over all sites and
            processes.
    """

    site: Site
    point: TrainingMetrics
    learning_rate: float
    sparsity: float
    tokens_per_second: float

    def line(self) -> str:
        """Return the entry as one line of JSON."""
        values = {
            "step": self.point.step,
            "site": str(self.site),
            **{f"loss/{name}": term for name, term in self.point.terms.items()},
            "l0": self.point.l0,
            "dead_share": self.point.dead_share,
            "learning_rate": self.learning_rate,
            "sparsity": self.sparsity,
            "tokens_per_second": round(self.tokens_per_second, 1),
        }
        return json.dumps(values)


class TrainingLog:
    """A file of JSON lines; each is on disk as soon as it is written.

    Args:
        path: the file; it is made.
        tensorboard: folder for TensorBoard's events as well, or None.

    Raises:
        DictionaryError: TensorBoard is asked for and not installed.
    """

    def __init__(self, path: Path, *, tensorboard: Path | None = None) -> None:
        self._path, self._events = path, tensorboard
        self._writer: Any = None

    def __enter__(self) -> Self:
        if self._events is not None:
            self._writer = _tensorboard_writer(self._events)
        self._file = self._path.open("w", encoding="utf-8", newline="\n")
        return self

    def __call__(self, moment: LogEntry) -> None:
        """Write one moment."""
        line = moment.line()
        self._file.write(line + "\n")
        self._file.flush()
        if self._writer is not None:
            values = json.loads(line)
            step, site = values.pop("step"), values.pop("site")
            for name, value in values.items():
                self._writer.add_scalar(f"{site}/{name}", value, step)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        if self._writer is not None:
            self._writer.close()


def check_tensorboard() -> None:
    """Check that TensorBoard can be imported.

    Raises:
        DictionaryError: it is not installed.
    """
    from importlib.util import find_spec

    if find_spec("tensorboard") is None:
        raise DictionaryError(
            "TensorBoard is not installed", "Run `pip install tensorboard`, or leave out --tensorboard"
        )


def _tensorboard_writer(folder: Path) -> Any:
    check_tensorboard()
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder))
