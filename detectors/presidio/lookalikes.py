"""Numbers that look like personal ones and are not: timestamps, versions, ISBNs, parts of identifiers.

What a number is called decides ("order 4155550139", `created_at`, a column's header). Its shape and what stands beside
it decide unless a context word of its entity type is near: "phone: 1714557600" is a phone number.
"""

import re

from detectors.presidio.words import key_parts, uninflected

_NEAR, _BESIDE = 48, 16
_BARE = re.compile(r"\d{7,}")
# Digits in the groups of a phone number: an order may have one for its own.
_PHONE_GROUPS = re.compile(r"\+|\(?\d{1,5}\)|\d{3}[-. ]\d{3}[-. ]\d{4}\b|0\d+[-/ ]")
_TOKEN = re.compile(r"[^\W\d_][\w.-]*|\d[\d.-]*|[^\s\w]")
_MARKS = frozenset(":=#\"'`([{<*→>|-")
_SILENT = frozenset(
    [
        *("number", "numbers", "no", "nos", "nr", "num", "id", "ids", "code", "codes", "key", "value"),
        *("is", "was", "are", "were", "the", "a", "an", "new", "latest", "current"),
    ]
)
_WITHIN_KEYS = frozenset({"at", "of", "from", "to", "in"})


def _stems(words: str) -> frozenset[str]:
    return frozenset(map(uninflected, words.split()))


_IDENTIFIERS = _stems(
    "order purchase po invoice receipt ticket tracking parcel shipment consignment waybill isbn issn ean upc gtin sku "
    "asin doi pmid imei serial lot batch build commit revision rev sha md5 hash checksum digest uuid guid transaction "
    "txn timestamp epoch unixtime unix seed offset item article product part pid job session request event row"
)
_TIMES = _stems(
    "time created updated modified expires expiry exp iat nbf mtime ctime atime since until started ended ts"
)
_VERSIONS = _stems(
    "version ver v release build revision rev firmware upgrade update downgrade patch section chapter clause paragraph "
    "article oid rfc package tag semver changelog"
)
_MOVES = _stems("upgrade update downgrade bump migrate")
_CALLED = {
    "PHONE_NUMBER": _IDENTIFIERS,
    "CREDIT_CARD": _IDENTIFIERS,
    "US_BANK_NUMBER": _IDENTIFIERS,
    "IBAN_CODE": _stems("commit revision sha md5 hash checksum digest uuid guid serial sku"),
    "IP_ADDRESS": _VERSIONS,
}
LOOKED_AT = frozenset(_CALLED)
"""Entity types that other numbers are taken for."""
# Seconds since 1970 from 2001 to 2033, and the same in milliseconds and microseconds. No area code begins with 1.
_TIMESTAMP = re.compile(r"1\d{9}(?:\d{3}){0,2}")
_UUID = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9a-fA-F])")
_ISBN = re.compile(r"(?:97[89][- ]?)?\d{1,5}[- ]\d{1,7}[- ]\d{1,6}[- ][\dX]|97[89]\d{10}")
_COUNTED = re.compile(
    r"\s?(?:events?|bytes|rows|records|items|requests|users|units|seconds|milliseconds|microseconds|ms|ns|tokens|views|"
    r"lines|entries|files|hits|people|dollars|euros|usd|eur|gbp|documents|packets|operations|ops|objects|samples|"
    r"parameters|steps|inhabitants|copies|times|points|votes|visits|queries|transactions|[kmgt]i?b|%)(?![\w-])",
    re.IGNORECASE,
)
_PART_BEFORE = re.compile(
    r"#$|[$€£¥]\s?$|\d\.$|[?&]\w*id=$|/(?!(?:tel|phone|call|contact|fax|sms)s?/)[a-z_-]{2,}/$"
    r"|(?<![^\W_])(?!(?:TEL|FAX|PH|MOB|CELL|GSM|SMS|HOME|WORK|US|UK|INTL)[-_])[A-Z]{1,4}\d{0,4}[-_]$"
)
_PART_AFTER = re.compile(r"[-_][A-Z]{1,4}(?![^\W_])|\.\d")
_DOTTED_BEFORE = re.compile(
    r"(?<![^\W_])(?!(?:tcp|udp|ip|host|to|from|net|addr|client|server|src|dst)/)[A-Za-z]\w*/$"
    r"|[A-Za-z]-$|\d\.$|(?:[=<>~!]=|[~^])\s?$",
    re.IGNORECASE,
)
_DOTTED_AFTER = re.compile(
    r"\.\d|[-_.](?:tar|zip|jar|whl|dll|exe|deb|rpm|tgz|gz|js|so|msi|apk|dmg|pkg|iso|x86|amd64|arm64|beta|alpha|rc|dev|"
    r"snapshot)\b|\s?\(?(?:release|version|build|update|firmware|patch|driver|sdk)s?\b",
    re.IGNORECASE,
)
_PRODUCT = re.compile(r"(?<![^\W_])[A-Z][A-Za-z]+/$")
_MOVED_TO = re.compile(r"\s+to\s+v?\d")


