"""One run in several processes, started by `accelerate launch`: each holds the model and does a share of the questions.

Every process runs the same command from the first line to the last. Where there is much to compute, the batches that
one process would make are dealt out whole, and what comes of them is put together again in their order, in every
process: so sums are added in the order of one process, and a report is the same. What reads or writes files is done by
the first process, for all. At each of these places the processes meet, and say what they came for: one that fails says
so there, and all end with its exit code. Alone, nothing here does anything.
"""

import io
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from itertools import islice
from typing import Any, Concatenate, ParamSpec, TypeVar

import torch

from dictionaries.training.processes import join_processes, launched_count
from policies.errors import ExitCode, ExpungeError
from policies.faults import Failure, explain

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")
AT_A_TIME = 8
"""Pieces of work for each process before what came of them is exchanged: fewer wait for each other more often."""
PATIENCE = timedelta(days=1)
"""Time that a process waits for the others: the first may read a large corpus. One that ended is noticed at once."""


class ElsewhereError(ExpungeError):
    """Another process of the run failed, for a reason that it told."""

    def __init__(self, cause: str, remedy: str, code: ExitCode = ExitCode.INTERNAL) -> None:
        super().__init__(cause, remedy)
        self.exit_code = code


class LostError(ExpungeError):
    """Another process of the run ended without a word."""

    exit_code = ExitCode.INTERNAL


@dataclass(frozen=True)
class _Raised:
    """What a piece of work raised."""

    error: Exception


class Group:
    """The processes of a run, as one of them sees them.

    Args:
        index: number of this process, from 0. The first one reads and writes files, and speaks.
        count: number of processes among which work is dealt out.
        device: device of this process's model; None where it is free to choose.
    """

    def __init__(self, index: int = 0, count: int = 1, device: torch.device | None = None) -> None:
        self.index, self.count, self.device = index, count, device
        self._met = 0
        self._over = False
        self._loads: dict[str, list[int]] = {}

    @property
    def main(self) -> bool:
        """Whether this process reads and writes files, and speaks."""
        return self.index == 0

    def each(
        self,
        what: str,
        items: Iterable[T],
        work: Callable[[T], R],
        *,
        cost: Callable[[T], int] = lambda _: 1,
        at_a_time: int = AT_A_TIME,
    ) -> Iterator[R]:
        """Yield what comes of each item, in their order and in every process; each is worked on by one of them.

        What an item raises is raised in every process.

        Args:
            what: name of the work, which the processes compare.
            items: the same items in every process.
            work: what is done with one. Inside it, this process is alone.
            cost: what an item takes, as a number: the process that had least so far is given it.
            at_a_time: items for each process before results are exchanged; as many results are held in memory.
        """
        if self.count == 1:
            yield from map(work, items)
            return
        left = iter(items)
        while some := list(islice(left, at_a_time * self.count)):
            owners = self._deal(what, [cost(item) for item in some])
            mine = {}
            for place, (item, owner) in enumerate(zip(some, owners, strict=True)):
                if owner == self.index:
                    mine[place] = self._outcome(work, item)
                    if isinstance(mine[place], _Raised):
                        break
            found: dict[int, Any] = {}
            for part in self._meet(what, _packed(mine)):
                found |= _unpacked(part, self.device)
            for raised in (found[place] for place in sorted(found) if isinstance(found[place], _Raised)):
                raise raised.error
            yield from (found[place] for place in range(len(some)))

    def share(self, what: str, make: Callable[[], T]) -> T:
        """Return in every process what the first one makes, alone; what it raises is raised in every process."""
        if self.count == 1:
            return make()
        from accelerate.utils import broadcast_object_list

        made: Any = self._outcome(lambda _: make(), None) if self.main else None
        self._meet(what, None)
        told = broadcast_object_list([_packed(made) if self.main else None], from_process=0)
        made = made if self.main else _unpacked(told[0], self.device)
        if isinstance(made, _Raised):
            raise made.error
        found: T = made
        return found

    def agree(self, what: str, value: Any) -> None:
        """Refuse to go on where the processes do not hold the same value.

        Raises:
            ExpungeError: they do not.
        """
        if self.count > 1 and len(set(self._meet(what, value))) > 1:
            raise ExpungeError(
                f"The processes do not hold the same {what}",
                "Have every machine read the same files, and of a model on the hub the same revision",
            )

    def end(self) -> None:
        """Wait for the others to come to the end too; one may still fail."""
        if self.count > 1:
            self._meet("the end", None)
            self._over = True

    def fail(self, error: BaseException) -> None:
        """Tell the others that this process has failed; nothing where they know."""
        if self.count > 1 and not self._over:
            self._over = True
            with suppress(Exception):
                _gather((explain(error), 0, None))

    def leave(self) -> None:
        """Wait until every process has said what it had to say: a launcher ends all when the first has ended badly."""
        if self.count > 1:
            with suppress(Exception):
                _gather(("leaving", 0, None))
                torch.distributed.destroy_process_group()

    def _deal(self, what: str, costs: Sequence[int]) -> list[int]:
        """Return who works on each item: the dearest is dealt out first, to whom had least of such work so far."""
        loads = self._loads.setdefault(what, [0] * self.count)
        owners = [0] * len(costs)
        for place in sorted(range(len(costs)), key=lambda place: -costs[place]):
            owners[place] = min(range(self.count), key=loads.__getitem__)
            loads[owners[place]] += costs[place]
        return owners

    def _outcome(self, work: Callable[[T], R], item: T) -> "R | _Raised":
        token = _GROUP.set(Group(self.index, 1, self.device))
        try:
            return work(item)
        except Exception as error:
            return _Raised(_sendable(error))
        finally:
            _GROUP.reset(token)

    def _meet(self, what: str, value: Any) -> list[Any]:
        """Return every process's value, theirs in turn, once all have come to the same place."""
        self._met += 1
        try:
            told = _gather((what, self._met, value))
        except RuntimeError as error:
            self._over = True
            raise LostError(
                "Another process of the run has ended without a word",
                "See what the launcher says of it, whether memory ran out for instance, and give the command again",
            ) from error
        for failure in (place for place, _, _ in told if isinstance(place, Failure)):
            self._over = True
            raise ElsewhereError(failure.cause, failure.remedy, failure.code)
        if len({(place, number) for place, number, _ in told}) > 1:
            self._over = True
            raise RuntimeError(f"processes are at different places: {sorted(place for place, _, _ in told)}")
        return [given for _, _, given in told]


