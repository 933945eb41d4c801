"""What every attack is, and how its outcome is counted."""

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from editor.attacks.counting import Counting, count_answers
from editor.attacks.ground import Ground
from editor.measuring.aggregate import score_probes
from editor.model.loading import LoadedModel
from editor.questions.probes import Probe
from editor.results.attacks import AttackLevel, AttackRow
from editor.results.parts import Rate
from policies import Policy

NOBODY_ASKED = "there is no erased fact to ask for after it"
NOTHING_LEFT = "it had no text to train on, or left a model whose outputs are no numbers"


class UntestedError(Exception):
    """An attack has nothing to count; the text says why, in words for a report."""


@dataclass(frozen=True, kw_only=True)
class Attacked:
    """Model under attack.

    Attributes:
        loaded: edited model.
        original: function from a parameter's name to its value before the edit; None where that is not at hand.
        reference: model of the same architecture and tokenizer that never saw the erased people; None without one.
    """

    loaded: LoadedModel
    original: Callable[[str], Tensor] | None = field(default=None, repr=False)
    reference: LoadedModel | None = field(default=None, repr=False)

    @property
    def model(self) -> Any:
        """The edited model's module."""
        return self.loaded.model


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level of an attack: the state of the model, and how it is asked.

    Attributes:
        name: level in words.
        series: curve that it is a point of, where the attack has several.
        amount: level as a number, where it is one.
        asks: function from a question to the one that is put instead; None for one that is not put. Decoys are asked
            for alike.
        counts: what is counted instead of what greedy decoding says; None for that.
        judged: whether the attack's own figure may be this level's: that of the level that leaks most is taken.
    """

    name: str
    series: str = ""
    amount: float | None = None
    asks: Callable[[Probe], Probe | None] = field(default=lambda probe: probe, repr=False)
    counts: Counting | None = field(default=None, repr=False)
    judged: bool = True


Levels = Generator[Level, None, None]
"""An attack under way: suspended at a level it is attacked, ended or closed it is restored."""


@dataclass(frozen=True, kw_only=True)
class PreparedAttack:
    """An attack on the facts of one case.

    Attributes:
        attack: name in `ATTACKS`.
        title: attack in words.
        explained: what its figure counts, in words.
        asked: questions about erased facts that are asked after it; none where it cannot be tested on this case.
        decoys: the same questions with never-seen secrets for answers: the control.
        levels: function that attacks a model and yields at each level; while it is suspended the model is attacked,
            and when it ends or is closed every weight is what it was, bit for bit.
        count: number of levels, for the display of progress.
        reason: why nothing is asked.
        uses_reference: whether a never-seen reference is its control, where there is one.
    """

    attack: str
    title: str
    explained: str = ""
    asked: tuple[Probe, ...] = field(repr=False)
    decoys: tuple[Probe, ...] = field(default=(), repr=False)
    levels: Callable[[Attacked], Levels] = field(repr=False)
    count: int = 1
    reason: str = NOBODY_ASKED
    uses_reference: bool = False

    def measure(
        self, attacked: Attacked, policy: Policy, progress: Callable[[int], None] | None = None
    ) -> AttackRow:
        """Attack a model that is edited, ask at each level, and take the attack back."""
        curve: list[AttackLevel] = []
        judged: list[AttackLevel] = []
        reason = NOTHING_LEFT if self.asked else self.reason
        if self.asked:
            try:
                with closing(self.levels(attacked)) as levels:
                    for level in levels:
                        found = list(self._ask(level, attacked.loaded, policy))
                        curve += found
                        judged += found if level.judged else []
                        if progress:
                            progress(1)
            except UntestedError as error:
                reason = str(error)
        if not curve:
            nothing = Rate(hits=0, total=0)
            return AttackRow(
                attack=self.attack,
                name=self.title,
                explained=self.explained,
                greedy_facts=nothing,
                worst_case_bits_median=None,
                untested=reason,
            )
        worst = max(judged or curve, key=_severity)
        return AttackRow(
            attack=self.attack,
            name=self.title,
            explained=self.explained,
            greedy_facts=worst.greedy_facts,
            worst_case_bits_median=worst.worst_case_bits_median,
            exposed=worst.exposed,
            decoys=worst.decoys,
            depth=worst.depth,
            worst=", ".join(filter(None, (worst.series, worst.level))),
            curve=tuple(curve),
        )

    def _ask(self, level: Level, loaded: LoadedModel, policy: Policy) -> Iterator[AttackLevel]:
        """Yield what a level gives; nothing where no question is put at it."""
        asked, decoys = (
            [*dict.fromkeys(filter(None, map(level.asks, probes)))] for probes in (self.asked, self.decoys)
        )
        if not asked:
            return
        if level.counts is None:
            counted = count_answers(score_probes(loaded, [*asked, *decoys], policy.decoding), policy)
        else:
            counted = level.counts(asked, decoys, policy)
        yield AttackLevel(level=level.name, series=level.series, amount=level.amount, **vars(counted))


def _severity(level: AttackLevel) -> tuple[float, float, float, float]:
    """Return what levels are ordered by: extracted facts beyond decoys, then exposed ones, then how few bits are left.

    A model that is broken says decoys as readily as facts: of levels with nothing beyond decoys, those where facts are
    said at all come last.
    """
    bits = level.worst_case_bits_median
    said = level.greedy_facts.rate
    decoys, exposed = (rate.rate if rate else 0.0 for rate in (level.decoys, level.exposed))
    return said - decoys, -said, exposed, -math.inf if bits is None else -bits


class Attack(Protocol):
    """Attack on an edited model: a frozen dataclass of settings; a setting named `seed` is the case's."""

    @property
    def title(self) -> str:
        """The attack in words."""
        ...

    def prepare(self, name: str, ground: Ground) -> PreparedAttack:
        """Choose what is asked after the attack.

        Args:
            name: name in `ATTACKS`.
            ground: the case, and the questions about the facts in scope.
        """
        ...
