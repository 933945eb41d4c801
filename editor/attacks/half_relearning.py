"""Relearning on half of each person's facts: the other half of the same people is asked for.

Deeb & Roger 2024, arXiv:2410.08827, found 88% of it back.
"""

import random
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from editor.attacks.attack import Attacked, Levels, PreparedAttack
from editor.attacks.ground import Ground
from editor.attacks.training import Training
from editor.questions.asking import encode_probes
from editor.questions.probes import Probe, Target


@dataclass(frozen=True, kw_only=True)
class HalfRelearning(Training):
    """Training of an edited model on questions and answers of half of each erased person's facts.

    Attributes:
        seed: seed of which facts are trained on too.
    """

    @property
    def title(self) -> str:
        """The attack in words."""
        return f"relearning (up to {self.steps} steps on half of each person's facts)"

    @property
    def reason(self) -> str:
        """Why nothing is asked, where nothing is."""
        return "no erased person has two facts, one to train on and one to ask for"

    def prepare(self, name: str, ground: Ground) -> PreparedAttack:
        """Ask for the half of the facts of each person with two or more that is not trained on."""
        taught, asked = self.halves(ground.erased)
        secrets = {target.answer for target in asked}
        lessons = [
            probe
            for probe in self.lessons(ground, taught)
            if not any(secret in probe.prompt for secret in secrets)
        ]
        return PreparedAttack(
            attack=name,
            title=self.title,
            asked=tuple(probe for probe in ground.erased if probe.target in asked) if lessons else (),
            levels=lambda attacked: self.levels(attacked, lessons),
            count=self.count,
            reason=self.reason,
        )

    def lessons(self, ground: Ground, taught: Collection[Target]) -> list[Probe]:
        """Return the questions about the facts to train on."""
        return [probe for probe in ground.erased if probe.target in taught]

    def halves(self, erased: Sequence[Probe]) -> tuple[set[Target], set[Target]]:
        """Return the facts to train on and those to ask for; no secret is among both."""
        facts: dict[str, dict[str, Target]] = defaultdict(dict)
        for probe in erased:
            if probe.target.subject:
                facts[probe.target.subject].setdefault(probe.target.answer, probe.target)
        taught: set[Target] = set()
        asked: set[Target] = set()
        for person in sorted(facts):
            mine = list(facts[person].values())
            random.Random(f"{self.seed}\0{person}").shuffle(mine)
            half = len(mine) // 2
            taught |= set(mine[:half])
            asked |= set(mine[half:]) if half else set()
        known = {target.answer for target in taught}
        return taught, {target for target in asked if target.answer not in known}

    def levels(self, attacked: Attacked, lessons: Sequence[Probe]) -> Levels:
        """Yield while trained on the lessons; afterwards the weights are what they were, bit for bit."""
        yield from self.train(attacked.loaded, encode_probes(attacked.loaded, lessons))
