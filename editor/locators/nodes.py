"""Circuits by node attribution: which heads and MLPs tell the people apart whose secrets are asked for.

For each pair of prompts (`editor.locators.pairs`), with a the output of a node (a head's input of attention's output
projection, or what an MLP adds to the residual stream) and e the input embeddings,

    score = Σ_positions ⟨a(e_clean) - a(e_corrupt), 1/m Σ_k ∂objective/∂a at e_corrupt + s_k (e_clean - e_corrupt)⟩

with s_k the midpoints of m equal steps: integrated gradients along the inputs (EAP-IG, Hanna et al. 2024,
arXiv:2403.17806, with nodes for edges), m = 1 being taken at the clean input. Gradients are those at the node's output.
The objective is that of `editor.locators.features`. The same sum over the embeddings themselves is complete: it goes
to objective(clean) - objective(corrupt) as m grows. Nodes' scores do not add up to that, because what an early node
does, later ones pass on.

The best share of the nodes is confirmed by exact patching: the node's output is replaced by its corrupt one, and what
the objective loses is its effect. A node whose effect is not positive leaves the ranking's top.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries.model.sites import Captured, Site, capture, intercepted
from editor.locators.blocks import Node, all_nodes, head_count
from editor.locators.features import Attribution, objective
from editor.locators.pairs import PromptPair, make_pairs
from editor.model.loading import LoadedModel
from editor.model.tokens import MarkedBatch, TokenSequence, batches, collate, gradient_budget

if TYPE_CHECKING:
    from editor.locators.problem import EditProblem


@dataclass(frozen=True, kw_only=True)
class NodeScores:
    """Scores by node attribution, means over pairs.

    Attributes:
        raw: node -> attributed effect.
        exact: node -> the objective's loss when it alone is patched, for nodes that were confirmed or refuted.
        embedding: the complete sum over the input embeddings.
        total_effect: objective(clean) - objective(corrupt).
    """

    raw: Mapping[Node, float] = field(repr=False)
    exact: Mapping[Node, float] = field(repr=False)
    embedding: float
    total_effect: float

    @property
    def completeness(self) -> float:
        """Embeddings' sum over the objective's real change; 1 is complete."""
        return self.embedding / self.total_effect if self.total_effect else 0.0

    @property
    def scores(self) -> dict[Node, float]:
        """Scores that nodes are ranked by: a refuted node has its exact effect."""
        return {
            node: self.exact[node] if self._is_refuted(node) else score for node, score in self.raw.items()
        }

    def ranking(self) -> list[Node]:
        """Return all nodes, highest score first."""
        scores = self.scores
        return sorted(scores, key=lambda node: (-scores[node], node))

    def circuit(self, share: float) -> list[Node]:
        """Return the best share of all nodes, at least one."""
        return self.ranking()[: max(1, round(share * len(self.raw)))]

    def confirmed(self) -> list[Node]:
        """Return the nodes that exact patching has shown to carry something, best first."""
        return [node for node in self.ranking() if self.exact.get(node, 0.0) > 0]

    def attribution(self) -> Attribution:
        """Return the scores by site, as other locators give them; the remainder makes their sum the embeddings'."""
        return Attribution(
            scores=_by_site(self.scores),
            raw=_by_site(self.raw),
            remainder=self.embedding - sum(self.raw.values()),
            total_effect=self.total_effect,
        )

    def _is_refuted(self, node: Node) -> bool:
        return self.exact.get(node, 1.0) <= 0


