"""Names of people who do not exist."""

from collections.abc import Iterable, Set

ATTEMPTS = 50


class InventedNames:
    """Names by Faker, in an order that a seed gives.

    Args:
        seed: the seed.
    """

    def __init__(self, seed: int) -> None:
        from faker import Faker

        self._fake = Faker()
        self._fake.seed_instance(seed)

    def draw(self) -> str:
        """Return the next name."""
        return f"{self._fake.first_name()} {self._fake.last_name()}"

    def instead_of(self, people: Iterable[str], known: Set[str]) -> dict[str, str]:
        """Return a name for each person, one that nobody known has as far as `ATTEMPTS` draws can tell."""
        return {person: self._unknown(known) for person in people}

    def _unknown(self, known: Set[str]) -> str:
        drawn = self.draw()
        for _ in range(ATTEMPTS):
            if drawn not in known:
                break
            drawn = self.draw()
        return drawn