_GROUP: ContextVar[Group] = ContextVar("group", default=Group())  # noqa: B039  # one alone holds no state
_JOINED: list[Group] = []


def group() -> Group:
    """Return the processes of the run; one alone where no others were started."""
    return _GROUP.get()


@contextmanager
def joined(*, cpu: bool) -> Iterator[Group]:
    """Join the processes that were launched together inside the `with` block; what one raises ends all.

    Args:
        cpu: whether models are to be on the CPU; otherwise each process has a GPU, where there is one.
    """
    if launched_count() == 1 or group().count > 1:
        yield group()
        return
    found = join_processes(cpu=cpu or not torch.cuda.is_available(), patience=PATIENCE)
    mine = Group(found.index, found.count, found.device)
    _JOINED[:] = [mine]
    token = _GROUP.set(mine)
    try:
        yield mine
        mine.end()
    except BaseException as error:
        mine.fail(error)
        raise
    finally:
        _GROUP.reset(token)


def in_processes(
    run: Callable[Concatenate[T, P], R],
) -> Callable[Concatenate[T, P], R]:
    """Let a job, whose request names a `device`, run in all processes that were launched together."""

    @wraps(run)
    def run_joined(request: T, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with joined(cpu=str(getattr(request, "device", "cpu")).startswith("cpu")):
            return run(request, *args, **kwargs)

    return run_joined


def leave() -> None:
    """Leave the processes that were joined, once everything has been said."""
    while _JOINED:
        _JOINED.pop().leave()


def _gather(value: Any) -> list[Any]:
    from accelerate.utils import gather_object

    found: list[Any] = gather_object([value])
    return found


def _packed(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def _unpacked(packed: bytes, device: torch.device | None) -> Any:
    """Return a value that a process of this run has packed; what it had on its GPU is on this process's."""

    def here(storage: Any, place: str) -> Any:
        return storage if place == "cpu" or device is None else storage.to(device=device)

    return torch.load(io.BytesIO(packed), map_location=here, weights_only=False)


def _sendable(error: Exception) -> Exception:
    """Return an error as other processes can read it: itself, or what is to be said of it."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # made here
    except Exception:  # errors are made as their libraries like
        failure = explain(error)
        return ElsewhereError(failure.cause, failure.remedy, failure.code)
    return error