@dataclass(frozen=True, kw_only=True)
class NodeAttribution:
    """A locator that scores every head and MLP.

    Attributes:
        steps: number of steps from corrupt to clean embeddings, m.
        confirm: share of all nodes, best first, that exact patching tests.
        pairs: the most pairs of prompts.
        seed: the seed of the choice of pairs.
    """

    steps: int = 5
    confirm: float = 0.05
    pairs: int = 100
    seed: int = 0

    def locate(self, problem: "EditProblem") -> Attribution:
        """Score the nodes for a problem's facts, by site."""
        return self.score(problem).attribution()

    def score(self, problem: "EditProblem") -> NodeScores:
        """Score the nodes for a problem's facts, by node."""
        return self.fit(problem.loaded, self.make_pairs(problem))

    def make_pairs(self, problem: "EditProblem") -> list[PromptPair]:
        """Make the pairs of prompts that the nodes are scored on.

        Raises:
            CorpusError: no prompt about anybody else is as long as one about an erased fact.
        """
        return make_pairs(problem.loaded, problem.asked, problem.comparable, count=self.pairs, seed=self.seed)

    def fit(self, loaded: LoadedModel, pairs: Sequence[PromptPair]) -> NodeScores:
        """Score the nodes on pairs of prompts. The model is left as it was."""
        sums = _Sums(loaded.model)
        for clean, corrupt in paired_batches(loaded, pairs):
            self._add(loaded.model, clean, corrupt, sums)
        found = sums.mean(len(pairs))
        best = found.circuit(self.confirm) if self.confirm else []
        exact = exact_effects(loaded, pairs, best)
        return NodeScores(
            raw=found.raw, exact=exact, embedding=found.embedding, total_effect=found.total_effect
        )

    def _add(self, model: Any, clean: MarkedBatch, corrupt: MarkedBatch, sums: "_Sums") -> None:
        first, top = _read(model, clean, sums.sites)  # a(e_clean)
        second, bottom = _read(model, corrupt, sums.sites)  # a(e_corrupt)
        embedded = [_embeddings(model, batch) for batch in (clean, corrupt)]
        change = embedded[0] - embedded[1]  # e_clean - e_corrupt
        sums.total_effect += top - bottom
        for step in range(self.steps):
            share = 1.0 if self.steps == 1 else (step + 0.5) / self.steps  # s_k
            leaf = (embedded[1] + share * change).requires_grad_()
            with (
                torch.enable_grad(),
                _embedded(model, leaf),
                capture(model, sums.sites, keys=False, grad=True) as taken,
            ):
                value = objective(model, clean)
                outputs = [taken.outputs[site] for site in sums.sites]
                *found, at_embedding = torch.autograd.grad(value, [*outputs, leaf])  # ∂objective/∂a, ∂e
            sums.embedding += float((change * at_embedding).sum()) / self.steps
            for site, gradient in zip(sums.sites, found, strict=True):
                sums.add(site, (first.outputs[site] - second.outputs[site]) * gradient / self.steps)


class _Sums:
    """Running sums over pairs."""

    def __init__(self, model: Any) -> None:
        self.nodes = all_nodes(model)
        self.sites = sorted({node.site for node in self.nodes})
        self.heads = head_count(model)
        self.scores: dict[Site, Tensor] = {}
        self.embedding = 0.0
        self.total_effect = 0.0

    def add(self, site: Site, products: Float[Tensor, "batch positions d"]) -> None:
        """Add a site's products of change and gradient to its nodes' scores, head by head."""
        parts = self.heads if site.stream == "attn_heads" else 1
        score = _split(products.detach(), parts).sum((0, 1, 3)).double().cpu()  # Σ_positions ⟨…⟩
        self.scores[site] = self.scores[site] + score if site in self.scores else score

    def mean(self, count: int) -> NodeScores:
        """Return means over `count` pairs, with no node confirmed yet."""
        return NodeScores(
            raw={node: float(self.scores[node.site][node.unit]) / count for node in self.nodes},
            exact={},
            embedding=self.embedding / count,
            total_effect=self.total_effect / count,
        )


def exact_effects(
    loaded: LoadedModel, pairs: Sequence[PromptPair], nodes: Sequence[Node]
) -> dict[Node, float]:
    """Return what the objective loses when one node's output is its corrupt one, a mean over pairs."""
    if not nodes:
        return {}
    clean, *rest = patched_values(loaded, pairs, [(), *((node,) for node in nodes)])
    return {node: clean - value for node, value in zip(nodes, rest, strict=True)}


