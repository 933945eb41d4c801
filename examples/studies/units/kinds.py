"""Kinds of unit: features of dictionaries and neurons, located alike, removed alike and read alike.

Both are located by integrated gradients on a fact's locating wordings, less the positive part of what the same
relation's questions about other people give.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries import ARCHITECTURES, Dictionary, DictionaryConfig
from dictionaries.model.sites import Site, capture, intercepted
from editor.locators.features import FeatureAttribution
from editor.locators.neurons import neuron_sites, score_neurons
from editor.locators.problem import EditProblem
from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence, batches
from examples.studies.units.lab import Fact

STEPS = 8
"""Of integrated gradients over features."""


class Unit(NamedTuple):
    """A feature or a neuron."""

    site: Site
    index: int


class Kind(ABC):
    """A kind of unit in one model."""

    name: str
    loaded: LoadedModel

    @abstractmethod
    def located(self, fact: Fact, count: int) -> list[Unit]:
        """The units that carry a fact most, by its locating wordings, best first."""

    @abstractmethod
    def codes(self, site: Site, x: Tensor) -> Tensor:
        """Activations of all units of a site, less what they are at rest; of what the site gives."""

    @abstractmethod
    def removal(self, site: Site, x: Tensor, units: Sequence[int]) -> Tensor:
        """What the site gives without some units' contribution."""

    @abstractmethod
    def sites(self) -> list[Site]:
        """Where there are units."""

    @abstractmethod
    def dictionary(self, site: Site) -> Dictionary:
        """The units of a site as a dictionary, to be judged by passages."""

    @contextmanager
    def without(self, units: Sequence[Unit]) -> Iterator[None]:
        """The model without some units, at every position."""
        by_site: dict[Site, list[int]] = {}
        for unit in units:
            by_site.setdefault(unit.site, []).append(unit.index)
        with ExitStack() as stack:
            for site, chosen in by_site.items():
                change = _Removal(self, site, chosen)
                stack.enter_context(intercepted(self.loaded.model, site, change))
            yield

    @torch.no_grad()
    def readings(self, sequences: Sequence[TokenSequence]) -> dict[Site, Float[Tensor, "sequences units"]]:
        """For each sequence, the largest departure of each unit from rest where its answer is predicted."""
        found = {site: [torch.empty(0)] * len(sequences) for site in self.sites()}
        model = self.loaded.model
        for batch in batches(_placed(sequences), pad=self.loaded.pad_id, device=self.loaded.device):
            with capture(model, self.sites(), keys=False) as taken:
                model.base_model(**batch.inputs, use_cache=False)
            for site in self.sites():
                codes = self.codes(site, taken.outputs[site][batch.predicting]).abs()
                for row, place in enumerate(batch.indices):
                    found[site][place] = codes[batch.rows == row].amax(0)
        return {site: torch.stack(rows) for site, rows in found.items()}


class _Removal:
    """What a hook puts in a site's place."""

    def __init__(self, kind: Kind, site: Site, units: Sequence[int]) -> None:
        self.kind, self.site, self.units = kind, site, units

    def __call__(self, x: Tensor) -> Tensor:
        return self.kind.removal(self.site, x, self.units)


@dataclass(frozen=True, kw_only=True)
class Features(Kind):
    """Features of dictionaries, located by integrated gradients with a contrast."""

    name: str
    loaded: LoadedModel
    dictionaries: Mapping[Site, Dictionary] = field(repr=False)

    def located(self, fact: Fact, count: int) -> list[Unit]:
        """By attribution, less what the same relation's questions about others have of it."""
        attribution = FeatureAttribution(steps=STEPS)
        found = attribution.fit(self.loaded, fact.locating, fact.theirs, self.dictionaries)
        return _ranked(found.scores, count)

    def codes(self, site: Site, x: Tensor) -> Tensor:
        """F - f̄."""
        dictionary = self.dictionaries[site]
        return dictionary.encode(x) - dictionary.baseline

    def removal(self, site: Site, x: Tensor, units: Sequence[int]) -> Tensor:
        """X - Σ (f_j - f̄_j) d_j."""
        chosen = torch.tensor(units, device=x.device)
        return x - self.codes(site, x)[..., chosen] @ self.dictionaries[site].directions[chosen]

    def sites(self) -> list[Site]:
        """Those of the dictionaries."""
        return list(self.dictionaries)

    def dictionary(self, site: Site) -> Dictionary:
        """The site's own."""
        return self.dictionaries[site]


