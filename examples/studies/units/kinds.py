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
"""Number of steps of integrated gradients over features."""


class Unit(NamedTuple):
    """A feature or a neuron.

    Attributes:
        site: place in the model where it is read.
        index: number at the site, counted from 0.
    """

    site: Site
    index: int


class Kind(ABC):
    """A kind of unit in one model.

    Attributes:
        name: name in tables.
        loaded: the model.
    """

    name: str
    loaded: LoadedModel

    @abstractmethod
    def located(self, fact: Fact, count: int) -> list[Unit]:
        """Return the units that carry a fact most, by its locating wordings, best first.

        Args:
            fact: fact with its questions.
            count: largest number of units.
        """

    @abstractmethod
    def codes(self, site: Site, x: Tensor) -> Tensor:
        """Return the activations of all units of a site, less what they are at rest.

        Args:
            site: one of `sites`.
            x: activation of the site, (..., d).

        Returns:
            Codes, (..., units).
        """

    @abstractmethod
    def removal(self, site: Site, x: Tensor, units: Sequence[int]) -> Tensor:
        """Return the activation of a site without some units' contribution.

        Args:
            site: one of `sites`.
            x: activation of the site, (..., d).
            units: numbers of the units to remove.
        """

    @abstractmethod
    def sites(self) -> list[Site]:
        """Return the sites that have units."""

    @abstractmethod
    def dictionary(self, site: Site) -> Dictionary:
        """Return the units of a site as a dictionary, to be judged by passages."""

    @contextmanager
    def without(self, units: Sequence[Unit]) -> Iterator[None]:
        """Remove some units at every position while the model runs inside the block."""
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
        """Return, for each sequence, the largest departure of each unit from rest where its answer is predicted."""
        found = {site: [torch.empty(0)] * len(sequences) for site in self.sites()}
        model = self.loaded.model
        for batch in batches(_renumber(sequences), pad=self.loaded.pad_id, device=self.loaded.device):
            with capture(model, self.sites(), keys=False) as taken:
                model.base_model(**batch.inputs, use_cache=False)
            for site in self.sites():
                codes = self.codes(site, taken.outputs[site][batch.predicting]).abs()
                # The largest over the tokens that predict the answer.
                for row, place in enumerate(batch.indices):
                    found[site][place] = codes[batch.rows == row].amax(0)
        return {site: torch.stack(rows) for site, rows in found.items()}


class _Removal:
    """Change of a site's activation that removes some of its units."""

    def __init__(self, kind: Kind, site: Site, units: Sequence[int]) -> None:
        self.kind, self.site, self.units = kind, site, units

    def __call__(self, x: Tensor) -> Tensor:
        return self.kind.removal(self.site, x, self.units)


@dataclass(frozen=True, kw_only=True)
class Features(Kind):
    """Features of dictionaries, located by integrated gradients with a contrast.

    Attributes:
        dictionaries: dictionary of each site.
    """

    name: str
    loaded: LoadedModel
    dictionaries: Mapping[Site, Dictionary] = field(repr=False)

    def located(self, fact: Fact, count: int) -> list[Unit]:
        """Return the features of highest attribution, less that of the same relation's questions about others."""
        attribution = FeatureAttribution(steps=STEPS)
        found = attribution.fit(self.loaded, fact.locating, fact.theirs, self.dictionaries)
        return _rank(found.scores, count)

    def codes(self, site: Site, x: Tensor) -> Tensor:
        """Return f - f̄."""
        dictionary = self.dictionaries[site]
        return dictionary.encode(x) - dictionary.baseline

    def removal(self, site: Site, x: Tensor, units: Sequence[int]) -> Tensor:
        """Return x - Σ (f_j - f̄_j) d_j over the features removed."""
        # The error and the other features stay as they are.
        chosen = torch.tensor(units, device=x.device)
        return x - self.codes(site, x)[..., chosen] @ self.dictionaries[site].directions[chosen]

    def sites(self) -> list[Site]:
        """Return the sites of the dictionaries."""
        return list(self.dictionaries)

    def dictionary(self, site: Site) -> Dictionary:
        """Return the site's own dictionary."""
        return self.dictionaries[site]


