"""Fact lookup: the MLPs after which a probe reads the fact better than before them.

Each relation's probes ask about many people. The label of a probe is the first token of its answer that differs from
person to person. A linear probe (ridge regression on one-hot labels) reads it from the residual stream after a layer
and from the same without what the layer's MLP added, at the last token of the person's name and at the token that
predicts the label. It is fitted on some wordings and judged on others of the same people.

A name tells its bearer apart, so a probe can memorise anybody's label. What it memorises is measured on labels
reshuffled among the people (Hewitt & Liang 2019, arXiv:1909.03368) and subtracted:

    selectivity = accuracy on the true labels - accuracy on reshuffled labels
    score of an MLP = its rise of selectivity, the larger one of both places, a mean over relations
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dictionaries.model.sites import Site, capture, decoder_layers
from editor.locators.features import Attribution
from editor.model.loading import LoadedModel
from editor.model.tokens import TokenSequence, batches
from editor.questions.asking import encode_probes, name_ends
from editor.questions.probes import Probe, Target
from policies.errors import CorpusError

if TYPE_CHECKING:
    from editor.locators.problem import EditProblem

PLACES = ("name", "answer")


@dataclass(frozen=True, kw_only=True)
class LayerReading:
    """Selectivity of probes around the MLP of each layer, means over relations.

    Attributes:
        before: place -> selectivity before the MLP, by layer.
        after: place -> selectivity after the MLP, by layer.
        accuracy: place -> accuracy on the true labels after the MLP, by layer.
    """

    before: dict[str, tuple[float, ...]]
    after: dict[str, tuple[float, ...]]
    accuracy: dict[str, tuple[float, ...]]

    @property
    def rises(self) -> tuple[float, ...]:
        """Scores of the MLPs, by layer."""
        return tuple(
            max(self.after[place][layer] - self.before[place][layer] for place in PLACES)
            for layer in range(len(self.after["answer"]))
        )

    def attribution(self) -> Attribution:
        """Return the scores by site, one unit for each layer."""
        scores = {Site(layer): torch.tensor([rise]) for layer, rise in enumerate(self.rises)}
        raw = {site: score.clone() for site, score in scores.items()}
        return Attribution(scores=scores, raw=raw, remainder=0.0, total_effect=0.0)


@dataclass(frozen=True, kw_only=True)
class FactLayers:
    """A locator that scores the MLP of every layer.

    Attributes:
        wordings: the most wordings of each fact; every third one judges.
        people: the most people for each relation: those whose facts are to go, and others.
        ridge: the probe's ridge, relative to the mean square of its inputs.
        deals: number of times that labels are reshuffled.
        seed: the seed of the reshuffling.
    """

    wordings: int = 6
    people: int = 100
    ridge: float = 0.1
    deals: int = 3
    seed: int = 0

    def locate(self, problem: "EditProblem") -> Attribution:
        """Score the MLPs for the relations of a problem's facts, one unit for each layer."""
        return self.read(problem.loaded, (*problem.asked, *problem.comparable)).attribution()

    def read(self, loaded: LoadedModel, probes: Sequence[Probe]) -> LayerReading:
        """Probe every layer. The model is left as it was.

        Raises:
            CorpusError: no relation has two people whose facts are asked for in two wordings.
        """
        questions = self._questions(loaded, probes)
        if not questions:
            raise CorpusError(
                "No relation has two people who are asked about in two wordings, so no probe can be fitted",
                "Give a corpus with more people, or a policy with `templates` for the entity types",
            )
        states = _states(loaded, [question for group in questions for question in group])
        sums: dict[str, list[Tensor]] = {name: [] for name in ("before", "after", "accuracy")}
        start = 0
        for group in questions:
            mine = states[start : start + len(group)]  # (questions, places, layers, 2, d)
            start += len(group)
            true, selective = self._selectivity(mine, group)
            sums["before"].append(selective[..., 0])
            sums["after"].append(selective[..., 1])
            sums["accuracy"].append(true[..., 1])
        means = {name: torch.stack(values).mean(0) for name, values in sums.items()}
        by_place = {
            name: {place: tuple(values[row].tolist()) for row, place in enumerate(PLACES)}
            for name, values in means.items()
        }
        return LayerReading(**by_place)

    def _questions(self, loaded: LoadedModel, probes: Sequence[Probe]) -> list[list["_Question"]]:
        """Return by relation the questions about people who are asked about in two wordings that name them."""
        facts: dict[str, dict[Target, list[Probe]]] = defaultdict(lambda: defaultdict(list))
        for probe in probes:
            if probe.names_subject:
                facts[probe.target.relation][probe.target].append(probe)
        groups = []
        for _, by_target in sorted(facts.items()):
            chosen = {t: mine[: self.wordings] for t, mine in by_target.items() if len(mine) > 1}
            kept = dict(list(chosen.items())[: self.people])
            group = _label_questions(loaded, kept) if kept else []
            if len({question.label for question in group}) > 1:
                groups.append(group)
        return groups

    def _selectivity(
        self, states: Float[Tensor, "questions places layers sides d"], group: Sequence["_Question"]
    ) -> tuple[Float[Tensor, "places layers sides"], Float[Tensor, "places layers sides"]]:
        """Return the accuracy on true labels, and the selectivity."""
        generator = torch.Generator().manual_seed(self.seed)
        judged = torch.tensor([question.judges for question in group])
        persons = torch.tensor([question.person for question in group])
        labels = torch.tensor([question.label for question in group])
        of_person = torch.zeros(int(persons.max()) + 1, dtype=torch.long)
        of_person[persons] = labels
        columns = [labels]
        for _ in range(self.deals):
            reshuffled = of_person[torch.randperm(len(of_person), generator=generator)]
            columns.append(reshuffled[persons])
        shape = states.shape[1:4]
        flat = states.flatten(1, 3)  # (questions, places·layers·sides, d)
        found = torch.stack([self._accuracies(flat[:, i], columns, judged) for i in range(flat.shape[1])])
        accuracy = found.view(*shape, len(columns))
        selectivity = accuracy[..., 0] - accuracy[..., 1:].mean(-1)
        return accuracy[..., 0], selectivity

    def _accuracies(
        self,
        x: Float[Tensor, "questions d"],
        columns: Sequence[Int[Tensor, " questions"]],
        judged: Tensor,
    ) -> Float[Tensor, " columns"]:
        """Return the accuracy of one probe for each way of labelling."""
        mean = x[~judged].mean(0)
        fitting, judging = x[~judged] - mean, x[judged] - mean
        system = fitting.T @ fitting
        system.diagonal().add_(self.ridge * float(system.diagonal().mean()) + 1e-12)
        read = torch.linalg.solve(system, fitting.T).T  # (fitting, d)
        shares = []
        for labels in columns:
            classes, places = labels.unique(return_inverse=True)  # type: ignore[no-untyped-call]
            wanted = torch.nn.functional.one_hot(places[~judged], len(classes)).to(x.dtype)
            weights = read.T @ (wanted - wanted.mean(0))
            best = (judging @ weights + wanted.mean(0)).argmax(1)
            shares.append((best == places[judged]).double().mean())
        return torch.stack(shares)


