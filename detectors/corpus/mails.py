"""Readers of mail: single messages, and mailboxes of them."""

import email
import email.policy
from collections.abc import Iterator
from email.message import MIMEPart

from detectors.corpus.documents import Document, Place, make_document, unread
from detectors.corpus.pages import html_text
from detectors.corpus.readers import decode
from detectors.corpus.sources import Source

LONGEST_MESSAGE_BYTES = 64 << 20
LONG_MESSAGE = "incompletely scanned: only the first 64 MiB of a message were read"
ATTACHMENT = "incompletely scanned: an attachment that is not text was passed over"
DAMAGED = "incompletely scanned: a damaged message was read as it stands, its parts undecoded"
NO_MESSAGE = "skipped: it is not a message of mail"
_HEADERS = ("From", "To", "Cc", "Bcc", "Reply-To", "Subject", "Date")


def read_eml(source: Source) -> Iterator[Document]:
    """Yield the one message of a file."""
    with source.open() as stream:
        raw = stream.read(LONGEST_MESSAGE_BYTES)
        cut = bool(stream.read(1))
    yield _document(raw, 1, 1, cut=cut)


def read_mbox(source: Source) -> Iterator[Document]:
    """Yield the messages of a mailbox, one in memory at a time.

    A line that begins with "From " after a blank line begins a message. Not `mailbox.mbox`, which holds the places
    of all messages and reads no packed file.
    """
    with source.open() as stream:
        number = lines = 0
        began = 1
        message = bytearray()
        cut, after_blank = False, True
        while line := stream.readline(LONGEST_MESSAGE_BYTES):
            lines += 1
            if after_blank and line.startswith(b"From "):
                if message.strip():
                    number += 1
                    yield _document(bytes(message), number, began, cut=cut)
                message, cut, began = bytearray(), False, lines
            elif len(message) + len(line) > LONGEST_MESSAGE_BYTES:
                cut = True
            else:
                message += line.removeprefix(b">") if line.lstrip(b">").startswith(b"From ") else line
            after_blank = line in (b"\n", b"\r\n")
        if message.strip():
            yield _document(bytes(message), number + 1, began, cut=cut)


def _document(raw: bytes, number: int, line: int, *, cut: bool) -> Document:
    place = Place("message", number, line=line)
    problems = [LONG_MESSAGE] if cut else []
    try:
        message = email.message_from_bytes(raw, policy=email.policy.default)
        if not message.keys():
            return unread(place, NO_MESSAGE)
        text = _render(message, problems)
    except Exception:  # `email` fails on some damaged messages, each in its own way: nothing is lost
        text, damage = decode(raw)
        problems = [*problems, DAMAGED, *damage]
    return make_document(place, text, problems=problems)


def _render(message: MIMEPart, problems: list[str]) -> str:
    """Return the headers and texts of a message; what is not read is added to `problems`."""
    headers = [f"{name}: {value}" for name in _HEADERS for value in _header(message, name)]
    texts = (_text(part, problems).strip() for part in _parts(message))
    return "\n\n".join(text for text in ("\n".join(headers), *texts) if text)


def _header(message: MIMEPart, name: str) -> Iterator[str]:
    """Yield the values of a header as they are read; what cannot be parsed as it stands."""
    try:
        values = [str(value) for value in message.get_all(name, [])]
    except (ValueError, IndexError, AttributeError, TypeError):  # `email` fails on some damaged headers
        values = [str(value) for key, value in message.raw_items() if key.lower() == name.lower()]
    for value in values:
        yield " ".join(value.split())


def _parts(message: MIMEPart) -> Iterator[MIMEPart]:
    """Yield the parts that hold something; of alternatives the plainest."""
    if message.get_content_type() == "multipart/alternative":
        parts = list(message.iter_parts())
        plain = [part for part in parts if part.get_content_type() == "text/plain"]
        for part in plain or parts[-1:]:
            yield from _parts(part)
    elif message.get_content_maintype() == "multipart" and message.is_multipart():
        for part in message.iter_parts():
            yield from _parts(part)
    else:
        yield message


def _text(part: MIMEPart, problems: list[str]) -> str:
    """Return the text of a part; what of it is not read is added to `problems`."""
    if part.get_content_maintype() == "message" and part.is_multipart():  # a message that was passed on
        return "\n\n".join(_render(inner, problems) for inner in part.iter_parts())
    if part.get_content_maintype() not in ("text", "multipart"):
        problems.append(ATTACHMENT)
        return ""
    raw = part.get_payload(decode=True)
    raw = raw if isinstance(raw, bytes) else b""
    try:
        text = raw.decode(part.get_content_charset("utf-8"))
    except (LookupError, ValueError):
        text, damage = decode(raw)
        problems += damage
    return html_text(text) if part.get_content_subtype() == "html" else text.replace("\r\n", "\n")
