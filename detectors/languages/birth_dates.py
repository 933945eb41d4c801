"""Dates of birth: dates near words such as "born", in numbers or with the names of months."""

import re
from collections.abc import Iterator

from detectors.languages.cues import AFTER, BEFORE, WORD, after, before
from detectors.languages.knowledge import Knowledge

_MONTH = r"[^\W\d_]{3,}"
_DATE = re.compile(
    # Ideographs are letters: what stands between them has no edge of a word.
    r"(?:(?<!\d)\d{4}|(?:昭和|平成|令和|大正)\s?(?:\d{1,2}|元))\s?年\s?\d{1,2}\s?月\s?\d{1,2}\s?日"
    r"|(?<![\w.,/])(?<!\d-)(?:"
    r"(?P<year_first>\d{4})(?P<mark>\s?[./-]\s?)(?P<month_2>\d{1,2})(?P=mark)(?P<day_2>\d{1,2})"
    r"|(?P<one>\d{1,2})(?P<sign>\s?[./-]\s?)(?P<two>\d{1,2})(?P=sign)(?:\d{4}|\d{2})"
    rf"|\d{{4}}\.\s?gada\s\d{{1,2}}\.\s?(?P<latvian>{_MONTH})"
    rf"|\d{{4}}(?:\.|\s?m\.)?\s(?P<after_year>{_MONTH})\s\d{{1,2}}"
    rf"|\d{{1,2}}(?:er|st|nd|rd|th|[.ºª°]|-?(?:го|ого))?\s?(?:de\s|d['’]|ta['’]\s?|of\s)?(?P<after_day>{_MONTH})\.?,?"
    r"(?:\sde|\sdel|\sof)?\s\d{4}"
    rf"|(?P<before_day>{_MONTH})\.?\s\d{{1,2}}(?:st|nd|rd|th)?,?\s\d{{4}}"
    r")(?!\w|[./-]\d)"
)
_MONTH_GROUPS = ("after_year", "latvian", "after_day", "before_day")
_BREAK = re.compile(r"[;()\[\]†]|\d{4}")
_NAME = re.compile(r"\s[^\W\d_a-zß-ÿ][^\W\d_A-ZÀ-Þ]")
_MARK = re.compile(r"(?:^|(?<=[\s(\[,;/]))([^\W\d_]+)[.:]\s?(?:[^\W\d_]{2,3}\s)?$")
_STAR = re.compile(r"[\w(,]\s?[*°]\s?$")


def find_birth_dates(text: str, knowledge: Knowledge) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of the dates that a word near them makes dates of birth."""
    for date in _DATE.finditer(text) if knowledge.may_have_birth(text) else ():
        if _is_date(date, knowledge) and _is_birth(text, date, knowledge):
            yield date.span()


def _is_date(date: re.Match[str], knowledge: Knowledge) -> bool:
    names = [name for group in _MONTH_GROUPS if (name := date[group])]
    if names:
        return names[0].lower() in knowledge.months
    if date["year_first"]:
        return 1 <= int(date["month_2"]) <= 12 and 1 <= int(date["day_2"]) <= 31
    if date["one"]:
        low, high = sorted((int(date["one"]), int(date["two"])))
        return 1 <= low <= 12 and high <= 31
    return True


def _is_birth(text: str, date: re.Match[str], knowledge: Knowledge) -> bool:
    head = before(text, date.start())
    if _MARK.search(head) and _MARK.search(head)[1].lower() in knowledge.born_marks:  # type: ignore[index]
        return True
    if "*" in knowledge.born_marks and _STAR.search(head):
        return True
    if knowledge.born.parts_in(head[-12:]) or knowledge.born.parts_in(text[date.end() : date.end() + 8]):
        return True
    head = head.rstrip().removesuffix("(")
    words = list(WORD.finditer(head))[-BEFORE:]
    for word in reversed(words):
        if knowledge.born.of(word[0].lower()):
            if _speaks_of_date(word, head, knowledge):
                return True
            break
    return _follows(after(text, date.end()), knowledge)


def _speaks_of_date(word: re.Match[str], head: str, knowledge: Knowledge) -> bool:
    """Return whether nothing between a context word and the date says that the date is of something else."""
    rest = head[word.end() :]
    if word[0].lower() in knowledge.maiden and _NAME.match(rest):
        return False
    return not _BREAK.search(rest) and not any(knowledge.events.of(w) for w in WORD.findall(rest.lower()))


def _follows(tail: str, knowledge: Knowledge) -> bool:
    """Return whether a word such as "geboren" stands after the date, and belongs to it."""
    for word in list(WORD.finditer(tail))[:AFTER]:
        if knowledge.born.of(word[0].lower()):
            between, rest = tail[: word.start()], tail[word.end() : word.end() + 15]
            return not re.search(r"[,;(\d]", between) and not re.search(r"\d", rest)
    return False
