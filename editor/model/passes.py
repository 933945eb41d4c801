"""Which of the fast passes may be taken for a model's own forward."""

from dataclasses import dataclass

PASSES = {
    "head": "the output head by itself",
    "shared": "what prompts begin with run once",
    "padded": "texts of different lengths in one batch",
    "batched": "several texts in one batch",
    "mixed": "generation after prompts of different lengths in one batch",
    "cached": "generation with a cache",
}
"""The passes by their names in `Passes`, in words."""


@dataclass(frozen=True, kw_only=True)
class Passes:
    """The passes that give what the model's own forward gives on one text alone.

    Attributes:
        head: the output head applied to final hidden states; else whole logits are taken.
        shared: answers after a prefix that is run once, from the model's cache.
        padded: texts of different lengths in one batch, padded on the right.
        batched: texts of equal length in one batch; else each is run alone.
        mixed: generation after prompts of different lengths, padded on the left.
        cached: generation with the model's cache.
        compared: whether this was measured (`editor.model.own_forward`), not assumed.
    """

    head: bool = True
    shared: bool = True
    padded: bool = True
    batched: bool = True
    mixed: bool = True
    cached: bool = True
    compared: bool = False

    @property
    def unused(self) -> tuple[str, ...]:
        """The passes that are not taken, in words."""
        implied = () if self.batched else ("padded", "mixed")
        return tuple(
            words for name, words in PASSES.items() if not getattr(self, name) and name not in implied
        )

    def join(self, length: int, other: int) -> bool:
        """Return whether texts of these lengths may be run in one batch."""
        return self.batched and (self.padded or length == other)


ALL_RIGHT = Passes()
