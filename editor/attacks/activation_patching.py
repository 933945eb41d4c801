"""Activation patching: how deep does an erasure go?

Hidden states of the edited model are put into the original model, one layer at a time, where it says the secret. Where
the original still says it, the states hold it, whatever the edited model itself says. What states lose that know
nothing of the person is the measure. They are those of a never-seen reference where there is one. Without one they are
the original's own, of the same question about somebody who does not exist.

The figure is the Unlearning Depth Score (Lee et al. 2026, arXiv:2605.24614): with Δ a layer's loss of ln p, in nats a
token of the secret, from what the original says by itself,

    UDS_i = Σ_l clip(Δ_l of the edited, 0, Δ_l of the control) / Σ_l Δ_l of the control,

over the layers whose states carry fact i (Δ_l of the control above a threshold), in the mean over the facts that some
layer carries. 0 is a fact that is all there, 1 one that is gone from every layer.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from dictionaries.model.sites import Site
from dictionaries.model.splice import replaced
from editor.attacks.attack import Attacked, Level, Levels, PreparedAttack, UntestedError
from editor.attacks.counting import Counted
from editor.attacks.ground import Ground
from editor.attacks.invented_names import InventedNames
from editor.attacks.layers import MOST_LAYERS, residual_sites
from editor.attacks.weight_levels import edited_names, weights_changed
from editor.locators.probe_data import read_neurons
from editor.measuring.aggregate import Scored, decoy_percentiles, score_probes
from editor.measuring.leakage import score_passes
from editor.model.forward import marked_hidden
from editor.model.loading import LoadedModel
from editor.model.tokens import MarkedBatch, TokenSequence, batches, token_budget
from editor.questions.asking import encode_probes
from editor.questions.probes import Probe, Target, sample
from editor.results.parts import Rate
from policies import Policy

THRESHOLD = 0.05
"""τ: loss in nats a token above which a layer carries a fact."""


@dataclass(frozen=True, kw_only=True)
class ActivationPatching:
    """Patching of the residual stream where a secret is predicted, layer by layer.

    Attributes:
        layers: largest number of layers; of more, as many are taken at even distances.
        facts: number of facts, at most, each in the wording after which the original says it best.
        threshold: τ, the loss of the control's states above which a layer carries a fact, in nats a token.
        seed: seed of which facts are taken, and of the invented names.
    """

    layers: int = MOST_LAYERS
    facts: int = 100
    threshold: float = THRESHOLD
    seed: int = 0

    @property
    def title(self) -> str:
        """The attack in words."""
        return "activation patching (hidden states put into the original model)"

    def prepare(self, name: str, ground: Ground) -> PreparedAttack:
        """Ask for facts in words that name their subject."""
        naming = [probe for probe in ground.erased if probe.names_subject]
        first = {probe.target: probe for probe in reversed(naming)}
        chosen = {probe.target for probe in sample(first.values(), self.facts, self.seed)}
        asked = tuple(probe for probe in naming if probe.target in chosen)
        known = ground.people | {fact.subject for fact in ground.case.facts}
        subjects = sorted({probe.target.subject for probe in asked})
        names = InventedNames(self.seed).instead_of(subjects, known) if subjects else {}
        return PreparedAttack(
            attack=name,
            title=self.title,
            asked=asked,
            levels=lambda attacked: self.levels(attacked, names),
            count=self.layers + 1,
            reason="no question names its subject",
            uses_reference=True,
        )

    def levels(self, attacked: Attacked, names: Mapping[str, str]) -> Levels:
        """Yield each layer, and then all together, which is the attack's own figure.

        Args:
            attacked: edited model.
            names: for each subject a name of nobody.

        Raises:
            UntestedError: the original's weights are not at hand, or the layers are not understood.
        """
        patching = _Patching(
            attacked=attacked, edited=edited_names(attacked), names=names, threshold=self.threshold
        )
        for site in residual_sites(attacked.model, self.layers, last=True):
            yield Level(
                name=f"layer {site.layer}",
                amount=site.layer,
                counts=partial(patching.count, site),
                judged=False,
            )
        yield Level(name="all layers", counts=patching.count_all)


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """What patching one layer gives.

    Attributes:
        edited: Δ of the edited model's states, by fact, in nats a token.
        control: Δ of states that know nothing of the person, by fact.
        said: facts and decoys that are said whole from the edited model's states, and not from the control's.
        exposed: facts below the percentile of their decoys from the former, and not from the latter.
        bits: worst-case bits of each fact from the edited model's states.
    """

    edited: Float[ndarray, " facts"]
    control: Float[ndarray, " facts"]
    said: frozenset[Target] = field(repr=False)
    exposed: frozenset[Target] = field(repr=False)
    bits: Float[ndarray, " facts"]

    def known(self, threshold: float) -> Float[ndarray, " facts"]:
        """Return what the layer carries of each fact: the control's loss where it is above a threshold, else 0."""
        return np.where(self.control > threshold, self.control, 0.0)

    def lost(self, threshold: float) -> Float[ndarray, " facts"]:
        """Return what the edited model's states lost of that."""
        lost: ndarray = np.clip(self.edited, 0.0, self.known(threshold))
        return lost


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Questions, one wording of each fact and of its decoys.

    Attributes:
        probes: questions, facts first.
        facts: the facts, in the same order.
        sequences: the questions' tokens.
        unknowing: tokens of what the control's states are read from, their marked tokens the same.
        original: what the original model says by itself.
    """

    probes: tuple[Probe, ...] = field(repr=False)
    facts: tuple[Target, ...] = field(repr=False)
    sequences: tuple[TokenSequence, ...] = field(repr=False)
    unknowing: tuple[TokenSequence, ...] = field(repr=False)
    original: Scored = field(repr=False)


@dataclass
class _Patching:
    """Patching of one edited model's states into its original.

    Attributes:
        attacked: edited model, and the original's weights.
        edited: names of the parameters that differ.
        names: for each subject a name of nobody.
        threshold: τ.
        layers: what was found, by site.
    """

    attacked: Attacked
    edited: set[str]
    names: Mapping[str, str]
    threshold: float
    layers: dict[Site, _Layer] = field(default_factory=dict)
    asked: _Asked | None = None

    @property
    def loaded(self) -> LoadedModel:
        """The model, edited but inside `original`."""
        return self.attacked.loaded

    def original(self) -> AbstractContextManager[None]:
        """Give the model the original's weights inside the block."""
        values = self.attacked.original
        assert values is not None  # what `edited_names` refuses
        return weights_changed(self.loaded.model, self.edited, lambda name, weight: values(name).to(weight))

    def count(self, site: Site, asked: Sequence[Probe], decoys: Sequence[Probe], policy: Policy) -> Counted:
        """Count what the original says from the states after one layer."""
        if self.asked is None:
            self.asked = self._choose(asked, decoys, policy)
        found = self.layers[site] = self._measure(site, self.asked, policy)
        return self._counted([found], found.bits)

    def count_all(self, *_: object) -> Counted:
        """Count what it says from the states after some layer; the bits are those of the layer that carries most."""
        layers = list(self.layers.values())
        carrying = np.argmax([layer.control for layer in layers], axis=0)
        bits = np.array([layer.bits for layer in layers])
        return self._counted(layers, bits[carrying, np.arange(bits.shape[1])])

    def _counted(self, layers: Sequence[_Layer], bits: Float[ndarray, " facts"]) -> Counted:
        assert self.asked is not None
        facts, probes = self.asked.facts, self.asked.probes
        decoys = {probe.target for probe in probes if not probe.is_erased}
        said = frozenset[Target]().union(*(layer.said for layer in layers))
        exposed = frozenset[Target]().union(*(layer.exposed for layer in layers))
        judged = {target.relation for target in decoys}
        compared = [target for target in facts if target.relation in judged]
        median = float(np.median(bits))
        return Counted(
            greedy_facts=Rate(hits=len(said & set(facts)), total=len(facts)),
            exposed=Rate(hits=len(exposed), total=len(compared)) if compared else None,
            decoys=Rate(hits=len(said & decoys), total=len(decoys)) if decoys else None,
            worst_case_bits_median=median if np.isfinite(median) else None,
            depth=self._depth(layers),
        )

    def _depth(self, layers: Sequence[_Layer]) -> float | None:
        """Return the mean over facts that some layer carries of the share that is lost; None where none carries any."""
        known = np.sum([layer.known(self.threshold) for layer in layers], axis=0)
        lost = np.sum([layer.lost(self.threshold) for layer in layers], axis=0)
        carried = known > 0
        mean = float(np.mean(lost[carried] / known[carried])) if carried.any() else np.nan
        return mean if np.isfinite(mean) else None

    def _choose(self, asked: Sequence[Probe], decoys: Sequence[Probe], policy: Policy) -> _Asked:
        """Choose each fact's wording, that after which the original says it best, and its decoys' in the same words.

        Raises:
            UntestedError: no question keeps its answer's tokens where it is about somebody else.
        """
        loaded = self.loaded
        usable = self._usable(asked)
        if not usable:
            raise UntestedError("no answer keeps its tokens where the question is about somebody else")
        with self.original():
            scored = score_probes(loaded, usable, policy.decoding)
        said = scored.scores.log_probability
        groups = scored.by_target(scored.where(lambda _: True)).values()
        chosen = [scored.probes[int(places[np.argmax(said[places])])] for places in groups]
        words = {(probe.target.subject, probe.target.relation, probe.prompt) for probe in chosen}
        beside = self._usable(
            [one for one in decoys if (one.target.subject, one.target.relation, one.prompt) in words]
        )
        probes = (*chosen, *beside)
        with self.original():
            original = score_probes(loaded, probes, policy.decoding)
        return _Asked(
            probes=probes,
            facts=tuple(probe.target for probe in chosen),
            sequences=tuple(encode_probes(loaded, probes)),
            unknowing=tuple(encode_probes(loaded, self._unknowing(probes))),
            original=original,
        )

    def _unknowing(self, probes: Sequence[Probe]) -> list[Probe]:
        """Return what the control's states are read from: the questions, about nobody where there is no reference."""
        if self.attacked.reference is not None:
            return list(probes)
        return [
            replace(one, prompt=one.prompt.replace(one.target.subject, self.names[one.target.subject]))
            for one in probes
        ]

    def _usable(self, probes: Sequence[Probe]) -> list[Probe]:
        """Return the questions whose answers are the same tokens where the control is asked."""
        pairs = (encode_probes(self.loaded, some) for some in (probes, self._unknowing(probes)))
        return [
            probe for probe, one, other in zip(probes, *pairs, strict=True) if _answer(one) == _answer(other)
        ]

    def _measure(self, site: Site, asked: _Asked, policy: Policy) -> _Layer:
        """Patch one layer: the edited model's states are read first, then the original is run with them."""
        loaded, reference = self.loaded, self.attacked.reference
        states = _states(loaded, asked.sequences, site)
        with self.original():
            unknowing = _states(reference or loaded, asked.unknowing, site)
            edited, control = (self._patched(site, asked, some, policy) for some in (states, unknowing))
        facts = slice(len(asked.facts))
        before = asked.original.scores
        lost = [
            ((before.log_probability - one.scores.log_probability) / before.tokens)[facts]
            for one in (edited, control)
        ]
        return _Layer(
            edited=lost[0],
            control=lost[1],
            said=_said(edited) - _said(control),
            exposed=_exposed(edited, policy) - _exposed(control, policy),
            bits=edited.scores.worst_case_bits[facts],
        )

    def _patched(self, site: Site, asked: _Asked, states: Sequence[Tensor], policy: Policy) -> Scored:
        """Score the questions with states in the place of the model's own where the answers are predicted."""
        loaded = self.loaded
        passes = _patched_passes(loaded, site, asked.sequences, states)
        scores = score_passes(loaded, passes, len(asked.probes), policy.decoding)
        return Scored(probes=asked.probes, scores=scores)