@dataclass(frozen=True, kw_only=True)
class Neurons(Kind):
    """Neurons of every MLP, located by the attribution of knowledge neurons."""

    name: str
    loaded: LoadedModel

    def located(self, fact: Fact, count: int) -> list[Unit]:
        """By the mean attribution over wordings, less what the same relation's questions about others have of it."""
        mine, theirs = self._attributed(fact.locating), self._attributed(fact.theirs)
        return _ranked({site: own - theirs[site].clamp(min=0) for site, own in mine.items()}, count)

    def _attributed(self, sequences: Sequence[TokenSequence]) -> dict[Site, Float[Tensor, " units"]]:
        """Mean over sequences of the attribution of their answers' tokens."""
        sums: dict[Site, Tensor] = {}
        for one in score_neurons(self.loaded, sequences):
            for site, score in one.scores.items():
                share = score / (one.tokens * len(sequences))
                sums[site] = sums[site] + share if site in sums else share
        return sums

    def codes(self, site: Site, x: Tensor) -> Tensor:  # noqa: ARG002
        """The activations themselves."""
        return x

    def removal(self, site: Site, x: Tensor, units: Sequence[int]) -> Tensor:  # noqa: ARG002
        """Those neurons at 0."""
        changed = x.clone()
        changed[..., list(units)] = 0.0
        return changed

    def sites(self) -> list[Site]:
        """Every layer."""
        return neuron_sites(self.loaded.model)

    def dictionary(self, site: Site) -> Dictionary:
        """Each neuron, where it is positive, as a feature."""
        name, transposed = _projection(self.loaded, site)
        rows, columns = self.loaded.model.get_parameter(name).shape
        width = int(rows if transposed else columns)
        basis = ARCHITECTURES["relu"](DictionaryConfig(site=site, width=width, features=width))
        with torch.no_grad():
            basis.W_enc.copy_(torch.eye(width))
            basis.W_dec.copy_(torch.eye(width))
        return basis.requires_grad_(False).eval()


@dataclass(frozen=True, kw_only=True)
class AtRandom(Kind):
    """As many units of another kind, drawn from those that are on somewhere in a fact's wordings."""

    like: Kind
    seed: int
    true: Mapping[int, Sequence[Unit]] = field(default_factory=dict, repr=False)
    """Of facts by number, what the other kind located, where that is known."""

    @property
    def name(self) -> str:  # type: ignore[override]  # of the kind it is like
        """'random neurons'."""
        return f"random {self.like.name}"

    @property
    def loaded(self) -> LoadedModel:  # type: ignore[override]
        """The same model."""
        return self.like.loaded

    def located(self, fact: Fact, count: int) -> list[Unit]:
        """Drawn; none of those that were located."""
        true = set(self.true.get(fact.number) or self.like.located(fact, count))
        active = [
            Unit(site, int(unit))
            for site, rows in self.like.readings(fact.locating).items()
            for unit in rows.amax(0).nonzero()[:, 0]
        ]
        free = [unit for unit in active if unit not in true]
        generator = torch.Generator().manual_seed(1000 * self.seed + fact.number)
        order = torch.randperm(len(free), generator=generator).tolist()
        return [free[place] for place in order[:count]]

    def codes(self, site: Site, x: Tensor) -> Tensor:
        """As of the kind it is like."""
        return self.like.codes(site, x)

    def removal(self, site: Site, x: Tensor, units: Sequence[int]) -> Tensor:
        """As of the kind it is like."""
        return self.like.removal(site, x, units)

    def sites(self) -> list[Site]:
        """As of the kind it is like."""
        return self.like.sites()

    def dictionary(self, site: Site) -> Dictionary:
        """As of the kind it is like."""
        return self.like.dictionary(site)


def _ranked(scores: Mapping[Site, Float[Tensor, " units"]], count: int) -> list[Unit]:
    """Units of the highest positive scores over all sites."""
    every = [
        (float(value), Unit(site, index))
        for site, own in scores.items()
        for value, index in zip(*map(Tensor.tolist, own.topk(min(count, len(own)))), strict=True)
    ]
    best = sorted(every, key=lambda item: (-item[0], item[1]))[:count]
    return [unit for value, unit in best if value > 0]


def _projection(loaded: LoadedModel, site: Site) -> tuple[str, bool]:
    problem = EditProblem(loaded=loaded, erase=(), chance=(), retain=())
    return problem.parameter(Site(site.layer))


def _placed(sequences: Sequence[TokenSequence]) -> list[TokenSequence]:
    from dataclasses import replace

    return [replace(sequence, index=place) for place, sequence in enumerate(sequences)]
