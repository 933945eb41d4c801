"""The problem an edit method solves: what to erase, what to keep, and where to look.

It is gathered once and handed to every method, so that methods differ in nothing but what they do.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries import Dictionary
from dictionaries.model.sites import Site, Stream, capture, decoder_layers, resolve, writing_sites
from editor.kept_work import NOTHING_KEPT, Form, KeptWork, digest_of
from editor.locators.blocks import key_makers
from editor.locators.features import Attribution
from editor.locators.kept import ATTRIBUTION, described
from editor.locators.neurons import NeuronScores, neuron_sites, score_neurons
from editor.model.forward import marked_hidden
from editor.model.loading import LoadedModel
from editor.model.tokens import MarkedBatch, TokenSequence, padded_tokens
from editor.processes import group
from editor.questions.probes import Probe
from editor.questions.retained import add_log_p, log_p_of, text_batches

T = TypeVar("T")
NOTHING_LOCATED = Attribution(scores={}, raw={}, remainder=0.0, total_effect=0.0)
COMPUTED: Mapping[str, Stream] = {"mlp_hidden": "mlp_out", "attn_heads": "attn_out"}
"""Streams that a layer computes, and those whose projection reads them."""
KEPT_SCORES = 2**26
"""Scores of single sequences' neurons that are kept: 256 MiB."""


class Locator(Protocol):
    """Scorer of units by a problem. A value: equal settings, equal scores."""

    def locate(self, problem: "EditProblem") -> Attribution:
        """Return the scores; the model is left as it was."""
        ...


