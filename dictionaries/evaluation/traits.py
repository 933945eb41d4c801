"""Traits of a token where it stands, in words: the vocabulary of the built-in judge.

Numerals are numerals: what is said of them is length, place, magnitude and shape, never their digits as free text.
Nothing is quoted from inside an e-mail address but its punctuation. So a trait shows no more than masked text does.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from dictionaries.evaluation.passages import Passage

WINDOW_WORDS = 8
CUT_LENGTH = 40
"""Number of characters from which text before a token may begin inside a word."""
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_RUN_BEFORE, _RUN_AFTER = re.compile(r"\d*$"), re.compile(r"\d*")
_LETTERS_BEFORE, _LETTERS_AFTER = re.compile(r"[^\W\d_]*$"), re.compile(r"[^\W\d_]*")
_CHUNK_BEFORE, _CHUNK_AFTER = re.compile(r"\S*$"), re.compile(r"\S*")
_GROUPS_BEFORE = re.compile(r"[\d.,:/()+-]*$")
_SENTENCE_START = re.compile(r"(?:^|[.!?:]\s+|\n\s*)$")
_NAME_BEFORE, _NAME_AFTER = re.compile(r"[A-Z][\w'’]+\s+$"), re.compile(r"^\s+[A-Z][\w'’]+")
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
SHAPES = {
    "in an e-mail address": re.compile(r"^\W*[^\s@]*@[^\s@]*$"),
    "in a web address": re.compile(r"^\W*(?:https?://|www\.)\S+$", re.I),
    "in a date": re.compile(rf"^\W*(?:\d{{1,4}}[/.-]\d{{1,2}}[/.-]\d{{1,4}}|{_MONTH})\W*$", re.I),
    "in a time of day": re.compile(r"^\W*\d{1,2}:\d{2}(?::\d{2})?\W*$"),
    "in an amount of money": re.compile(r"^\W*[$€£]\d[\d.,]*\W*$"),
    "in a percentage": re.compile(r"^\W*\d[\d.,]*%\W*$"),
    "in a code of letters and digits": re.compile(r"^(?=\S*\d)(?=\S*[^\W\d_])[\w-]+\W*$"),
    "in a number with separators": re.compile(r"^[(+]*\d+(?:[-.,/ )]+\d+)+\W*$"),
}
"""Kinds of entities, by the shape of the text between two white spaces."""
EMAIL = "in an e-mail address"
SUFFIXES = ("'s", "’s", "ingly", "edly", "ing", "ies", "ied", "ed", "es", "ly", "s", "e", "y")


@lru_cache(maxsize=8192)
def traits(passage: Passage) -> frozenset[str]:
    """Return everything that is true of a passage's token."""
    shapes = set(_shapes(passage))
    return frozenset(
        {
            *shapes,
            *_of_token(passage, hidden=EMAIL in shapes),
            *_of_numeral(passage),
            *_of_previous(passage, hidden=EMAIL in shapes),
            *_of_next(passage, hidden=EMAIL in shapes),
            *_of_place(passage),
        }
    )


def numeral(passage: Passage) -> str:
    """Describe a numeral in a few words; return an empty text for other tokens."""
    return ", ".join(sorted(_of_numeral(passage)))


def stem(word: str) -> str:
    """Return a word without its common endings, in lower case: 'lives', 'lived' and 'living' are 'liv'."""
    word = word.lower()
    for suffix in SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word.removesuffix(suffix)
    return word


def classify(text: str) -> str:
    """Return the class of a token or a character."""
    bare = text.strip()
    if not bare:
        return "white space"
    if any(character.isdigit() for character in bare):
        return "a number"
    if not any(character.isalpha() for character in bare):
        return "punctuation"
    if len(bare) > 1 and bare.isupper():
        return "in capitals"
    return "a capitalised word" if bare[0].isupper() else "in lower case"


def _of_token(passage: Passage, *, hidden: bool) -> Iterator[str]:
    token = passage.token.strip()
    kind = classify(passage.token)
    yield kind
    begins = not _is_joined(passage)
    if kind not in {"white space", "punctuation", "a number"}:
        yield "the beginning of a word" if begins else "inside a word"
    if kind == "punctuation" or (token and kind != "a number" and not hidden):
        yield f"the token “{token}”"
    if hidden or not token or not token[0].isalpha():
        return
    head = "" if begins else _match(_LETTERS_BEFORE, passage.before)
    tail = _match(_LETTERS_AFTER, passage.after)
    word = head + token + tail
    if WORD.fullmatch(word):
        yield f"the word “{word.lower()}”"
        yield f"a form of “{stem(word)}”"
        yield "a word that goes on" if tail else "the end of a word"
        lead = passage.before[: len(passage.before) - len(head)] + (" " if _is_spaced(passage) else "")
        if word[0].isupper() and (
            _NAME_BEFORE.search(lead) or _NAME_AFTER.search(passage.after[len(tail) :])
        ):
            yield "in a name of several words"


