"""Locating without editing: the locators by name, and what each of them tells beyond its scores.

A new locator is an entry in `LOCATORS`: a function from the problem to a `Finding`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import save_file

from dictionaries.model.sites import Site
from editor.locators.circuit_summaries import (
    curve_rows,
    layer_rows,
    layer_sentences,
    mask_attribution,
    mask_rows,
    mask_sentences,
    node_rows,
    node_sentences,
)
from editor.locators.fact_layers import FactLayers
from editor.locators.faithfulness import Faithfulness, faithfulness
from editor.locators.features import Attribution
from editor.locators.knowledge_neurons import KnowledgeNeurons
from editor.locators.nodes import NodeAttribution
from editor.locators.privacy_neurons import PrivacyNeurons
from editor.locators.problem import EditProblem
from editor.locators.sparse_probing import ProbeScore, ProbeStudy, SparseProbing
from editor.locators.weight_mask import WeightMask
from editor.methods.shared.settings import flattened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TOP_UNITS = 12
UNITS = 100
"""Units that are located where a locator makes no choice of its own."""

Row = Mapping[str, Any]
"""One line of a table: column name -> number or text."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a locator found.

    Attributes:
        attribution: scores of units by site; the best of them are located.
        settings: the locator's.
        units: how many are located where nobody says.
        sentences: what else there is to say, for people.
        tables: name -> rows, for locate.json.
        figures: name -> a function that draws, each saved as NAME.svg and NAME.png.
    """

    attribution: Attribution = field(repr=False)
    settings: Mapping[str, float | str]
    units: int = UNITS
    sentences: tuple[str, ...] = ()
    tables: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    figures: Mapping[str, "Callable[[], Figure]"] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LocatorEntry:
    """A locator as the command line knows it.

    Attributes:
        title: what it finds, in words.
        find: from the problem and a seed to what was found.
        needs_dictionary: whether the problem must have dictionaries.
    """

    title: str
    find: Callable[[EditProblem, int], Finding]
    needs_dictionary: bool = False


@dataclass(frozen=True, kw_only=True)
class SiteRow:
    """What was located at one site.

    Attributes:
        site: its name.
        width: how many units it has.
        units: how many of them are located.
        share: of the located units' scores, how much they have, 0 to 1.
        top_units: the best of them.
        top_scores: theirs.
    """

    site: str
    width: int
    units: int
    share: float
    top_units: tuple[int, ...]
    top_scores: tuple[float, ...]


def site_rows(attribution: Attribution, units: int) -> list[SiteRow]:
    """A row for each site, shallowest first, for the `units` best units over all of them."""
    located = attribution.top(units)
    sums = {site: float(attribution.scores[site][found].sum()) for site, found in located.items()}
    total = sum(sums.values())
    return [
        SiteRow(
            site=str(site),
            width=len(attribution.scores[site]),
            units=len(located[site]),
            share=sums[site] / total if total else 0.0,
            top_units=tuple(located[site][:TOP_UNITS].tolist()),
            top_scores=tuple(attribution.scores[site][located[site][:TOP_UNITS]].tolist()),
        )
        for site in sorted(located)
    ]


def save_scores(attribution: Attribution, path: Path) -> None:
    """Write every unit's score as safetensors: `mlp_hidden.3.scores` ranks, `mlp_hidden.3.raw` is before refining."""
    tensors = {f"{site}.scores": score.cpu().contiguous() for site, score in attribution.scores.items()}
    tensors |= {f"{site}.raw": score.cpu().contiguous() for site, score in attribution.raw.items()}
    save_file(tensors, path)


def _features(problem: EditProblem, seed: int) -> Finding:  # noqa: ARG001
    found = problem.attribution
    return Finding(attribution=found, settings={}, sentences=(_complete(found),))


def _knowledge(problem: EditProblem, seed: int) -> Finding:  # noqa: ARG001
    return _neurons(problem, KnowledgeNeurons())


def _privacy(problem: EditProblem, seed: int) -> Finding:  # noqa: ARG001
    return _neurons(problem, PrivacyNeurons())


def _neurons(problem: EditProblem, locator: KnowledgeNeurons | PrivacyNeurons) -> Finding:
    found = problem.located(locator)
    return Finding(attribution=found, settings=flattened(asdict(locator)), sentences=(_complete(found),))


def _complete(attribution: Attribution) -> str:
    return f"Completeness {attribution.completeness:.2f}: all scores together over what zeroing changes; 1 is complete."