def is_called_otherwise(entity_type: str, text: str, start: int, end: int, header: str = "") -> bool:
    """Return whether a number is certainly something else: by the words before it, or its column's header.

    Args:
        entity_type: entity type for which the number was taken.
        text: text in which it stands.
        start: position of its first character.
        end: one past the position of its last character.
        header: header of the column in which it stands.
    """
    found, before = text[start:end], text[max(0, start - _NEAR) : start]
    if _has_own_form(entity_type, found):
        return False
    if entity_type == "IP_ADDRESS" and before.endswith("/") and _PRODUCT.search(before):
        return True
    if "-" in (*before[-1:], *found, *text[end : end + 1]) and _is_within(_UUID, text, start, end):
        return True
    moved = entity_type == "IP_ADDRESS" and _MOVED_TO.match(text, end) is not None
    name, chain = _name(_line(before), moved=moved)
    names = _CALLED[entity_type]
    if _TIMESTAMP.fullmatch(found):
        names |= _TIMES
    if entity_type == "IP_ADDRESS" and not chain.isdisjoint(("to", "from")):
        names = _MOVES
    return uninflected(name or _name(header, moved=False)[0]) in names if name or header else False


def looks_otherwise(entity_type: str, text: str, start: int, end: int) -> bool:
    """Return whether a number's shape and its neighbours say that it is something else, where no context does."""
    found, before, after = text[start:end], text[max(0, start - _BESIDE) : start], text[end : end + _BESIDE]
    if entity_type == "IP_ADDRESS":
        return _DOTTED_BEFORE.search(before) is not None or _DOTTED_AFTER.match(after) is not None
    if entity_type == "CREDIT_CARD":
        return _TIMESTAMP.fullmatch(found) is not None
    if entity_type != "PHONE_NUMBER":
        return False
    if not _BARE.fullmatch(found):
        return _is_isbn(found)
    return (
        _TIMESTAMP.fullmatch(found) is not None
        or _COUNTED.match(after) is not None
        or _PART_BEFORE.search(before) is not None
        or _PART_AFTER.match(after) is not None
        or _is_isbn(found)
    )


def _has_own_form(entity_type: str, found: str) -> bool:
    """Return whether digits are in the groups that their entity type has, and other numbers have not."""
    if entity_type == "CREDIT_CARD":
        return not found.isdigit()
    return entity_type == "PHONE_NUMBER" and _PHONE_GROUPS.match(found) is not None


def _is_within(expression: re.Pattern[str], text: str, start: int, end: int) -> bool:
    return any(match.start() < end and start < match.end() for match in expression.finditer(text))


def _line(before: str) -> str:
    """Return the end of a text from its last line on, or from the one before where that is "Order number:"."""
    earlier, _, line = before.rpartition("\n")
    return line if line.strip() or not earlier.rstrip().endswith(":") else earlier.rpartition("\n")[2]


def _name(before: str, *, moved: bool) -> tuple[str, set[str]]:
    """Return the word that a number is called by, and the words that join it to other numbers.

    The word is empty where something else stands in between.

    Args:
        before: text before the number.
        moved: whether "from" may come in between, as in "upgrade from 1.2.3.4 to 1.2.4.0".
    """
    chain: set[str] = set()
    joined = False
    for token in reversed(_TOKEN.findall(before)):
        word = token.lower()
        if token[0].isdigit():
            if not joined:
                break
            joined = False
        elif word in (",", "and", "or", "to") or (word == "from" and (moved or "to" in chain)):
            chain.add(word)
            joined = True
        elif token in _MARKS:
            continue
        elif not token[0].isalpha():
            break
        else:
            parts = key_parts(token)
            names = [
                part
                for part in parts
                if part not in _SILENT and (len(parts) == 1 or part not in _WITHIN_KEYS)
            ]
            if names:
                return names[-1], chain
    return "", chain


def _is_isbn(found: str) -> bool:
    """Return whether a number has the groups and the check digit of an ISBN."""
    if not _ISBN.fullmatch(found):
        return False
    digits = [10 if sign == "X" else int(sign) for sign in found if sign.isalnum()]
    if len(digits) == 10:
        return sum(digit * (10 - place) for place, digit in enumerate(digits)) % 11 == 0
    return (
        len(digits) == 13
        and sum(digit * (1 + 2 * (place % 2)) for place, digit in enumerate(digits)) % 10 == 0
    )