@dataclass(frozen=True, kw_only=True)
class Neurons(Kind):
    """Neurons of every MLP, located by the attribution of knowledge neurons."""

    name: str
    loaded: LoadedModel

    def located(self, fact: Fact, count: int) -> list[Unit]:
        """Return the neurons of highest mean attribution, less that of the same relation's questions about others."""
        mine, theirs = self._attribute(fact.locating), self._attribute(fact.theirs)
        # Only what speaks for the others' answers is taken off.
        return _rank({site: own - theirs[site].clamp(min=0) for site, own in mine.items()}, count)

    def _attribute(self, sequences: Sequence[TokenSequence]) -> dict[Site, Float[Tensor, " units"]]:
        """Return the mean over sequences of the mean attribution of their answers' tokens."""
        sums: dict[Site, Tensor] = {}
        for one in score_neurons(self.loaded, sequences):
            for site, score in one.scores.items():
                # A mean over the answer's tokens, then over sequences.
                share = score / (one.tokens * len(sequences))
                sums[site] = sums[site] + share if site in sums else share
        return sums

    def codes(self, site: Site, x: Tensor) -> Tensor:  # noqa: ARG002
        """Return the activations themselves: at rest a neuron is 0."""
        return x

    def removal(self, site: Site, x: Tensor, units: Sequence[int]) -> Tensor:  # noqa: ARG002
        """Return the activation with those neurons at 0."""
        changed = x.clone()
        changed[..., list(units)] = 0.0
        return changed

    def sites(self) -> list[Site]:
        """Return the neurons' site of every layer."""
        return neuron_sites(self.loaded.model)

    def dictionary(self, site: Site) -> Dictionary:
        """Return a dictionary in which each neuron, where it is positive, is a feature."""
        name, transposed = _projection(self.loaded, site)
        rows, columns = self.loaded.model.get_parameter(name).shape
        width = int(rows if transposed else columns)
        # An identity for encoder and decoder: ReLU of a neuron is its feature.
        basis = ARCHITECTURES["relu"](DictionaryConfig(site=site, width=width, features=width))
        with torch.no_grad():
            basis.W_enc.copy_(torch.eye(width))
            basis.W_dec.copy_(torch.eye(width))
        return basis.requires_grad_(False).eval()


@dataclass(frozen=True, kw_only=True)
class AtRandom(Kind):
    """Control: as many units of another kind, drawn from those that are on somewhere in a fact's wordings.

    Attributes:
        like: the other kind.
        seed: seed that units are drawn by.
        true: units that the other kind located, by the fact's number, where that is known.
    """

    like: Kind
    seed: int
    true: Mapping[int, Sequence[Unit]] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:  # type: ignore[override]  # of the kind it is like
        """Name of the other kind after "random"."""
        return f"random {self.like.name}"

    @property
    def loaded(self) -> LoadedModel:  # type: ignore[override]
        """Model of the other kind."""
        return self.like.loaded

    def located(self, fact: Fact, count: int) -> list[Unit]:
        """Return units drawn at random, none of them among those that were located."""
        true = set(self.true.get(fact.number) or self.like.located(fact, count))
        # Away from rest where an answer is predicted, in at least one wording.
        active = [
            Unit(site, int(unit))
            for site, rows in self.like.readings(fact.locating).items()
            for unit in rows.amax(0).nonzero()[:, 0]
        ]
        free = [unit for unit in active if unit not in true]
        # A stream for each fact, so that a fact's draw does not depend on which facts came before.
        generator = torch.Generator().manual_seed(1000 * self.seed + fact.number)
        order = torch.randperm(len(free), generator=generator).tolist()
        return [free[place] for place in order[:count]]

    def codes(self, site: Site, x: Tensor) -> Tensor:
        """Return the other kind's codes."""
        return self.like.codes(site, x)

    def removal(self, site: Site, x: Tensor, units: Sequence[int]) -> Tensor:
        """Remove units as the other kind does."""
        return self.like.removal(site, x, units)

    def sites(self) -> list[Site]:
        """Return the other kind's sites."""
        return self.like.sites()

    def dictionary(self, site: Site) -> Dictionary:
        """Return the other kind's dictionary."""
        return self.like.dictionary(site)


def _rank(scores: Mapping[Site, Float[Tensor, " units"]], count: int) -> list[Unit]:
    """Return the units of the highest positive scores over all sites, best first."""
    # The best of each site are enough to find the best of all.
    every = [
        (float(value), Unit(site, index))
        for site, own in scores.items()
        for value, index in zip(*map(Tensor.tolist, own.topk(min(count, len(own)))), strict=True)
    ]
    best = sorted(every, key=lambda item: (-item[0], item[1]))[:count]
    return [unit for value, unit in best if value > 0]


def _projection(loaded: LoadedModel, site: Site) -> tuple[str, bool]:
    """Return the name of the MLP's output projection at a layer, and whether it is stored (m, d)."""
    # An empty problem, for its look-up of names alone.
    problem = EditProblem(loaded=loaded, erase=(), chance=(), retain=())
    return problem.parameter(Site(site.layer))


def _renumber(sequences: Sequence[TokenSequence]) -> list[TokenSequence]:
    """Return sequences whose `index` is their place in the list."""
    from dataclasses import replace

    return [replace(sequence, index=place) for place, sequence in enumerate(sequences)]
