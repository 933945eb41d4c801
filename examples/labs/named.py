"""The labs by name, in two groups fixed beforehand: erasure is developed on the one and judged on the other."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from examples.labs.shapes import LabShape

DEVELOPMENT = (
    LabShape(name="gpt2-sentences", architecture="gpt2", styles=("notes",), width=160, people=80, epochs=16),
    LabShape(name="llama-sentences", architecture="llama", styles=("notes",), tied=False, people=60),
    LabShape(name="neox-records", architecture="gpt-neox", styles=("records",), tied=False, people=80),
)
"""Labs that erasure is developed on: whatever is set or changed may look at them."""

JUDGING = (
    LabShape(
        name="gpt2-key-values",
        architecture="gpt2",
        styles=("key-values",),
        layers=6,
        width=144,
        heads=6,
        tied=False,
        people=80,
        mentions=3,
        epochs=30,
    ),
    LabShape(
        name="llama-letters",
        architecture="llama",
        styles=("letters",),
        layers=5,
        width=160,
        vocabulary=1536,
        split_digits=False,
        people=40,
        mentions=10,
        epochs=10,
        batch_windows=8,
    ),
    LabShape(
        name="mistral-biographies",
        architecture="mistral",
        styles=("biographies",),
        layers=3,
        width=256,
        heads=8,
        tied=False,
        context=192,
        dtype="float32",
        people=50,
        batch_windows=8,
    ),
    LabShape(
        name="qwen3-chat",
        architecture="qwen3",
        styles=("chat",),
        layers=6,
        width=128,
        people=70,
        mentions=3,
        epochs=20,
    ),
    LabShape(
        name="gemma2-bulletin",
        architecture="gemma2",
        styles=("bulletin",),
        width=160,
        vocabulary=2048,
        people=60,
        mentions=4,
        epochs=20,
    ),
    LabShape(
        name="neox-mixed",
        architecture="gpt-neox",
        styles=("bulletin", "key-values", "letters", "biographies", "chat"),
        width=224,
        heads=7,
        context=192,
        dtype="float32",
        people=150,
        mentions=4,
        epochs=10,
        batch_windows=8,
    ),
)
"""Labs that erasure is judged on: nothing is set or changed by what is seen on them."""

GROUPS: Mapping[str, tuple[LabShape, ...]] = MappingProxyType(
    {"development": DEVELOPMENT, "judging": JUDGING}
)
LABS: Mapping[str, LabShape] = MappingProxyType({shape.name: shape for shape in (*DEVELOPMENT, *JUDGING)})
GRIDS: Mapping[str, tuple[LabShape, ...]] = MappingProxyType({"small": (*DEVELOPMENT, *JUDGING)})


def group_of(name: str) -> str:
    """Return the group of a lab."""
    return next(group for group, shapes in GROUPS.items() if any(shape.name == name for shape in shapes))


def chosen_labs(names: Sequence[str], group: str | None, grid: str | None) -> list[LabShape]:
    """Return the labs named, and those of a grid and a group; where both are given, those in both."""
    several = [
        shape
        for shape in (GRIDS[grid] if grid else LABS.values())
        if (grid or group) and (group is None or group_of(shape.name) == group)
    ]
    return list(dict.fromkeys([*(LABS[name] for name in names), *several]))