def _of_numeral(passage: Passage) -> Iterator[str]:
    token = passage.token.strip()
    if not token or not token.isdigit():
        return
    left = _match(_RUN_BEFORE, passage.before) if not _is_spaced(passage) else ""
    run = left + token + _match(_RUN_AFTER, passage.after)
    yield f"in a number of {len(run)} digits" if len(run) > 1 else "a number of one digit"
    yield f"digit {len(left) + 1} of a number"
    if len(left) + len(token) == len(run):
        yield "the end of a number"
    if len(token) == 1:
        yield f"the digit {token}"
    else:
        yield f"{len(token)} digits at once"
    if len(run) == 4 and run[:2] in {"19", "20"}:
        yield "in a year"
    groups = _match(_GROUPS_BEFORE, passage.before) if not _is_spaced(passage) else ""
    earlier = len(re.findall(r"\d+(?=[.,:/()+-])", groups))
    if earlier:
        yield f"in group {earlier + 1} of a number"


def _of_previous(passage: Passage, *, hidden: bool) -> Iterator[str]:
    before = passage.before.rstrip() if _is_spaced(passage) else passage.before
    if not before.strip():
        return
    last = before[-1]
    yield f"after {classify(last) if not last.isalpha() else 'a word'}"
    if classify(last) == "punctuation":
        yield f"after “{last}”"
    words = [word.group().lower() for word in WORD.finditer(_quotable(passage.before, hidden=hidden))]
    if words and _is_joined(passage) and not hidden and passage.before[-1:].isalpha():
        words.pop()  # the beginning of the token's own word
    if words:
        yield f"after the word “{words[-1]}”"
        if before[-1].isalpha() and len(words) > 1:
            yield f"after the words “{words[-2]} {words[-1]}”"
    for word in set(words[-WINDOW_WORDS:]):
        yield f"“{word}” shortly before"


def _of_next(passage: Passage, *, hidden: bool) -> Iterator[str]:
    following = passage.after.lstrip()
    if not following:
        yield "at the end of the text"
        return
    kind = classify(following[0])
    if kind == "punctuation":
        yield f"before “{following[0]}”"
    yield f"before {kind if kind in {'a number', 'punctuation'} else 'a word'}"
    word = WORD.match(following)
    if word and not hidden and passage.after[:1].isspace() and "@" not in _match(_CHUNK_AFTER, following):
        yield f"before the word “{word.group().lower()}”"
        if word.group()[0].isupper():
            yield "before a capitalised word"


def _of_place(passage: Passage) -> Iterator[str]:
    if passage.position == 0:
        yield "the first token of the text"
    if passage.position < 4:
        yield "among the first 4 tokens of the text"
    if passage.position < 12:
        yield "among the first 12 tokens of the text"
    else:
        yield "behind the first 12 tokens of the text"
    if _SENTENCE_START.search(passage.before + (" " if _is_spaced(passage) else "")):
        yield "at the beginning of a sentence"


def _shapes(passage: Passage) -> Iterator[str]:
    token = passage.token.strip()
    if not token:
        return
    left = _match(_CHUNK_BEFORE, passage.before) if not _is_spaced(passage) else ""
    right = "" if passage.token[-1:].isspace() else _match(_CHUNK_AFTER, passage.after)
    chunk = left + token + right
    for name, shape in SHAPES.items():
        if shape.match(chunk):
            yield name


def _quotable(before: str, *, hidden: bool) -> str:
    """Return the text before a token without e-mail addresses, and without a first piece that may be cut off one."""
    chunks = before.split(" ")
    first = 1 if len(before) > CUT_LENGTH else 0
    end = len(chunks) - 1 if hidden else len(chunks)
    return " ".join("@" if "@" in chunk else chunk for chunk in chunks[first:end])


def _is_spaced(passage: Passage) -> bool:
    """Return whether white space stands between the token's text and what is before it."""
    return passage.token[:1].isspace() or passage.before[-1:].isspace()


def _is_joined(passage: Passage) -> bool:
    return not _is_spaced(passage) and passage.before[-1:].isalnum()


def _match(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text) if pattern.pattern.endswith("$") else pattern.match(text)
    return found.group() if found else ""
