"""Figures of what must stay: facts kept and perplexity against the policy's limits, and the controls."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from matplotlib.figure import Figure

from editor.formatting import count, percent, share_of, words
from editor.report.figures import canvas
from editor.report.figures.canvas import SHARES, Chart, Layout, Mark, Row, Scale
from editor.report.figures.leakage import rate_mark
from editor.report.summary import criterion, group_rows, kept_facts_share, kept_measure
from editor.results.edits import ControlRow
from editor.results.report import GroupResult, Perplexity, Rate, Report


def collateral_chart(report: Report) -> Chart | None:
    """Draw shares of facts kept and rises of perplexity, against the policy's floors and ceiling."""
    kept = [
        _kept_row(report, result)
        for result in group_rows(report)
        if result.group not in {"erased", "decoys"}
        and result.after is not None
        and result.before.greedy_facts.hits
    ]
    rises = [_rise_row(report, text) for text in report.perplexities if text.rise is not None]
    if not kept and not rises:
        return None
    caption = (
        "Facts that the edited model still completes, of those that the original completed, with exact 95% "
        "intervals (a band that reaches the left edge extends beyond it); below, the relative change of perplexity. "
        "The upright tick is the policy's limit: kept shares belong at its right, rises of perplexity at its left."
    )
    return canvas.chart(
        "collateral",
        "Facts kept and perplexity, against the policy's limits",
        caption,
        lambda layout: _draw_panels([(kept, _kept_scale(kept)), (rises, _rise_scale(rises))], layout),
    )


def _kept_row(report: Report, result: GroupResult) -> Row:
    assert result.after is not None
    before, after = result.before.greedy_facts, result.after.greedy_facts
    rate = Rate(hits=min(after.hits, before.hits), total=before.hits)
    floor = criterion(report, kept_measure(result.group))
    share = kept_facts_share(result.before, result.after) or 0.0
    mark = Mark(value=share, low=rate.low, high=rate.high, colour="after")
    label = f"{words(result.group)}, {words(result.wording)}"
    return Row(label=label, numbers=percent(share), marks=(mark,), limit=floor.threshold if floor else None)


def _kept_scale(rows: Sequence[Row]) -> Scale:
    """Return a scale from below the lowest value, floor or 96% up to 100%; intervals may go beyond."""
    values = [mark.value for row in rows for mark in row.marks]
    values += [row.limit for row in rows if row.limit is not None]
    lowest = min([*values, 0.96])
    low = next(edge for edge in (0.95, 0.9, 0.8, 0.5, 0.0) if edge <= lowest or edge == 0.0)
    ticks = tuple(low + (1 - low) * index / 5 for index in range(6)) if low != 0.0 else SHARES.ticks
    return Scale(
        low=low, high=1.0, ticks=ticks, texts=tuple(f"{tick:.0%}" for tick in ticks), name="facts kept"
    )


def _rise_row(report: Report, text: Perplexity) -> Row:
    rise = text.rise or 0.0
    ceiling = criterion(report, "perplexity_rise")
    return Row(
        label=text.text,
        numbers=percent(rise, signed=True),
        marks=(Mark(value=rise, colour="after"),),
        limit=ceiling.threshold if ceiling else None,
    )


def _rise_scale(rows: Sequence[Row]) -> Scale:
    values = [mark.value for row in rows for mark in row.marks if math.isfinite(mark.value)]
    values += [row.limit for row in rows if row.limit is not None]
    reach = max([abs(value) for value in values] + [0.005]) * 1.25
    step = next(
        size
        for size in (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 100)
        if reach / size <= 4 or size == 100
    )
    low = -step * (math.ceil(reach / step) if min([*values, 0.0]) < -step else 1)
    high = step * math.ceil(reach / step)
    ticks = tuple(low + step * index for index in range(round((high - low) / step) + 1))
    texts = tuple("0%" if abs(tick) < step / 2 else f"{tick:+.1%}" for tick in ticks)
    return Scale(low=low, high=high, ticks=ticks, texts=texts, name="rise of perplexity")


