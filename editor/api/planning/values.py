"""What a plan says: stages with a range of time, memory and disk, and what lowers memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from editor.results.report import Scope

StageName = Literal["audit", "original", "dictionaries", "locate", "edit", "export", "verify", "attacks"]
"""Stages in order: an audit by itself, then those of an erasure, whose last two are its verification."""
TITLES: Mapping[StageName, str] = {
    "audit": "audit, by itself",
    "original": "questions of the original",
    "dictionaries": "dictionaries",
    "locate": "locating",
    "edit": "trials and edit",
    "export": "writing",
    "verify": "verification",
    "attacks": "attacks on it",
}
VERIFICATION: tuple[StageName, ...] = ("original", "verify", "attacks")
"""Stages of a verification by itself."""
ERASURE: tuple[StageName, ...] = (
    "original",
    "dictionaries",
    "locate",
    "edit",
    "export",
    "verify",
    "attacks",
)


@dataclass(frozen=True, kw_only=True)
class StagePlan:
    """One stage.

    Attributes:
        name: stage.
        low_s: least time that is likely, in seconds.
        high_s: most time that is likely.
        memory_mib: most memory that is held, in MiB, libraries included.
        amounts: what is counted of it, such as questions and steps, by name.
    """

    name: StageName
    low_s: float
    high_s: float
    memory_mib: float
    amounts: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True)
class Remedy:
    """What lowers memory.

    Attributes:
        option: option of the command line.
        memory_mib: most memory of an erasure with it, in MiB.
        saved_s: least time that it saves, in seconds; 0 where it is not known, or it costs time.
    """

    option: str
    memory_mib: float
    saved_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an audit and an erasure would take.

    Attributes:
        architecture: class of the model in transformers.
        weights: number of weights.
        model_mib: memory of the weights in the precision of computing, in MiB.
        dtype: that precision.
        device: device that the plan is for.
        method: edit method.
        scope: what was found in the corpus.
        tokenizer: `own`, or `rough` where the model's folder has none, so that tokens are counted by a stand-in.
        stages: stages, in order.
        disk: bytes that an erasure writes, by kind of file.
        free_mib: memory that is free now, in MiB.
        free_disk_mib: disk that is free now in the working folder, in MiB.
        remedies: what lowers memory, with its figures.
        incomplete: whether part of the corpus would be skipped.
    """

    architecture: str
    weights: int
    model_mib: float
    dtype: str
    device: str
    method: str
    scope: Scope
    tokenizer: Literal["own", "rough"]
    stages: tuple[StagePlan, ...]
    disk: Mapping[str, int]
    free_mib: float
    free_disk_mib: float
    remedies: tuple[Remedy, ...]
    incomplete: bool

    def stage(self, name: StageName) -> StagePlan:
        """Return a stage by its name."""
        return next(stage for stage in self.stages if stage.name == name)

    @property
    def erasure(self) -> tuple[StagePlan, ...]:
        """Stages of an erasure."""
        return tuple(stage for stage in self.stages if stage.name in ERASURE)

    @property
    def memory_mib(self) -> float:
        """Most memory of an erasure, in MiB."""
        return max(stage.memory_mib for stage in self.erasure)

    @property
    def disk_mib(self) -> float:
        """Disk that an erasure takes, in MiB."""
        return sum(self.disk.values()) / 2**20
