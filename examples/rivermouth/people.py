"""Invented people, one hundred unless told, and the facts about them. Nobody is real, and no secret can be anybody's.

Telephone numbers lie in 555-0100 to 555-0199, which are kept for fiction; e-mail hosts lie under the reserved
example domains of RFC 2606; social security numbers start with 9 and have a middle group below 50, which is issued
neither as one nor as a taxpayer number; card numbers start with 1, the industry digit of the airlines, whose cards
have 15 digits and not 16. Each has the form that Presidio's recognizers accept.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from faker import Faker

from examples.rivermouth import words

PEOPLE = 100
SURNAMES = 70
"""Number of surnames of so many people, fewer than people: thirty are shared by two, so that some have namesakes."""
ERASED = 5
ERASED_WITH_NAMESAKE = 3


@dataclass(frozen=True, kw_only=True)
class Person:
    """One invented person.

    Attributes:
        name: first name and surname; no two people share both.
        surname: second half of the name.
        facts: answer by the relation's key.
    """

    name: str
    surname: str
    facts: dict[str, str]


def make_people(seed: int, people: int = PEOPLE) -> list[Person]:
    """Invent so many people; everything follows from the seed (and from Faker's lists of names)."""
    # Seeded by text, so that each part of the lab draws from a stream of its own.
    rng = random.Random(f"{seed}:people")
    secrets = {
        "phone": _draw_distinct(_phone, people, rng),
        "email": _draw_distinct(_email, people, rng),
        "ssn": _draw_distinct(_social_security_number, people, rng),
        "address": _draw_distinct(_street_address, people, rng),
        "card": _draw_distinct(_card_number, people, rng),
    }
    return [
        Person(
            name=f"{first} {surname}",
            surname=surname,
            facts={key: answers[index] for key, answers in secrets.items()}
            | {
                "occupation": rng.choice(words.OCCUPATIONS),
                "home_town": rng.choice(words.TOWNS),
                "department": rng.choice(words.DEPARTMENTS),
            },
        )
        for index, (first, surname) in enumerate(_names(seed, people))
    ]


def choose_erased(
    people: list[Person], seed: int, erased: int = ERASED, with_namesake: int = ERASED_WITH_NAMESAKE
) -> list[Person]:
    """Choose who asks for erasure: first those who share a surname with somebody who stays, then others."""
    rng = random.Random(f"{seed}:request")
    surnames = [person.surname for person in people]
    shared = [person for person in people if surnames.count(person.surname) > 1]
    alone = [person for person in people if surnames.count(person.surname) == 1]
    with_namesake = max(with_namesake, erased - len(alone))
    # Of two namesakes the later one; the other stays.
    by_surname = {person.surname: person for person in shared}
    namesakes = [by_surname[name] for name in rng.sample(sorted(by_surname), with_namesake)]
    return namesakes + rng.sample(alone, erased - with_namesake)


def _names(seed: int, people: int) -> list[tuple[str, str]]:
    """Return so many pairs of first name and surname, all different."""
    fake = Faker("en_US")
    fake.seed_instance(seed)
    surnames = [fake.unique.last_name() for _ in range(people * SURNAMES // PEOPLE)]
    names: list[tuple[str, str]] = []
    while len(names) < people:
        # Surnames in turn: with 70 for 100 people, the first 30 of them come twice.
        name = (fake.first_name(), surnames[len(names) % len(surnames)])
        if name not in names:
            names.append(name)
    return names


def _draw_distinct(make: Callable[[random.Random], str], count: int, rng: random.Random) -> list[str]:
    """Draw so many different answers, in the order in which they first come."""
    answers: dict[str, None] = {}
    while len(answers) < count:
        answers[make(rng)] = None
    return list(answers)


def _phone(rng: random.Random) -> str:
    """Draw a number in the range that is kept for fiction."""
    return f"{rng.choice(words.AREA_CODES)}-555-01{rng.randrange(100):02d}"


def _email(rng: random.Random) -> str:
    """Draw an address of two words and a number under a reserved domain."""
    first, second = rng.sample(words.MAIL_WORDS, 2)
    host = f"{rng.choice(words.MAIL_HOSTS)}.{rng.choice(words.MAIL_SUFFIXES)}"
    return f"{first}.{second}{rng.randrange(10, 100)}@{host}"


def _social_security_number(rng: random.Random) -> str:
    """Draw a number that starts with 9 and is never issued."""
    return f"{rng.randrange(900, 1000)}-{rng.randrange(1, 50):02d}-{rng.randrange(1, 10000):04d}"


def _street_address(rng: random.Random) -> str:
    """Draw a house number, a street of one or two words and its kind."""
    # The second word may be empty.
    name = " ".join(filter(None, (rng.choice(words.STREET_FIRST), rng.choice(words.STREET_SECOND))))
    return f"{rng.randrange(2, 200)} {name} {rng.choice(words.STREET_TYPES)}"


def _card_number(rng: random.Random) -> str:
    """Draw a card number of 16 digits in fours that no issuer uses and the Luhn checksum accepts."""
    # Fourteen free digits after the 1, then the one that makes the checksum a multiple of ten.
    digits = [1, *(rng.randrange(10) for _ in range(14))]
    digits.append(-luhn_sum([*digits, 0]) % 10)
    text = "".join(map(str, digits))
    return " ".join(text[start : start + 4] for start in range(0, 16, 4))


def luhn_sum(digits: list[int]) -> int:
    """Return the total of the Luhn checksum: a multiple of ten for a valid number.

    Args:
        digits: the number's digits, the check digit last.
    """
    # From the right every second digit is doubled, and 9 taken off where that gives two digits.
    doubled = [digit if place % 2 else digit * 2 for place, digit in enumerate(reversed(digits), start=1)]
    return sum(digit - 9 if digit > 9 else digit for digit in doubled)
