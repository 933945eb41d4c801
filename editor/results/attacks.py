"""What attacks on an edited checkpoint bring back."""

from pydantic import Field

from editor.results.parts import Part, Rate


class AttackLevel(Part):
    """The edited checkpoint after an attack at one level: one point of the attack's curve."""

    level: str
    """Level in words, such as '30%' or '100 steps'."""
    series: str = ""
    """Curve that the level is a point of, where an attack has several, such as 'LoRA, learning rate 0.001'."""
    amount: float | None = None
    """Level as a number: bits, a share or steps; None where it is none."""
    greedy_facts: Rate
    """Erased facts that greedy decoding leaks at some wording asked."""
    exposed: Rate | None = None
    """Erased facts below the policy's percentile of decoys after the same attack; None without decoys."""
    decoys: Rate | None = None
    """Decoys that greedy decoding completes after the same attack: what the attacked model says anyway."""
    worst_case_bits_median: float | None = None
    """Median worst-case bits of the erased facts; None where the attacked model's outputs are no numbers, or nothing
    is said."""
    depth: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """Of what hidden states know of the facts, the share that is erased; absent where that is not measured."""


class AttackRow(Part):
    """The edited checkpoint after something an adversary or a deployment does to it: the worst of its levels."""

    attack: str = ""
    """Name in `editor.attacks.ATTACKS`; empty in reports from before that table."""
    name: str
    """Attack in words, for people alone."""
    explained: str = ""
    """What the figure counts, in words."""
    greedy_facts: Rate
    """Erased facts that greedy decoding leaks at some wording of those asked after it; of none where not tested."""
    worst_case_bits_median: float | None
    """Median worst-case bits of these facts; None where not tested."""
    exposed: Rate | None = None
    """As in `AttackLevel`, of the level that leaks most."""
    decoys: Rate | None = None
    """As in `AttackLevel`, of the level that leaks most."""
    depth: float | None = Field(default=None, exclude_if=lambda value: value is None)
    """As in `AttackLevel`, over all layers; absent where that is not measured."""
    worst: str = ""
    """Level that leaks most beyond what decoys do, in words."""
    curve: tuple[AttackLevel, ...] = ()
    """All levels, in the order in which they were made."""
    untested: str = ""
    """Why there was nothing to count; empty where it was tested."""
