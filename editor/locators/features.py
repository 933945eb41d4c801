"""Feature attribution: which dictionary features push a model towards the secrets.

The objective of a probe is the sum over its secret's tokens of (logit of the token - best other logit): a
difference of logits, because probabilities saturate. With o_l the output of site l and (f, d) the codes and
decoder directions of its dictionary,

    o_l = decode(f̄) + Σ_j (f_j - f̄_j) d_j + e_l,        f̄ = 0 for SAEs, the running mean for the BAE,
    score_j = Σ_positions (f_j - f̄_j) · ⟨g_l, d_j⟩,      g_l = 1/m Σ_k ∂objective/∂o_l at o = s_k o_clean,

with s_k the midpoints of m equal steps: integrated gradients (Sundararajan et al. 2017, arXiv:1703.01365) along the
path that scales the outputs of all sites of one stream together (`together`). m = 1 is taken at the clean outputs and
is gradient times activation. With every feature, the remainder decode(f̄) + e_l and enough steps, the scores sum to
objective(clean) - objective(those outputs zero): `completeness` is their ratio. The residual stream itself (resid_post)
has no such completeness: an RMS norm after it removes the scale, so all of the change happens at the very beginning of
the path.

What many probes begin with, such as a chat template's system prompt, is not scaled and has no score: it is run once.

The scores of one relation's probes about *other* people are subtracted where they are positive (contrast), so that
what writes any phone number is not taken for what writes this one.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dictionaries import Dictionary
from dictionaries.model.sites import Site, capture, intercepted
from editor.model.forward import traced_logits
from editor.model.halving import in_halves
from editor.model.loading import LoadedModel
from editor.model.precision import quick_precision
from editor.model.tokens import MarkedBatch, TokenSequence
from editor.model.traced_parts import TracedPart, traced_parts
from editor.processes import group


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Scores of every unit (feature, neuron) of every site, a mean over probes.

    Attributes:
        scores: site -> (F,), the scores that rank units: contrasted, or refined; not positive where a unit is out.
        raw: site -> (F,), the scores before that.
        remainder: the dictionaries' errors' and biases' share of the objective; 0 for neurons.
        total_effect: the objective's mean real change when what the scores divide up goes to zero.
    """

    scores: Mapping[Site, Float[Tensor, " F"]] = field(repr=False)
    raw: Mapping[Site, Float[Tensor, " F"]] = field(repr=False)
    remainder: float
    total_effect: float

    @property
    def completeness(self) -> float:
        """Sum of all scores, the remainder's included, over the objective's real change; 1 is complete."""
        total = sum(float(score.sum()) for score in self.raw.values()) + self.remainder
        return total / self.total_effect if self.total_effect else 0.0

    def top(self, count: int) -> dict[Site, Int[Tensor, " units"]]:
        """Return the `count` units of highest positive score over all sites, by site, best first."""
        sites = list(self.scores)
        if not sites:
            return {}
        flat = torch.cat([self.scores[site] for site in sites])
        best = flat.topk(min(count, len(flat)))
        chosen = best.indices[best.values > 0]
        bounds = torch.tensor([0, *(len(self.scores[site]) for site in sites)]).cumsum(0)
        located: dict[Site, Tensor] = {}
        for place, site in enumerate(sites):
            inside = (chosen >= bounds[place]) & (chosen < bounds[place + 1])
            located[site] = (chosen[inside] - bounds[place]).cpu()
        return located


