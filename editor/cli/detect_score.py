"""`expunge detect --score`: how much of what people marked as personal detection finds."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from editor.cli.json_output import json_wanted, print_result
from policies.errors import ExitCode, OutputError

if TYPE_CHECKING:
    from detectors.quality import Quality, Rate, Scores, Split
    from policies import Policy


def score_detection(
    labelled: Path, policy: "Policy", split: "Split", output: Path | None, *, quiet: bool
) -> bool:
    """Measure detection, print a table and write the figures where `output` is given.

    Return whether every text was completely scanned.

    Raises:
        CorpusError: the labelled texts cannot be read.
        OutputError: the output cannot be written.
    """
    from detectors.quality import measure_quality, quality_json, read_labelled
    from editor.api.stages import make_stages

    texts = read_labelled(labelled)
    stages = make_stages(quiet=quiet)
    with stages.stage("Finding personal facts") as advance:
        quality = measure_quality(
            texts, policy, source=labelled.name, split=split, on_text=lambda: advance(1)
        )
    if output is not None:
        try:
            output.write_text(quality_json(quality), encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"The file {output} cannot be written ({error.strerror})",
                "Give a path in a folder that you may write",
            ) from None
    if json_wanted():
        code = ExitCode.INCOMPLETE if quality.incomplete else ExitCode.MET
        print_result(code, quality=json.loads(quality_json(quality)), output=output)
    else:
        _show(quality, output)
    return not quality.incomplete


def _show(quality: "Quality", output: Path | None) -> None:
    from rich.console import Console
    from rich.table import Table

    from editor.cli.fitting import fitted

    console = Console(highlight=False)
    table = Table(
        "Entity type",
        title="Quality of detection, overlapping spans (95% intervals)",
        title_justify="left",
        show_lines=True,
    )
    for title in ("Labels", "Precision", "Recall", "F1", "F1, exact"):
        table.add_column(title, justify="right")
    for scored in quality.types:
        spans = scored.overlapping
        rates = (_rate(spans.precision), _rate(spans.recall), _f1(spans), _f1(scored.exact))
        table.add_row(scored.entity_type, str(scored.labels), *rates)
    console.print(fitted(table, console.width))
    model = quality.model or "none, so that names come only from lists and places from patterns"
    console.print(
        f"{quality.texts} texts of {quality.templates} templates ({quality.source}, {quality.split}), "
        f"{quality.incomplete} of them not completely scanned. Named entity model: {model}.",
        markup=False,
    )
    console.print("Intervals: Wilson over spans for precision and recall; F1 by resampling templates.")
    if quality.uncovered:
        names = ", ".join(f"{count} {name}" for name, count in quality.uncovered.items())
        console.print(f"Labels that policy {quality.policy} does not look for: {names}.", markup=False)
    if quality.unlabelled:
        console.print(f"No label, so nothing is known: {', '.join(quality.unlabelled)}.")
    if output is not None:
        console.print(f"Figures: {output}", markup=False, soft_wrap=True)


def _rate(rate: "Rate") -> str:
    return _cell(rate.share, rate.low, rate.high)


def _f1(scores: "Scores") -> str:
    return _cell(scores.f1, scores.f1_low, scores.f1_high)


def _cell(value: float | None, low: float | None, high: float | None) -> str:
    """Write a share above its interval, in per cent."""
    if value is None:
        return "-"
    if low is None or high is None:
        return f"{value:.1%}"
    return f"{value:.1%}\n{100 * low:.0f}-{100 * high:.0f}"
