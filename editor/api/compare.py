"""A comparison of edit methods."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from editor.api.called import check_words
from editor.api.kept import about_to_end, is_ended
from editor.api.requests import CompareRequest
from editor.api.running import (
    as_path,
    load_original,
    open_output,
    read_case,
    read_key,
    read_policy,
    read_site,
    scanner_for,
    show_stages,
)
from editor.artefacts.output import OutputFolder
from editor.attacks import attacks_at
from editor.comparing.compare import CompareOptions, compare, parts_in
from editor.comparing.run import Ledger
from editor.measuring.own_forward import editable
from editor.methods import METHODS
from editor.report.comparison import render_comparison
from editor.report.figures.comparing import comparison_figures
from editor.report.figures.drawing import save_figure
from editor.results.comparison import Comparison, Cost
from policies.errors import RequestError

COMPARISON = "comparison.json"


def run_compare(request: CompareRequest) -> Comparison:
    """Run every arm with every seed, and write tables and figures where there is a folder for them."""
    options, policy = read_compare_options(request), read_policy(request.policy)
    stages, key = show_stages(request), read_key(request)
    with _kept_arms(request) as kept:
        parts = parts_in(kept)
        again = request.resume and is_ended(request, parts, COMPARISON)
        with open_output(request, again=again) as output:
            if output is not None:
                output.inputs = {"model": str(request.model), "policy": policy.digest}
            with stages.stage("Loading the model"):
                loaded = load_original(request, request.model)
            case = read_case(request, policy, stages)
            check_words(request, scanner_for(case, key), policy)
            loaded = editable(case, loaded)
            command = request.command or request.call_text("compare")
            comparison, costs = compare(
                case, loaded, options, key, kept, stages, command=command, resume=request.resume
            )
            if output is not None:
                output.scanner, output.seed = scanner_for(case, key), case.seed
                _write(output, comparison, costs)
                about_to_end(request, parts, output.path, COMPARISON)
        Ledger(folder=kept, settings={}).remove()
    return comparison


def read_compare_options(request: CompareRequest) -> CompareOptions:
    """Return what to compare, and how.

    Raises:
        RequestError: there is no such arm.
    """
    arms = CompareOptions.arms if request.arms is None else tuple(request.arms)
    unknown = [name for name in arms if name not in METHODS]
    if unknown:
        raise RequestError(f"There is no arm {unknown[0]!r}", f"Give some of {', '.join(METHODS)}")
    return CompareOptions(
        arms=arms,
        seeds=request.seeds,
        trials=request.trials,
        dictionary=as_path(request.dictionary),
        site=read_site(request.site),
        processes=request.parallel,
        device=request.device,
        attacks=attacks_at(request.attacks),
    )


def kept_beside(output: str | Path) -> Path:
    """Return the folder of the arms that are finished, until the whole is written: beside the output."""
    destination = Path(output).resolve()
    return destination.with_name(f"{destination.name}.arms")


@contextmanager
def _kept_arms(request: CompareRequest) -> Iterator[Path]:
    """Yield the folder beside the output, or one that is gone afterwards."""
    if request.output is not None:
        yield kept_beside(request.output)
        return
    with TemporaryDirectory() as folder:
        yield Path(folder) / "arms"


def _write(output: OutputFolder, comparison: Comparison, costs: Sequence[Cost]) -> None:
    """Write the comparison, what it took and the figures."""
    output.write_text(COMPARISON, comparison.to_json())
    rows = [cost.model_dump(mode="json") for cost in costs]
    output.write_text("costs.json", json.dumps(rows, indent=2, sort_keys=True) + "\n")
    described = {name: entry.title for name, entry in METHODS.items()}
    output.write_text("comparison.html", render_comparison(comparison, costs, described, output.started))
    for name, figure in comparison_figures(comparison).items():
        save_figure(figure, output.path, name)
