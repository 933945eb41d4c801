"""What every attack is, and how its outcome is counted."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from editor.case import Case
from editor.measuring.aggregate import leakage, score_probes
from editor.model.loading import LoadedModel
from editor.questions.probes import Probe
from editor.results.parts import Rate
from editor.results.report import AttackRow
from policies import DecodingSettings


@dataclass(frozen=True, kw_only=True)
class PreparedAttack:
    """An attack on the facts of one case.

    Attributes:
        attack: Name in `ATTACKS`.
        title: The attack in words.
        asked: Questions asked after it; none where it cannot be tested on this case.
        applied: Context manager that attacks a model in memory and restores it bit for bit.
    """

    attack: str
    title: str
    asked: tuple[Probe, ...] = field(repr=False)
    applied: Callable[[LoadedModel], AbstractContextManager[None]]

    def measure(
        self,
        loaded: LoadedModel,
        settings: DecodingSettings,
        progress: Callable[[int], None] | None = None,
    ) -> AttackRow:
        """Attack a model that is edited, ask, and take the attack back."""
        if not self.asked:
            nothing = Rate(hits=0, total=0)
            return AttackRow(
                attack=self.attack, name=self.title, greedy_facts=nothing, worst_case_bits_median=None
            )
        with self.applied(loaded):
            scored = score_probes(loaded, self.asked, settings, progress)
        found = leakage(scored, scored.where(lambda _: True), settings)
        return AttackRow(
            attack=self.attack,
            name=self.title,
            greedy_facts=found.greedy_facts,
            worst_case_bits_median=found.worst_case_bits_median,
        )


class Attack(Protocol):
    """Attack on an edited model: a frozen dataclass of settings; a setting named `seed` is the case's."""

    @property
    def title(self) -> str:
        """The attack in words."""
        ...

    def prepare(self, name: str, case: Case, erased: Sequence[Probe]) -> PreparedAttack:
        """Choose what is asked after the attack.

        Args:
            name: name in `ATTACKS`.
            case: case with documents, request and seed.
            erased: questions about the facts in scope, all of them.
        """
        ...
