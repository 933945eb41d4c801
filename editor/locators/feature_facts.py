"""Facts that a feature carries: what it adds to each fact's recall.

With the objective of `editor.locators.features` (logit margins of a secret's tokens, summed) and its gradient g at the
clean outputs, feature j adds Σ_positions (f_j - f̄_j) · ⟨g, d_j⟩ to a probe: gradient times activation. A fact's
figure is the mean over a few of its probes, all from the locating split.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from dictionaries import Dictionary
from dictionaries.model.sites import Site, capture
from editor.artefacts.masking import CaseKey
from editor.locators.features import objective, substituted, together
from editor.model.halving import in_halves
from editor.model.loading import LoadedModel
from editor.model.tokens import MarkedBatch, batches, gradient_budget, padded_tokens
from editor.processes import group
from editor.questions.asking import encode_probes
from editor.questions.probes import Probe, Target, sample

PROBES_A_FACT = 4
"""Most probes of a fact that its figure is a mean over."""
LEAST_SHARE = 0.1
"""Least share of a feature's largest contribution that it must add to a fact to be said to carry it."""
LEAST_LOGITS = 0.01
"""Least contribution that it must add, in logits."""


@dataclass(frozen=True, kw_only=True)
class FactContributions:
    """Contributions of features to facts.

    Attributes:
        targets: the facts.
        logits: site -> (facts, features), what each feature looked at adds to a fact's margins, in logits.
    """

    targets: tuple[Target, ...] = field(repr=False)
    logits: Mapping[Site, Float[Tensor, "facts features"]] = field(repr=False)

    def of(self, site: Site, index: int, key: CaseKey, count: int) -> list[tuple[str, float]]:
        """Return the labels of the facts that a feature adds most to, and how much in logits, most first.

        Args:
            site: the feature's site.
            index: the feature's place among those looked at.
            key: the key that labels are made with.
            count: the most facts to name.
        """
        column = self.logits[site][:, index]
        if not len(column):
            return []
        best = column.topk(min(count, len(column)))
        least = max(LEAST_SHARE * float(best.values[0]), LEAST_LOGITS)
        found = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [(key.label(self.targets[fact]), logits) for fact, logits in found if logits >= least]


def attribute_facts(
    loaded: LoadedModel,
    probes: Iterable[Probe],
    dictionaries: Mapping[Site, Dictionary],
    features: Mapping[Site, Int[Tensor, " features"]],
    *,
    seed: int = 0,
) -> FactContributions:
    """Measure what some features of each dictionary add to the facts that probes of the locating split ask for.

    The model is left as it was. Only erased facts are looked at.

    Args:
        loaded: the model.
        probes: probes of any split and group.
        dictionaries: the dictionaries by site.
        features: the features to look at, by site.
        seed: the seed of the choice of probes.
    """
    asked, fact_of, targets = _choose_probes(probes, seed)
    sites = [site for site in sorted(features) if len(features[site])]
    sums = {site: torch.zeros(len(targets), len(features[site])) for site in features}
    counts = torch.bincount(torch.tensor(fact_of, dtype=torch.long), minlength=len(targets)).clamp_min(1)
    sequences = encode_probes(loaded, asked)

    def read(batch: MarkedBatch) -> dict[Site, Tensor]:
        found = {}
        for alike in together(sites):
            clean, gradients = _gradients(loaded, batch, alike)
            for site in alike:
                added = _contributions(
                    dictionaries[site], features[site], clean[site], gradients[site], batch
                )
                found[site] = added.cpu()
        return found

    budget = gradient_budget(loaded.model)
    listed = list(batches(sequences, pad=loaded.pad_id, device=loaded.device, budget=budget))
    readings = group().each(
        "contributions", listed, lambda batch: in_halves(read, batch, _joined), cost=padded_tokens
    )
    for batch, found in zip(listed, readings, strict=True):
        facts = torch.tensor([fact_of[index] for index in batch.indices])
        for site, added in found.items():
            sums[site].index_add_(0, facts, added)
    logits = {site: total / counts[:, None] for site, total in sums.items()}
    return FactContributions(targets=tuple(targets), logits=logits)


def _joined(parts: list[dict[Site, Tensor]]) -> dict[Site, Tensor]:
    return {site: torch.cat([found[site] for found in parts]) for site in parts[0]}


def _choose_probes(probes: Iterable[Probe], seed: int) -> tuple[list[Probe], list[int], list[Target]]:
    """Choose a few probes of each erased fact; return them, the number of each one's fact, and the facts."""
    by_target: dict[Target, list[Probe]] = defaultdict(list)
    for probe in probes:
        if probe.split == "locating" and probe.is_erased:
            by_target[probe.target].append(probe)
    asked: list[Probe] = []
    fact_of: list[int] = []
    for number, mine in enumerate(by_target.values()):
        few = sample(mine, PROBES_A_FACT, seed)
        asked += few
        fact_of += [number] * len(few)
    return asked, fact_of, list(by_target)


def _gradients(
    loaded: LoadedModel, batch: MarkedBatch, sites: Sequence[Site]
) -> tuple[dict[Site, Tensor], dict[Site, Tensor]]:
    """Return clean outputs of sites, and the objective's gradient there."""
    with torch.no_grad(), capture(loaded.model, sites, keys=False) as taken:
        loaded.model.base_model(**batch.inputs, use_cache=False)
    leaves = {site: taken.outputs[site].detach().clone().requires_grad_() for site in sites}
    with torch.enable_grad(), substituted(loaded.model, leaves):
        found = torch.autograd.grad(objective(loaded.model, batch), list(leaves.values()))
    return dict(taken.outputs), dict(zip(sites, found, strict=True))


@torch.no_grad()
def _contributions(
    dictionary: Dictionary,
    features: Int[Tensor, " features"],
    x: Float[Tensor, "batch positions d"],
    g: Float[Tensor, "batch positions d"],
    batch: MarkedBatch,
) -> Float[Tensor, "batch features"]:
    """Return what each feature adds to each row."""
    mask = batch.inputs["attention_mask"].bool()
    chosen = features.to(mask.device)
    centred = (dictionary.encode(x[mask].float()) - dictionary.baseline)[:, chosen]  # f_j - f̄_j
    score = centred * (g[mask].float() @ dictionary.directions[chosen].T)  # · ⟨g, d_j⟩
    rows = mask.nonzero()[:, 0]
    return torch.zeros(len(mask), len(chosen), device=score.device).index_add_(0, rows, score)