@dataclass(frozen=True, kw_only=True)
class _Question:
    """A tokenised probe: where to read, what to read, whose it is, and whether it fits or judges."""

    sequence: TokenSequence = field(repr=False)
    places: tuple[int, int]
    label: int = field(repr=False)
    person: int
    judges: bool


def _label_questions(loaded: LoadedModel, facts: dict[Target, list[Probe]]) -> list[_Question]:
    """Return questions of one relation with the first answer token that differs as their label."""
    probes = [probe for mine in facts.values() for probe in mine]
    sequences = encode_probes(loaded, probes)
    names = name_ends(loaded, probes, sequences)
    answers = [s.ids[s.marked.index(True) :] for s in sequences]
    shortest = min(map(len, answers), default=0)
    differs = next((i for i in range(shortest) if len({ids[i] for ids in answers}) > 1), None)
    if differs is None:
        return []
    people = {target: number for number, target in enumerate(facts)}
    seen: dict[Target, int] = defaultdict(int)
    found = []
    for probe, sequence, ids, name in zip(probes, sequences, answers, names, strict=True):
        seen[probe.target] += 1
        at = sequence.marked.index(True) + differs - 1
        found.append(
            _Question(
                sequence=sequence,
                places=(name, at),
                label=ids[differs],
                person=people[probe.target],
                judges=seen[probe.target] % 3 == 2,
            )
        )
    return found


@torch.no_grad()
def _states(
    loaded: LoadedModel, questions: Sequence[_Question]
) -> Float[Tensor, "questions places layers sides d"]:
    """Return the residual stream at each question's places, before and after every MLP, in float32 on the CPU."""
    model = loaded.model
    layers = range(len(decoder_layers(model)))
    sites = [site for layer in layers for site in (Site(layer, "resid_post"), Site(layer))]
    found: list[Tensor] = [torch.empty(0)] * len(questions)
    placed = [
        TokenSequence(ids=q.sequence.ids, marked=q.sequence.marked, index=i) for i, q in enumerate(questions)
    ]
    for batch in batches(placed, pad=loaded.pad_id, device=loaded.device):
        with capture(model, sites, keys=False) as taken:
            model.base_model(**batch.inputs, use_cache=False)
        for row, index in enumerate(batch.indices):
            at = list(questions[index].places)
            after = [taken.outputs[Site(layer, "resid_post")][row, at].float().cpu() for layer in layers]
            added = [taken.outputs[Site(layer)][row, at].float().cpu() for layer in layers]
            sides = [torch.stack([x - mlp, x], dim=1) for x, mlp in zip(after, added, strict=True)]
            found[index] = torch.stack(sides, dim=1)  # (places, layers, sides, d)
    return torch.stack(found)