@torch.no_grad()
def patched_values(
    loaded: LoadedModel, pairs: Sequence[PromptPair], sets: Sequence[Collection[Node]]
) -> list[float]:
    """Return the objective on clean prompts with each set's nodes giving their corrupt outputs, means over pairs."""
    model, heads = loaded.model, head_count(loaded.model)
    sites = sorted({node.site for nodes in sets for node in nodes})
    totals = [0.0] * len(sets)
    for clean, corrupt in paired_batches(loaded, pairs):
        taken, _ = _read(model, corrupt, sites)
        for place, nodes in enumerate(sets):
            with _patched(model, nodes, taken, heads):
                totals[place] += float(objective(model, clean))
    return [total / len(pairs) for total in totals]


def paired_batches(
    loaded: LoadedModel, pairs: Sequence[PromptPair]
) -> Iterator[tuple[MarkedBatch, MarkedBatch]]:
    """Yield clean and corrupt batches whose rows and positions correspond."""
    pad = loaded.pad_id
    twins = {pair.clean.index: pair.corrupt for pair in pairs}
    clean = [pair.clean for pair in pairs]
    for batch in batches(clean, pad=pad, device=loaded.device, budget=gradient_budget(loaded.model)):
        theirs: list[TokenSequence] = [twins[index] for index in batch.indices]
        yield batch, collate(theirs, pad=pad, device=loaded.device)


@contextmanager
def _patched(model: Any, nodes: Collection[Node], taken: Captured, heads: int) -> Iterator[None]:
    """Put corrupt outputs in the place of some nodes' inside the block."""
    by_site: dict[Site, list[int]] = {}
    for node in nodes:
        by_site.setdefault(node.site, []).append(node.unit)
    with ExitStack() as hooks:
        for site, units in by_site.items():
            parts = heads if site.stream == "attn_heads" else 1

            def change(
                output: Tensor, site: Site = site, units: list[int] = units, parts: int = parts
            ) -> Tensor:
                changed = _split(output, parts).clone()
                changed[..., units, :] = _split(taken.outputs[site].view_as(output), parts)[..., units, :]
                return changed.flatten(-2)

            hooks.enter_context(intercepted(model, site, change))
        yield


@torch.no_grad()
def _read(model: Any, batch: MarkedBatch, sites: Sequence[Site]) -> tuple[Captured, float]:
    """Return outputs of all sites, and the objective."""
    with capture(model, sites, keys=False) as taken:
        value = float(objective(model, batch))
    return taken, value


@torch.no_grad()
def _embeddings(model: Any, batch: MarkedBatch) -> Float[Tensor, "batch positions d"]:
    """Return the input embeddings as the decoder gets them."""
    embeddings: Tensor = model.get_input_embeddings()(batch.inputs["input_ids"])
    return embeddings


@contextmanager
def _embedded(model: Any, value: Float[Tensor, "batch positions d"]) -> Iterator[None]:
    """Put given embeddings in the place of the tokens' inside the block."""
    handle = model.get_input_embeddings().register_forward_hook(lambda *_: value)
    try:
        yield
    finally:
        handle.remove()


def _split(outputs: Float[Tensor, "... d"], parts: int) -> Float[Tensor, "... parts width"]:
    """Split outputs into `parts` of the same width, such as heads."""
    return outputs.reshape(*outputs.shape[:-1], parts, -1)


def _by_site(values: Mapping[Node, float]) -> dict[Site, Tensor]:
    sites: dict[Site, list[float]] = {}
    for node in sorted(values, key=lambda node: (node.site, node.unit)):
        sites.setdefault(node.site, []).append(values[node])
    return {site: torch.tensor(units) for site, units in sites.items()}
