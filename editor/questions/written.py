"""A probes file: questions that somebody wrote, a line each."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from detectors.conversation import ROLES, Utterance, write_turns
from detectors.fact import is_writable
from policies.errors import CorpusError


@dataclass(frozen=True, kw_only=True)
class WrittenProbe:
    """One line of a probes file.

    Attributes:
        subject: the data subject's name.
        relation: a short name such as "occupation".
        entity_type: the policy's entity type, or None for something public.
        prompt: the text before the answer, without the space between them; of a line with `messages`, these as one
            string (`detectors.conversation`).
        answer: the right continuation.
        wording: "trained" for a wording that occurs in the corpus, "held_out" for one that does not.
    """

    subject: str = field(repr=False)
    relation: str
    entity_type: str | None
    prompt: str = field(repr=False)
    answer: str = field(repr=False)
    wording: Literal["trained", "held_out"]


def read_probes(path: Path) -> list[WrittenProbe]:
    """Read a probes file (JSON lines).

    Raises:
        CorpusError: the file cannot be read, or a line is no probe; the line number is named, never the text.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split(
            "\n"
        )  # JSON may hold other ends of lines as they are
    except (OSError, ValueError) as error:
        raise CorpusError(
            f"The probes file {path} cannot be read ({type(error).__name__})", "Check the path"
        ) from None
    return [_parse(line, path, number) for number, line in enumerate(lines, start=1) if line.strip()]


def _parse(line: str, path: Path, number: int) -> WrittenProbe:
    try:
        record = json.loads(line)
        if "messages" in record:
            record["prompt"] = write_turns(map(_turn, record.pop("messages")))
        probe = WrittenProbe(**record)
        texts = (probe.subject, probe.relation, probe.prompt, probe.answer)
        if not all(isinstance(text, str) and is_writable(text) for text in texts):
            raise ValueError
        if probe.entity_type is not None and not isinstance(probe.entity_type, str):
            raise ValueError
        if probe.wording not in ("trained", "held_out") or not probe.prompt or not probe.answer:
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise CorpusError(
            f"Line {number} of {path} is not a probe",
            "Give subject, relation, entity_type (or null), prompt, answer, and wording: trained or held_out. "
            "Instead of prompt a conversation may stand in messages, each with a role (system, user or assistant) "
            "and content, up to where the answer begins",
        ) from None
    return probe


def _turn(message: Any) -> Utterance:
    turn = Utterance(message["role"], message["content"])
    if turn.role not in ROLES or not isinstance(turn.text, str):
        raise ValueError
    return turn