@dataclass(frozen=True, kw_only=True)
class FeatureAttribution:
    """A scoring of features by integrated gradients with a contrast.

    Attributes:
        steps: number of points on the path from zero to the clean outputs, m.
        contrast: weight of the other people's positive scores.
    """

    steps: int = 8
    contrast: float = 1.0

    def fit(
        self,
        loaded: LoadedModel,
        erase: Sequence[TokenSequence],
        others: Sequence[TokenSequence],
        dictionaries: Mapping[Site, Dictionary],
        progress: Callable[[int], None] | None = None,
    ) -> Attribution:
        """Score all features of all dictionaries on the probes to erase, against those of other people.

        The model is left as it was.

        Args:
            loaded: the model.
            erase: probes to erase, with their answers marked.
            others: probes about other people; none leaves the contrast out.
            dictionaries: the dictionaries by site.
            progress: called with the number of probes after each batch.
        """
        mine = self._accumulate(loaded, erase, dictionaries, progress)
        theirs = self._accumulate(loaded, others, dictionaries, progress) if others else None
        scores = {}
        for site, raw in mine.scores.items():
            shared = theirs.scores[site].clamp(min=0) if theirs is not None else 0.0
            scores[site] = raw - self.contrast * shared  # contrasted
        return Attribution(
            scores=scores, raw=mine.scores, remainder=mine.remainder, total_effect=mine.total_effect
        )

    def _accumulate(
        self,
        loaded: LoadedModel,
        sequences: Sequence[TokenSequence],
        dictionaries: Mapping[Site, Dictionary],
        progress: Callable[[int], None] | None,
    ) -> "_Sums":
        sums = _Sums({site: torch.zeros(d.config.features) for site, d in dictionaries.items()})

        def read(part: TracedPart) -> list[tuple[float, list[_Part]]]:
            mask = part.batch.inputs["attention_mask"].bool()
            found = []
            for alike in together(dictionaries):
                clean, objective, gradients = self._gradients(loaded, part, alike)
                parts = [
                    _Part.of(site, dictionaries[site], clean[site][mask], gradients[site][mask])
                    for site in alike
                ]
                found.append((objective, parts))
            return found

        listed = traced_parts(loaded, sequences)
        readings = group().each(
            "attribution", listed, lambda part: in_halves(read, part, _joined), cost=lambda part: part.tokens
        )
        for part, found in zip(listed, readings, strict=True):
            for objective, parts in found:
                sums.total_effect += objective
                for one in parts:
                    sums.add(one)
            if progress is not None:
                progress(len(part.places))
        return sums.mean(len(sequences))

    def _gradients(
        self, loaded: LoadedModel, part: TracedPart, sites: list[Site]
    ) -> tuple[dict[Site, Tensor], float, dict[Site, Tensor]]:
        """Return clean outputs o_clean, the objective's change from zeroed sites, and the mean gradients g_l."""
        model, targets = loaded.model, part.batch.targets
        with torch.no_grad():
            root = part.read_root(loaded)
            with capture(model, sites, keys=False) as taken:
                best = float(margins(part.logits(loaded, root), targets))
            clean, root = dict(taken.outputs), part.read_root(loaded)
            with substituted(model, {s: torch.zeros_like(x) for s, x in clean.items()}):
                worst = float(margins(part.logits(loaded, root), targets))
        gradients = {site: torch.zeros_like(x) for site, x in clean.items()}
        for step in range(self.steps):
            # The midpoint rule converges quadratically; with one step the gradient at the clean point is used.
            share = 1.0 if self.steps == 1 else (step + 0.5) / self.steps  # s_k
            leaves = {site: (x * share).requires_grad_() for site, x in clean.items()}
            with torch.no_grad(), quick_precision(loaded):
                root = part.read_root(loaded)
            with torch.enable_grad(), substituted(model, leaves):
                with quick_precision(loaded):
                    value = margins(part.logits(loaded, root), targets)
                found = torch.autograd.grad(value, list(leaves.values()))
            for site, gradient in zip(leaves, found, strict=True):
                gradients[site] += gradient / self.steps  # g_l
        return clean, best - worst, gradients


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What some probes add to a site's scores.

    Attributes:
        site: the site.
        score: score_j of its features, (features,), on the CPU.
        remainder: what the features do not explain.
    """

    site: Site
    score: Tensor = field(repr=False)
    remainder: float

    @classmethod
    @torch.no_grad()
    def of(cls, site: Site, dictionary: Dictionary, outputs: Tensor, gradients: Tensor) -> "_Part":
        x, g = outputs.float(), gradients.float()
        centred = dictionary.encode(x) - dictionary.baseline  # f_j - f̄_j
        aligned = g @ dictionary.directions.T  # ⟨g_l, d_j⟩
        score = (centred * aligned).sum(0)  # score_j
        remainder = float((x * g).sum() - score.sum())  # ⟨g_l, decode(f̄) + e_l⟩
        return cls(site=site, score=score.cpu(), remainder=remainder)


def _joined(halves: list[list[tuple[float, list[_Part]]]]) -> list[tuple[float, list[_Part]]]:
    return [one for found in halves for one in found]


class _Sums:
    """Running sums over probes."""

    def __init__(self, scores: dict[Site, Tensor]) -> None:
        self.scores = scores
        self.remainder = 0.0
        self.total_effect = 0.0

    def add(self, part: _Part) -> None:
        self.scores[part.site] = self.scores[part.site] + part.score
        self.remainder += part.remainder

    def mean(self, count: int) -> "_Sums":
        self.scores = {site: score / max(1, count) for site, score in self.scores.items()}
        self.remainder /= max(1, count)
        self.total_effect /= max(1, count)
        return self


def together(sites: Iterable[Site]) -> list[list[Site]]:
    """Group the sites that one path scales together: those of one stream, in the order given.

    What the residual stream holds after one layer, it holds in part after the next, and to set one is to hide the
    other. Each of its sites therefore has a path of its own, and the effects add up.
    """
    groups: dict[tuple[str, int], list[Site]] = {}
    for site in sites:
        groups.setdefault((site.stream, site.layer if site.stream == "resid_post" else 0), []).append(site)
    return list(groups.values())


def objective(model: Any, batch: MarkedBatch) -> Float[Tensor, ""]:
    """Return the sum over marked tokens of the logit margin to the best other token, with gradients where enabled."""
    return margins(traced_logits(model, batch), batch.targets)


def margins(logits: Float[Tensor, "marked vocabulary"], targets: Int[Tensor, " marked"]) -> Float[Tensor, ""]:
    """Return the sum over tokens of the logit margin to the best other token."""
    own = logits.gather(1, targets[:, None])
    other = logits.scatter(1, targets[:, None], -torch.inf).max(1, keepdim=True).values
    return (own - other).sum()


@contextmanager
def substituted(model: Any, values: Mapping[Site, Tensor]) -> Any:
    """Replace the outputs of sites by given tensors inside the `with` block."""
    with ExitStack() as hooks:
        for site, value in values.items():

            def replace(output: Tensor, value: Tensor = value) -> Tensor:
                return value.to(output.dtype).view_as(output)

            hooks.enter_context(intercepted(model, site, replace))
        yield