@dataclass(frozen=True, kw_only=True)
class RetainedReading:
    """The retained text as the original model reads it.

    Attributes:
        covariance: C₀ by writing site.
        log_p: sum of ln p of each text's marked tokens, in nats.
    """

    covariance: Mapping[Site, Float[Tensor, "m m"]] = field(repr=False)
    log_p: Float[Tensor, " texts"] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class EditProblem:
    """What every edit method is given, all of it from the locating split.

    Attributes:
        loaded: model; methods leave it as it was, bit for bit.
        erase: probes whose answers must go; `index` is their place.
        chance: for each of them, ln p of its answer's tokens by chance alone (`editor.questions.chance`), in nats;
            0 where format fixes the token.
        retain: texts whose marked tokens must stay.
        questions: questions about what must stay, answers marked; there, facts stand by themselves.
        facts: for each of the probes to erase, the number of the fact that it asks for; by default each probe asks
            for a fact of its own.
        others: probes of the same relations about other people: what the erased facts are told from.
        asked: the probes to erase before they were tokens, in the same order; for locators that need to know whom
            they are about.
        comparable: every probe of the same relations about other people; a sample where there are very many.
        dictionaries: dictionary of each site whose features may be edited; none for methods that need none.
        attribution: scores of the dictionaries' features.
        work: what a run that may be killed keeps of what was located.
    """

    loaded: LoadedModel
    erase: Sequence[TokenSequence] = field(repr=False)
    chance: Sequence[Float[Tensor, " tokens"]] = field(repr=False)
    retain: Sequence[TokenSequence] = field(repr=False)
    questions: Sequence[TokenSequence] = field(default=(), repr=False)
    facts: Sequence[int] = field(default=(), repr=False)
    others: Sequence[TokenSequence] = field(default=(), repr=False)
    asked: Sequence[Probe] = field(default=(), repr=False)
    comparable: Sequence[Probe] = field(default=(), repr=False)
    dictionaries: Mapping[Site, Dictionary] = field(default_factory=dict, repr=False)
    attribution: Attribution = field(default=NOTHING_LOCATED, repr=False)
    work: KeptWork = field(default=NOTHING_KEPT, repr=False)
    _located: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _retained: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _neurons: dict[Hashable, NeuronScores] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def changed(self, **changes: Any) -> "EditProblem":
        """Return the same problem with other fields; what was read of the retained text and of neurons is kept."""
        other = replace(self, **changes)
        if not {"retain", "questions", "loaded", "dictionaries"} & set(changes):
            other.__dict__["_retained"] = self._retained
        if "loaded" not in changes:
            other.__dict__["_neurons"] = self._neurons
        return other

    @cached_property
    def digest(self) -> str:
        """Digest of everything that locators and methods are given, but the weights."""
        return digest_of(
            [
                *(self.erase, self.chance, self.retain, self.questions, self.facts, self.others),
                *(self.asked, self.comparable, described(self.dictionaries), self.attribution),
                str(self.loaded.device),
            ]
        )

    @cached_property
    def retained(self) -> Sequence[TokenSequence]:
        """All that must stay: the texts, then the questions."""
        return (*self.retain, *self.questions)

    @property
    def sites(self) -> list[Site]:
        """Sites that the dictionaries read, shallowest first; without any, what every layer's MLP writes."""
        if not self.dictionaries:
            return [Site(layer) for layer in range(len(decoder_layers(self.loaded.model)))]
        return sorted(self.dictionaries)

    @property
    def fact_of(self) -> Sequence[int]:
        """For each of the probes to erase, the number of its fact."""
        return self.facts or range(len(self.erase))

    def located(self, locator: Locator) -> Attribution:
        """Return what a locator finds, found once. The model must be the original one."""
        return self.once(
            cast(Hashable, locator),
            lambda: self.keep("located", locator, ATTRIBUTION, lambda: locator.locate(self)),
        )

    def keep(self, name: str, locator: Any, form: Form[T], find: Callable[[], T]) -> T:
        """Return what a locator finds, which a run that was killed has found once.

        Args:
            name: of the kind of work.
            locator: everything besides the problem that it is found by.
            form: how it is kept.
            find: finds it.
        """
        if self.work.folder is None:
            return form.settle(find())
        return self.work.once(name, (locator, self.digest), form, find)

    def once(self, key: Hashable, find: Callable[[], T]) -> T:
        """Return what `find` returns, which is called once for equal keys. The model must be the original one."""
        if key not in self._located:
            self._located[key] = find()
        found: T = self._located[key]
        return found

    def once_retained(self, key: Hashable, find: Callable[[], T]) -> T:
        """Return what `find` reads of what must stay, once for all problems that keep it. The model is the original."""
        if key not in self._retained:
            self._retained[key] = find()
        found: T = self._retained[key]
        return found

    def neuron_scores(self, steps: int) -> Iterator[NeuronScores]:
        """Yield every neuron's scores for each probe to erase; known ones come from problems with the same model."""
        sites = neuron_sites(self.loaded.model)
        for sequence in self.erase:
            key = (sequence.ids, sequence.marked, steps)
            found = self._neurons.get(key)
            if found is None:
                (found,) = score_neurons(self.loaded, [sequence], steps=steps, sites=sites)
                if len(self._neurons) * found.size < KEPT_SCORES:
                    self._neurons[key] = found
            yield found

    def projections(self, site: Site) -> list[str]:
        """Name the weights that change with the site's units: of what reads the neurons, or of what writes the site.

        Those of an MLP's output projection include the ones that make its keys.
        """
        if site.stream in COMPUTED:
            return [self.parameter(Site(site.layer, COMPUTED[site.stream]))[0]]
        writing = self.writing([site])
        layers = [one.layer for one in writing if one.stream == "mlp_out"]
        makers = [weight.name for layer in layers for weight in key_makers(self.loaded.model, layer)]
        writers = (writer for one in writing for writer in resolve(self.loaded.model, one).writers)
        return [*(writer.name for writer in writers), *makers]

    def writing(self, sites: Iterable[Site]) -> list[Site]:
        """Return the sites whose projections write what some sites read, shallowest first: an edit changes those.

        Raises:
            DictionaryError: a site is not in the residual stream, so that no projection writes it.
        """
        return sorted({one for site in sites for one in writing_sites(site)})

    @property
    def retained_covariance(self) -> Mapping[Site, Float[Tensor, "m m"]]:
        """C₀ by writing site: mean of kkᵀ over all tokens of the retained text that predict a marked token."""
        return self.retained_reading.covariance

    @property
    def retained_log_p(self) -> Float[Tensor, " texts"]:
        """Sum of ln p of the marked tokens of each text and question that must stay, in nats."""
        return self.retained_reading.log_p

    @property
    def retained_reading(self) -> "RetainedReading":
        """What methods use of the retained text, read in one pass. The model must be the original one."""
        return self.once_retained("reading", self._read_retained)

    def _read_retained(self) -> "RetainedReading":
        model = self.loaded.model
        sums: dict[Site, Tensor] = {}
        log_p = torch.zeros(len(self.retained), device=self.loaded.device)
        tokens = 0
        placed = [replace(sequence, index=place) for place, sequence in enumerate(self.retained)]

        def read(batch: MarkedBatch) -> tuple[Tensor, dict[Site, Tensor]]:
            found = {}
            with torch.no_grad(), capture(model, self.writing(self.sites), outputs=False) as taken:
                own = log_p_of(self.loaded, batch, marked_hidden(self.loaded, batch))
            for site, keys in taken.keys.items():
                chosen = keys[batch.predicting].float()
                found[site] = chosen.T @ chosen
            return own, found

        listed = list(text_batches(self.loaded, placed))
        # What comes of a batch is as large as the result.
        readings = group().each("moments", listed, read, cost=padded_tokens, at_a_time=1)
        for batch, (own, found) in zip(listed, readings, strict=True):
            add_log_p(log_p, batch, own)
            for site, square in found.items():
                sums[site] = sums.get(site, torch.zeros((), device=square.device)) + square
            tokens += len(batch.targets)
        return RetainedReading(
            covariance={site: total / max(1, tokens) for site, total in sums.items()}, log_p=log_p
        )

    def parameter(self, site: Site) -> tuple[str, bool]:
        """Return the name of the projection that writes the site, and whether it is stored (m, d)."""
        found = resolve(self.loaded.model, site)
        return found.projection_name, found.transposed