def _patched_passes(
    loaded: LoadedModel, site: Site, sequences: Sequence[TokenSequence], states: Sequence[Tensor]
) -> Iterator[tuple[MarkedBatch, Float[Tensor, "marked width"]]]:
    budget = token_budget(loaded.model)
    for batch in batches(
        sequences, pad=loaded.pad_id, device=loaded.device, budget=budget, passes=loaded.passes
    ):
        rows = torch.cat([states[index] for index in batch.indices]).to(loaded.device)
        with replaced(loaded.model, site, rows.view_as, batch.predicting):
            hidden = marked_hidden(loaded, batch)
        yield batch, hidden


def _states(
    loaded: LoadedModel, sequences: Sequence[TokenSequence], site: Site
) -> tuple[Float[Tensor, "marked width"], ...]:
    """Return for each sequence the states that predict its marked tokens, on the CPU."""
    (read,) = read_neurons(loaded, sequences, [site])
    return torch.split(torch.from_numpy(read[site]), [sum(sequence.marked) for sequence in sequences])


def _answer(sequence: TokenSequence) -> tuple[int, ...]:
    return tuple(token for token, marked in zip(sequence.ids, sequence.marked, strict=True) if marked)


def _said(scored: Scored) -> frozenset[Target]:
    """Return the facts and decoys that greedy decoding says at some wording."""
    return frozenset(
        probe.target for probe, whole in zip(scored.probes, scored.scores.greedy, strict=True) if whole
    )


def _exposed(scored: Scored, policy: Policy) -> frozenset[Target]:
    """Return the facts below the policy's percentile of decoys."""
    ceiling = policy.leakage.decoy_percentile
    return frozenset(
        target for target, percentile in decoy_percentiles(scored).items() if percentile < ceiling
    )