def _draw_panels(panels: Sequence[tuple[Sequence[Row], Scale]], layout: Layout) -> Figure:
    """Draw dot charts below each other with axes of their own; the labels and numbers line up."""
    shown = [(rows, scale) for rows, scale in panels if rows]
    below = 0.62
    height = sum(canvas.rows_height(rows, layout) + below for rows, _ in shown) + 0.1 * (len(shown) - 1)
    figure = canvas.new_figure(layout.width, height)
    labels = canvas.label_space([row for rows, _ in shown for row in rows])
    left, right = (0.12, 0.12) if layout.narrow else (labels, 1.1)
    top = height
    for rows, scale in shown:
        tall = canvas.rows_height(rows, layout)
        axes = canvas.place(figure, left, top - tall, layout.width - left - right, tall)
        canvas.draw_rows(axes, rows, scale, layout)
        top -= tall + below + 0.1
    return figure


def controls_chart(report: Report) -> Chart | None:
    """Draw the main edit beside edits of the same size that should not work."""
    main = _main_edit(report)
    if not report.controls or main is None:
        return None
    edits = (main, *report.controls)
    caption = (
        "The edit (filled) beside controls (hollow). If erasing were only a matter of disturbing the weights, a "
        "control of the same size would do as well. An edit that hits those facts and nothing else is at "
        "the left where facts are extracted and at the right where they are kept. Bands are exact 95% intervals."
    )
    return canvas.chart(
        "controls",
        "The edit beside other edits",
        caption,
        lambda layout: _draw_controls(edits, layout),
    )


def _main_edit(report: Report) -> ControlRow | None:
    """Return the edit of this report in the form of a control."""
    held_out = next(
        (row for row in report.groups if (row.group, row.wording) == ("erased", "held_out")), None
    )
    used = [row for row in group_rows(report, "erased") if row.wording != "held_out" and row.after]
    trained = max(used, key=_hits_after, default=held_out)
    held_out = held_out or trained
    if report.edit is None or trained is None or held_out is None or not trained.after or not held_out.after:
        return None
    return ControlRow(
        name="This edit",
        description=report.edit.method,
        norm=report.edit.norm,
        erased_trained=trained.after.greedy_facts,
        erased_held_out=held_out.after.greedy_facts,
        exposed=_counted(report, "decoy_percentile"),
        others_kept=_counted(report, "others_kept"),
        same_subject_kept=_counted(report, "same_subject_kept"),
        perplexity_rise=max((row.rise or 0.0 for row in report.perplexities), default=0.0),
    )


def _hits_after(row: GroupResult) -> int:
    return 0 if row.after is None else row.after.greedy_facts.hits


def _counted(report: Report, measure: str) -> Rate:
    """Return what a criterion counted; nothing where the report has no such criterion."""
    found = criterion(report, measure)
    return found.counted if found is not None and found.counted is not None else Rate(hits=0, total=0)


def _draw_controls(edits: Sequence[ControlRow], layout: Layout) -> Figure:
    used, held_out = [edit.erased_trained for edit in edits], [edit.erased_held_out for edit in edits]
    exposed = [edit.exposed for edit in edits]
    others, same = [edit.others_kept for edit in edits], [edit.same_subject_kept for edit in edits]
    rows = [
        *_control_rows("Extracted, wordings used", edits, used, count),
        *_control_rows("Extracted, held-out wordings", edits, held_out, count),
        *_control_rows("More exposed than decoys", edits, exposed, count),
        *_control_rows("Other people's facts kept", edits, others, share_of),
        *_control_rows("Same people's other facts kept", edits, same, share_of),
    ]
    return canvas.dot_figure(rows, SHARES, layout)


def _control_rows(
    title: str, edits: Sequence[ControlRow], rates: Sequence[Rate], write: Callable[[Rate], str]
) -> list[Row]:
    """Return a heading and a row for each edit; of what was not tested there is nothing to draw, and no heading."""
    if not any(rate.total for rate in rates):
        return []
    rows = [Row(label=title, heading=True)]
    for edit, rate in zip(edits, rates, strict=True):
        control = edit is not edits[0]
        mark = replace(rate_mark(rate), colour="decoy" if control else "after", hollow=control)
        rows.append(Row(label=edit.name, numbers=write(rate), marks=(mark,) if rate.total else ()))
    return rows
