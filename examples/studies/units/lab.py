"""The embedded lab as the study sees it: facts, questions of both splits, and dictionaries."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from dictionaries import Dictionary, load_dictionaries
from dictionaries.model.sites import Site
from editor.case import CaseFiles, open_case
from editor.lab import find_lab
from editor.model.loading import LoadedModel, load_model
from editor.model.tokens import TokenSequence
from editor.questions.asking import encode_probes
from editor.questions.probes import Probe, Target, sample
from policies import load_policy, load_request

OTHERS = 20
"""Number of questions about other people in each split of a fact, of its relation."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One fact and what is asked about it.

    Attributes:
        number: number of the fact, counted from 0; facts are not named.
        locating: wordings that units are located by.
        held_out: wordings that units are measured on.
        theirs: questions of the same relation about other people, for locating.
        others: questions of the same relation about other people in held-out wordings, for measuring.
    """

    number: int
    locating: Sequence[TokenSequence] = field(repr=False)
    held_out: Sequence[TokenSequence] = field(repr=False)
    theirs: Sequence[TokenSequence] = field(repr=False)
    others: Sequence[TokenSequence] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The lab's model, facts and text.

    Attributes:
        loaded: the model.
        facts: facts of the people to erase.
        texts: documents of the corpus.
    """

    loaded: LoadedModel
    facts: tuple[Fact, ...] = field(repr=False)
    texts: tuple[str, ...] = field(repr=False)


def open_lab(seed: int, limit: int | None = None) -> Setting:
    """Read the lab, on the CPU.

    Args:
        seed: seed that questions about others are drawn by.
        limit: number of facts, the first ones; all where None.
    """
    lab = find_lab()
    policy = load_policy(str(lab.policy))
    files = CaseFiles(corpus=lab.corpus, probes=lab.probes)
    case = open_case(files, policy, load_request(lab.request), seed=seed)
    loaded = load_model(str(lab.model), device="cpu")
    # A dict keeps the order in which facts come first.
    targets: dict[Target, None] = {p.target: None for p in case.probes if p.is_erased}
    facts = tuple(
        _fact(number, target, case.probes, loaded, seed)
        for number, target in enumerate(list(targets)[:limit])
    )
    return Setting(loaded=loaded, facts=facts, texts=tuple(document.text for document in case.documents))


def _fact(number: int, target: Target, probes: Sequence[Probe], loaded: LoadedModel, seed: int) -> Fact:
    """Gather what is asked about one fact, in both splits."""
    mine = [probe for probe in probes if probe.target == target]
    others = [
        probe
        for probe in probes
        if probe.target.relation == target.relation and probe.target.group in ("others", "neighbours")
    ]

    def encode_split(chosen: Sequence[Probe], split: str) -> list[TokenSequence]:
        return encode_probes(loaded, [probe for probe in chosen if probe.split == split])

    # Each fact draws its own questions, the same for every kind of unit.
    theirs = sample([p for p in others if p.split == "locating"], OTHERS, seed + number)
    asked = sample([p for p in others if p.split == "verification"], OTHERS, seed + number)
    return Fact(
        number=number,
        locating=encode_split(mine, "locating"),
        held_out=encode_split(mine, "verification"),
        theirs=encode_split(theirs, "locating"),
        others=encode_split(asked, "verification"),
    )


def lab_dictionaries(architecture: str, loaded: LoadedModel) -> dict[Site, Dictionary]:
    """Load the lab's dictionaries of every MLP's output.

    Args:
        architecture: `gated` or `binary`.
        loaded: the lab's model.
    """
    found = load_dictionaries(find_lab().dictionaries(architecture), loaded.model)
    return {site: dictionary.eval() for site, dictionary in sorted(found.items())}
