"""A conversation as one string: what leads to a secret that somebody says in a turn.

Prompts are strings wherever they are chosen, compared and reworded. Of a conversation each turn stands after its
speaker's role, divided by characters that no text has (they are of Unicode's private use): so a name in it can be
found and changed like in any other prompt, and whoever asks a model puts the turns into its chat template.
"""

from collections.abc import Iterable
from typing import NamedTuple

TURN = "\ue0f0"
"""What stands before a role."""
SAYS = "\ue0f1"
"""What stands between a role and what is said."""
USER, ASSISTANT, SYSTEM = ROLES = "user", "assistant", "system"
_REMOVED = str.maketrans("", "", TURN + SAYS)


class Turn(NamedTuple):
    """What one side says.

    Attributes:
        role: `USER`, `ASSISTANT` or `SYSTEM`.
        text: what it says.
    """

    role: str
    text: str

    def __repr__(self) -> str:
        return f"Turn(role={self.role!r})"


def write_turns(turns: Iterable[Turn]) -> str:
    """Return a conversation as one string."""
    return "".join(f"{TURN}{role}{SAYS}{text.translate(_REMOVED)}" for role, text in turns)


def read_turns(prompt: str) -> list[Turn]:
    """Return the turns of a prompt, none where it is plain text. What stands before the first role is the user's."""
    if TURN not in prompt:
        return []
    before, *parts = prompt.split(TURN)
    turns = [Turn(USER, before)] if before.strip() else []
    for part in parts:
        role, _, text = part.partition(SAYS)
        turns.append(Turn(role if role in ROLES else USER, text))
    return turns
