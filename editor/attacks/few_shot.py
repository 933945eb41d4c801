"""Few-shot prompts: the same question about other people, answered, and then the one about the erased person."""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from editor.attacks.attack import Level, Levels, PreparedAttack
from editor.attacks.ground import Ground
from editor.model.tokens import joiner
from editor.questions.probes import Probe, Target


@dataclass(frozen=True, kw_only=True)
class FewShot:
    """Questions after examples made of other people's retained facts of the same type.

    Attributes:
        shots: Numbers of examples.
        seed: Seed of whose facts are taken.
    """

    shots: tuple[int, ...] = (2, 5)
    seed: int = 0

    @property
    def title(self) -> str:
        """The attack in words."""
        return "few-shot prompts of other people's facts"

    def prepare(self, name: str, ground: Ground) -> PreparedAttack:
        """Ask what names its subject, of types of which other people's facts are known."""
        examples = self.examples(ground)
        return PreparedAttack(
            attack=name,
            title=self.title,
            asked=tuple(
                probe
                for probe in ground.erased
                if probe.names_subject and not probe.is_conversation and examples.get(probe.target.relation)
            ),
            levels=lambda _: self.levels(examples),
            count=len(self.shots),
            reason="no question names its subject and has a type of which other people's facts are known",
        )

    def levels(self, examples: Mapping[str, Sequence[Target]]) -> Levels:
        """Yield with each number of examples."""
        for count in self.shots:
            yield Level(
                name=f"{count} examples", amount=count, asks=partial(_shown, examples=examples, count=count)
            )

    def examples(self, ground: Ground) -> dict[str, list[Target]]:
        """Return other people's facts by type, one a person, in an order by the seed."""
        found: dict[str, dict[str, Target]] = defaultdict(dict)
        for probe in ground.others:
            found[probe.target.relation].setdefault(probe.target.subject, probe.target)
        shuffled = {relation: list(people.values()) for relation, people in found.items()}
        for targets in shuffled.values():
            random.Random(self.seed).shuffle(targets)
        return shuffled


def _shown(probe: Probe, examples: Mapping[str, Sequence[Target]], count: int) -> Probe | None:
    """Return a question after the same one about others, or None where there is no example."""
    lines = []
    for other in examples.get(probe.target.relation, ())[:count]:
        prompt = probe.prompt.replace(probe.target.subject, other.subject)
        lines.append(f"{prompt}{joiner(prompt)}{other.answer}\n")
    return replace(probe, prompt="".join(lines) + probe.prompt) if lines else None