def _probes(problem: EditProblem, seed: int) -> Finding:
    locator = SparseProbing(seed=seed)
    study = locator.study(problem)
    return Finding(
        attribution=locator.attribution(study),
        settings={name: value for name, value in flattened(asdict(locator)).items() if name != "sizes"},
        sentences=_probe_sentences(study),
        tables={
            "probes": [_flat(row) for row in map(asdict, study.rows)],
            "chosen_probe": [
                {"inputs": name, "site": str(study.chosen.site), "k": study.chosen.k, **asdict(score)}
                for name, score in _judged(study).items()
            ],
        },
        figures={"probe-f1": lambda: _probe_figure(study)},
    )


def _flat(row: dict[str, Any]) -> Row:
    site = row.pop("site")
    return {"site": str(Site(**site)), **row}


def _judged(study: ProbeStudy) -> dict[str, ProbeScore]:
    return {"chosen": study.test, "random basis": study.rotated, "random neurons": study.random}


def _probe_sentences(study: ProbeStudy) -> tuple[str, ...]:
    chosen = study.chosen
    scores = "; ".join(
        f"{name} F1 {score.f1:.2f}, MCC {score.mcc:.2f}" for name, score in _judged(study).items()
    )
    neurons = ", ".join(map(str, chosen.neurons[:TOP_UNITS])) + (", ..." if chosen.k > TOP_UNITS else "")
    return (
        f"Chosen on the validation split: {chosen.site}, k = {chosen.k} (neurons {neurons}), "
        f"validation F1 {chosen.validation.f1:.2f}.",
        f"Test split, {study.samples[2]:,} tokens, {study.positives:.0%} of all tokens to erase: {scores}.",
    )


def _probe_figure(study: ProbeStudy) -> "Figure":
    from editor.report.figures.locating import probe_figure

    return probe_figure(study)


def _nodes(problem: EditProblem, seed: int) -> Finding:
    locator = NodeAttribution(seed=seed)
    pairs = locator.make_pairs(problem)
    found = locator.fit(problem.loaded, pairs)
    curve = faithfulness(problem.loaded, pairs, found.ranking())
    return Finding(
        attribution=found.attribution(),
        settings=flattened(asdict(locator)),
        units=len(found.confirmed()),
        sentences=node_sentences(found, curve, len(pairs)),
        tables={"nodes": node_rows(found), "faithfulness": curve_rows(curve)},
        figures={"faithfulness": lambda: _faithfulness_figure(curve)},
    )


def _faithfulness_figure(curve: Faithfulness) -> "Figure":
    from editor.report.figures.circuits import faithfulness_figure

    return faithfulness_figure(curve)


def _fact_layers(problem: EditProblem, seed: int) -> Finding:
    locator = FactLayers(seed=seed)
    reading = locator.read(problem.loaded, (*problem.asked, *problem.comparable))
    return Finding(
        attribution=reading.attribution(),
        settings=flattened(asdict(locator)),
        units=sum(rise > 0 for rise in reading.rises),
        sentences=layer_sentences(reading),
        tables={"layers": layer_rows(reading)},
    )


def _weight_mask(problem: EditProblem, seed: int) -> Finding:
    locator = WeightMask(seed=seed)
    found = locator.search(problem)
    least = min(found.masks)
    shares = mask_attribution(problem.loaded.model, found.masks[least])
    return Finding(
        attribution=shares,
        settings={name: value for name, value in flattened(asdict(locator)).items() if name != "densities"},
        units=sum(int((score > least).sum()) for score in shares.scores.values()),
        sentences=mask_sentences(found),
        tables={"composition": mask_rows(problem.loaded.model, found)},
    )


LOCATORS: dict[str, LocatorEntry] = {
    "kn": LocatorEntry(title="knowledge neurons (Dai et al. 2022)", find=_knowledge),
    "depn": LocatorEntry(title="privacy neurons, DEPN (Wu et al. 2023)", find=_privacy),
    "probe": LocatorEntry(title="sparse probing (Gurnee et al. 2023)", find=_probes),
    "nodes": LocatorEntry(title="circuit of heads and MLPs by node attribution", find=_nodes),
    "mask": LocatorEntry(title="circuit by weight mask", find=_weight_mask),
    "mlp": LocatorEntry(title="MLPs that look facts up", find=_fact_layers),
    "features": LocatorEntry(
        title="dictionary features by attribution", find=_features, needs_dictionary=True
    ),
}
