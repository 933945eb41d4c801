"""Chats: records of turns, such as messages, and pairs of a question and its answer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from detectors.corpus.records import flatten, folded_key

LIST_KEYS = frozenset({"messages", "conversations", "conversation", "dialog", "dialogue", "chat", "turns"})
ROLE_KEYS = ("role", "from", "speaker", "author", "sender")
CONTENT_KEYS = ("content", "value", "text", "message", "parts")
ROLES = {
    **dict.fromkeys(("user", "human", "prompter", "question", "client", "customer"), "user"),
    **dict.fromkeys(
        ("assistant", "gpt", "model", "bot", "chatbot", "chatgpt", "ai", "answer", "agent"), "assistant"
    ),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "ipython"), "tool"),
}
"""Roles by the names that chats give them, in lower case."""

ASKING = ("history", "instruction", "prompt", "question", "query", "problem", "input")
"""Keys of what asks, in the order in which it is read; several may stand in one record."""
ANSWERING = ("completion", "response", "output", "answer", "chosen", "solution", "target")
"""Keys of what answers; a record has one of them."""
_PAIRS = (("user", "assistant"), ("human", "assistant"), ("human", "gpt"), ("human", "bot"), ("user", "bot"))
_SYSTEM = ("system", "systemprompt")


class Turn(NamedTuple):
    """What one side says in a chat, as a place in the text of its document.

    Attributes:
        role: "system", "user", "assistant" or "tool", or the chat's own word in lower case. What asks is the
            user's, and what answers the assistant's, whatever the record calls it.
        start: position of the first character, 0-based, in the document's text.
        end: one past the position of the last character.
        key: the record's key that holds the turn, which tells the shape of the record: "messages", "prompt", ...
    """

    role: str
    start: int
    end: int
    key: str

    def text_in(self, text: str) -> str:
        """Return what is said, from the text of the document."""
        return text[self.start : self.end]


class _Said(NamedTuple):
    role: str
    label: str
    text: str
    key: str
    beside: tuple[tuple[str, Any], ...] = ()


def render_chat(record: Mapping[str, Any]) -> tuple[str, tuple[Turn, ...]] | None:
    """Return a chat as text with its turns, or None where a record is no chat.

    Each turn is written as it is, after its label: "user: ...", "prompt: ...". Turns stand in the order in which
    they are said, whatever the order of keys, and the record's other fields before and after, as in the record.
    """
    said = list(_turns(record))
    if not said:
        return None
    keys = {turn.key for turn in said}
    first = next(index for index, key in enumerate(record) if key in keys)
    fields = list(record.items())
    pieces = _Pieces()
    for key, value in fields[:first]:
        pieces.add_field(key, value)
    for turn in said:
        pieces.add_turn(turn)
    for key, value in fields[first:]:
        if key not in keys:
            pieces.add_field(key, value)
    return "\n".join(pieces.lines), tuple(pieces.turns)


def find_turns(record: Mapping[str, Any], text: str) -> tuple[Turn, ...]:
    """Return the turns of a chat whose record holds it as text too; none where the text is another."""
    turns: list[Turn] = []
    position = 0
    for said in _turns({key: value for key, value in record.items() if key != "text"}):
        start = text.find(said.text.strip(), position)
        if start < 0:
            return ()
        position = start + len(said.text.strip())
        turns.append(Turn(said.role, start, position, said.key))
    return tuple(turns)


class _Pieces:
    def __init__(self) -> None:
        self.lines: list[str] = []
        self.turns: list[Turn] = []
        self._length = 0

    def add_field(self, key: str, value: Any) -> None:
        for name, words in flatten(str(key), value):
            self._add(f"{name}: {words}")

    def add_turn(self, turn: _Said) -> None:
        if turn.text.strip():
            start = self._length + len(turn.label) + 2
            self.turns.append(Turn(turn.role, start, start + len(turn.text), turn.key))
            self._add(f"{turn.label}: {turn.text}")
        for key, value in turn.beside:
            self.add_field(key, value)

    def _add(self, line: str) -> None:
        self.lines.append(line)
        self._length += len(line) + 1


def _turns(record: Mapping[str, Any]) -> Iterator[_Said]:
    """Yield what is said in a record, in order; nothing where it is no chat."""
    by_key = {folded_key(key): key for key in reversed(list(record)) if isinstance(key, str)}
    for key, value in record.items():
        if folded_key(str(key)) in LIST_KEYS and _is_list_of_messages(value):
            yield from _system(record, by_key)
            yield from _messages(key, value)
            return
    pair = _pair(record, by_key)
    if pair:
        yield from _system(record, by_key)
        for key in pair[:-1]:
            yield from _side(key, record[key], "user")
        yield from _side(pair[-1], record[pair[-1]], "assistant")


def _system(record: Mapping[str, Any], by_key: Mapping[str, str]) -> Iterator[_Said]:
    for key in _SYSTEM:
        if key in by_key and isinstance(record[by_key[key]], str):
            yield _Said("system", by_key[key], record[by_key[key]], by_key[key])


def _pair(record: Mapping[str, Any], by_key: Mapping[str, str]) -> list[str]:
    """Return the keys of what asks and, last, of what answers; none where a record is no such pair."""
    asking = [by_key[key] for key in ASKING if key in by_key and _says(record[by_key[key]], key)]
    answering = [by_key[key] for key in ANSWERING if key in by_key and _says(record[by_key[key]], key)]
    if answering and any(folded_key(key) != "history" for key in asking):
        return [*asking, answering[0]]
    for asks, answers in _PAIRS:
        keys = [by_key[key] for key in (asks, answers) if key in by_key and _says(record[by_key[key]], key)]
        if len(keys) == 2:
            return keys
    return []


def _says(value: Any, key: str) -> bool:
    """Return whether a value is what somebody says."""
    if key == "history":
        return isinstance(value, list) and all(isinstance(pair, list) and len(pair) == 2 for pair in value)
    if isinstance(value, str):
        return True
    return isinstance(value, list) and bool(value) and (_is_list_of_messages(value) or _are_parts(value))


def _side(key: str, value: Any, role: str) -> Iterator[_Said]:
    """Yield the turns of one side of a pair: its text, or messages of its own."""
    if folded_key(key) == "history":
        for asks, answers in value:
            yield _Said("user", "user", str(asks), key)
            yield _Said("assistant", "assistant", str(answers), key)
    elif isinstance(value, list) and _is_list_of_messages(value):
        yield from _messages(key, value)
    else:
        text, rest = _content(value)
        yield _Said(role, key, text, key, tuple((key, part) for part in rest))


def _messages(key: str, messages: Sequence[Mapping[str, Any]]) -> Iterator[_Said]:
    for number, message in enumerate(messages):
        role_key, content_key = _message_keys(message)
        name = " ".join(str(message[role_key]).split()).lower() if role_key else ""
        role = ROLES.get(name, name)
        text, rest = _content(message.get(content_key) if content_key else None)
        place = f"{key}[{number}]"
        others = [(k, v) for k, v in message.items() if k not in (role_key, content_key)]
        beside = [
            *((f"{place}.{content_key}", part) for part in rest),
            *((f"{place}.{k}", v) for k, v in others),
        ]
        yield _Said(role, role, text, key, tuple(beside))


def is_message(value: Any) -> bool:
    """Return whether a value is a message of a chat: who speaks, and what is said."""
    return isinstance(value, Mapping) and all(_message_keys(value))


def _message_keys(message: Mapping[str, Any]) -> tuple[str | None, str | None]:
    role = next(
        (key for key in ROLE_KEYS if isinstance(message.get(key), str) and message[key].strip()), None
    )
    content = next((key for key in CONTENT_KEYS if key in message and key != role), None)
    return role, content


def _is_list_of_messages(value: Any) -> bool:
    """Return whether a value is a chat; a message that only calls tools says nothing."""
    return (
        isinstance(value, list)
        and all(isinstance(each, Mapping) and _message_keys(each)[0] for each in value)
        and any(is_message(each) for each in value)
    )


def _are_parts(value: Sequence[Any]) -> bool:
    return all(isinstance(part, str) or (isinstance(part, Mapping) and _part_text(part)) for part in value)


def _content(value: Any) -> tuple[str, list[Any]]:
    """Return the text of a message's content, and the parts that are no text."""
    if value is None:
        return "", []
    if isinstance(value, str):
        return value, []
    parts = value if isinstance(value, list) else [value]
    texts: list[str] = []
    rest: list[Any] = []
    for part in parts:
        text = part if isinstance(part, str) else _part_text(part) if isinstance(part, Mapping) else None
        if text is None:
            rest.append(part)
        else:
            texts.append(text)
    return "\n".join(texts), rest


def _part_text(part: Mapping[str, Any]) -> str | None:
    for key in ("text", "content", "value"):
        value = part.get(key)
        if isinstance(value, str):
            return value
        if isinstance(value, Mapping) and isinstance(value.get("value"), str):  # {"text": {"value": ...}}
            return str(value["value"])
    return None
