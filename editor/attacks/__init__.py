"""What an adversary or a deployment does to an edited checkpoint: a new attack is a file and a line in `ATTACKS`.

Importing this imports no attack and no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from editor.entries import load_object

if TYPE_CHECKING:
    from editor.attacks.attack import Attack


@dataclass(frozen=True, kw_only=True)
class AttackEntry:
    """One attack.

    Attributes:
        name: Name in reports and comparisons.
        path: Module and class, as `module:Class`.
        settings: Settings that the class is made with.
        column: Heading of its column in tables.
        explained: What its figure counts, for the page of a comparison.
        untested: What a report says of the residual risk where the attack was not tested.
    """

    name: str
    path: str
    column: str
    explained: str
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    untested: str = ""

    def make(self, **settings: Any) -> "Attack":
        """Import the class and return the attack, with other settings where they are given."""
        attack: Attack = load_object(self.path)(**{**self.settings, **settings})
        return attack


ATTACKS: Mapping[str, AttackEntry] = {
    entry.name: entry
    for entry in (
        AttackEntry(
            name="8-bit",
            path="editor.attacks.quantising:Quantising",
            column="8-bit",
            explained="facts that leak once the weights are rounded to 8 bits",
            settings={"bits": 8},
        ),
        AttackEntry(
            name="4-bit",
            path="editor.attacks.quantising:Quantising",
            column="4-bit",
            explained="facts that leak once the weights are rounded to 4 bits",
            settings={"bits": 4},
        ),
        AttackEntry(
            name="relearning",
            path="editor.attacks.relearning:Relearning",
            column="Relearned",
            explained="facts that leak once the edited model is trained again on records of some erased people; the "
            "facts are those of the others, and those never gone count too",
            untested="Relearning was not tested: training on some of the erased facts, or on similar ones, may bring "
            "others back.",
        ),
    )
}
"""By name, in the order of tables."""
