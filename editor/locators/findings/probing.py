"""Sparse probes: by layer and k, against a random basis and random neurons."""

from dataclasses import asdict
from typing import Any

from dictionaries.model.sites import Site
from editor.locators.finding import TOP_UNITS, Finding, TableRow
from editor.locators.problem import EditProblem
from editor.locators.settings import flattened
from editor.locators.sparse_probing import ProbeScore, ProbeStudy, SparseProbing


def find_probes(problem: EditProblem, seed: int) -> Finding:
    """Probe the hidden neurons sparsely (Gurnee et al. 2023)."""
    locator = SparseProbing(seed=seed)
    study = locator.study(problem)
    return Finding(
        attribution=locator.attribution(study),
        settings={name: value for name, value in flattened(asdict(locator)).items() if name != "sizes"},
        sentences=_probe_sentences(study),
        tables={
            "probes": [_flatten(row) for row in map(asdict, study.rows)],
            "chosen_probe": [
                {"inputs": name, "site": str(study.chosen.site), "k": study.chosen.k, **asdict(score)}
                for name, score in _judge_probes(study).items()
            ],
        },
        figures={"probe-f1": study},
    )


def _flatten(row: dict[str, Any]) -> TableRow:
    site = row.pop("site")
    return {"site": str(Site(**site)), **row}


def _judge_probes(study: ProbeStudy) -> dict[str, ProbeScore]:
    return {"chosen": study.test, "random basis": study.rotated, "random neurons": study.random}


def _probe_sentences(study: ProbeStudy) -> tuple[str, ...]:
    chosen = study.chosen
    scores = "; ".join(
        f"{name} F1 {score.f1:.2f}, MCC {score.mcc:.2f}" for name, score in _judge_probes(study).items()
    )
    neurons = ", ".join(map(str, chosen.neurons[:TOP_UNITS])) + (", ..." if chosen.k > TOP_UNITS else "")
    return (
        f"Chosen on the validation split: {chosen.site}, k = {chosen.k} (neurons {neurons}), "
        f"validation F1 {chosen.validation.f1:.2f}.",
        f"Test split, {study.samples[2]:,} tokens, {study.positives:.0%} of all tokens to erase: {scores}.",
    )
