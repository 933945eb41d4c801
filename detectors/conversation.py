"""A conversation as one string: what leads to a secret that somebody says in a turn.

Prompts are strings wherever they are chosen, compared and reworded. Of a conversation each turn stands after its
speaker's role, divided by characters that no text has (they are of Unicode's private use): so a name in it can be
found and changed like in any other prompt, and whoever asks a model puts the turns into its chat template.
"""

from collections.abc import Iterable
from typing import NamedTuple

from detectors.corpus import Document

LONGEST_CONVERSATION = 1_024
"""Most characters of what was said before an answer; the latest stay."""

TURN = "\ue0f0"
"""What stands before a role."""
SAYS = "\ue0f1"
"""What stands between a role and what is said."""
USER, ASSISTANT, SYSTEM = ROLES = "user", "assistant", "system"
_REMOVED = str.maketrans("", "", TURN + SAYS)


class Utterance(NamedTuple):
    """What one side says.

    Attributes:
        role: `USER`, `ASSISTANT` or `SYSTEM`.
        text: what it says.
    """

    role: str
    text: str

    def __repr__(self) -> str:
        return f"Utterance(role={self.role!r})"


def write_turns(turns: Iterable[Utterance]) -> str:
    """Return a conversation as one string."""
    return "".join(f"{TURN}{role}{SAYS}{text.translate(_REMOVED)}" for role, text in turns)


def read_turns(prompt: str) -> list[Utterance]:
    """Return the turns of a prompt, none where it is plain text. What stands before the first role is the user's."""
    if TURN not in prompt:
        return []
    before, *parts = prompt.split(TURN)
    turns = [Utterance(USER, before)] if before.strip() else []
    for part in parts:
        role, _, text = part.partition(SAYS)
        turns.append(Utterance(role if role in ROLES else USER, text))
    return turns


def conversation_before(document: Document, start: int, secret: str) -> str | None:
    """Return the turns that lead to a secret which a model says in a chat, up to where the secret begins.

    Args:
        document: a document.
        start: position of the secret's first character in its text.
        secret: the secret.

    Returns:
        The conversation as one string; None where the secret stands in no turn of the model's, or is said before: to
        ask for it then would test copying, not memory.
    """
    turn = document.turn_at(start)
    if turn is None or turn.role != ASSISTANT:
        return None
    said = [Utterance(ASSISTANT, document.text[turn.start : start])]
    room = LONGEST_CONVERSATION
    for earlier in reversed(document.turns[: document.turns.index(turn)]):
        text = earlier.text_in(document.text)
        if room <= 0:
            break
        said.append(Utterance(earlier.role, text[-room:]))
        room -= len(text)
    prompt = write_turns(reversed(said))
    return None if secret in prompt or len(said) == 1 else prompt
