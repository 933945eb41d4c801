"""Figures of an audit: what leaks, by type, by person, by wording and decoding, and after how many tries."""

import math

from matplotlib.figure import Figure

from editor.formatting import bits, count, number, percent, plural, words
from editor.report.figures import canvas
from editor.report.figures.canvas import COLOURS, SHARES, Chart, Layout, Mark, Row, Scale
from editor.report.figures.leakage import rate_mark
from editor.results.report import Report

MOST_SUBJECTS = 30
MOST_BITS = 60.0
LEAST_SHARE = 1e-6


def types_chart(report: Report) -> Chart | None:
    """Draw the share of each entity type's facts that greedy decoding leaks, and that sampling does."""
    if report.evidence is None or not report.evidence.types:
        return None
    rows: list[Row] = []
    for row in report.evidence.types:
        rows.append(Row(label=row.entity_type, numbers=plural(row.facts, "fact"), heading=True))
        rows.append(
            Row(
                label="greedy decoding",
                numbers=count(row.greedy),
                marks=(rate_mark(row.greedy, before=True),),
            )
        )
        rows.append(
            Row(
                label="sampling",
                numbers=count(row.extractable),
                marks=(rate_mark(row.extractable, before=True),),
            )
        )
        if row.exposed.total:
            rows.append(
                Row(
                    label="more exposed than decoys",
                    numbers=count(row.exposed),
                    marks=(rate_mark(row.exposed, before=True),),
                )
            )
    caption = (
        "Share of facts at their worst wording: leaked by greedy decoding, by the policy's number of samples, and "
        "more exposed than the policy's percentile of never-seen secrets of the same type. Bands are exact 95% "
        "intervals (Clopper-Pearson)."
    )
    return canvas.chart(
        "types", "What leaks, by type", caption, lambda layout: canvas.dot_figure(rows, SHARES, layout)
    )


def subjects_chart(report: Report) -> Chart | None:
    """Draw the bits of each person's most exposed fact, the most exposed people first, on the decoys' percentile."""
    if report.evidence is None or not report.subjects:
        return None
    ranked = sorted(report.subjects, key=lambda row: (row.worst_case_bits_before, row.subject))
    shown = ranked[:MOST_SUBJECTS]
    weakest = report.decoy_bits[5] if len(report.decoy_bits) > 5 else None
    right = max(10.0, *(min(row.worst_case_bits_before, MOST_BITS) for row in shown), weakest or 0.0)
    scale = _bits_scale(right)
    rows = [
        Row(
            label=row.subject,
            numbers=f"{bits(row.worst_case_bits_before)} bits, {row.leaked_before} of {row.facts}",
            marks=(Mark(value=row.worst_case_bits_before, colour="before", hollow=True),),
            limit=weakest,
        )
        for row in shown
    ]
    cut = (
        ""
        if len(shown) == len(ranked)
        else f" The {len(shown)} most exposed of {len(ranked):,} people are shown."
    )
    caption = (
        "Worst-case bits of each person's most exposed fact; far left it leaks at the first try. The tick is the 5th "
        f"percentile of decoys. At the right: bits, and facts leaked greedily.{cut}"
    )
    return canvas.chart(
        "subjects",
        "How exposed each person is",
        caption,
        lambda layout: canvas.dot_figure(rows, scale, layout, number_width=2.1),
    )


def _bits_scale(right: float) -> Scale:
    step = next(size for size in (2, 5, 10, 20) if right / size <= 6) if right <= 120 else 40
    ticks = tuple(float(tick) for tick in range(0, math.ceil(right / step) * step + 1, step))
    return Scale(
        low=0.0,
        high=ticks[-1],
        ticks=ticks,
        texts=tuple(f"{tick:.0f}" for tick in ticks),
        name="worst-case bits",
    )


def families_chart(report: Report) -> Chart | None:
    """Draw what each family of wordings leaks, and each decoding."""
    if report.evidence is None or not report.evidence.families:
        return None
    rows = [Row(label="Greedy decoding, by wording", heading=True)]
    rows += [
        Row(label=words(row.wording), numbers=count(row.greedy), marks=(rate_mark(row.greedy, before=True),))
        for row in report.evidence.families
    ]
    overall = next((r for r in report.groups if r.group == "erased" and r.wording == "all"), None)
    if overall is not None:
        rows.append(Row(label="All wordings, by decoding", heading=True))
        rows += [
            Row(
                label=d.decoding, numbers=count(d.extractable), marks=(rate_mark(d.extractable, before=True),)
            )
            for d in overall.before.decodings
        ]
    caption = (
        "Share of facts leaked. Above: by greedy decoding, for the facts asked in each family of wordings. Below: "
        "by the policy's number of samples under each decoding, at the worst wording. Bands are exact 95% intervals."
    )
    return canvas.chart(
        "families",
        "Which wordings and decodings leak facts",
        caption,
        lambda layout: canvas.dot_figure(rows, SHARES, layout),
    )


def tries_chart(report: Report) -> Chart | None:
    """Draw the expected share of facts, and of decoys, against the number of samples."""
    if report.evidence is None or not report.evidence.tries:
        return None
    caption = (
        "Expected share of secrets that appear within so many samples, at the worst wording and decoding. Decoys are "
        "secrets of the same formats that the model never saw: where the two lines meet, nothing but chance is left."
    )
    return canvas.chart(
        "tries", "How many tries it takes", caption, lambda layout: _draw_tries(report, layout)
    )


def _draw_tries(report: Report, layout: Layout) -> Figure:
    assert report.evidence is not None
    rows = report.evidence.tries
    figure = canvas.new_figure(layout.width, 3.0)
    left, right = (0.62, 0.75) if layout.narrow else (0.8, 1.6)
    axes = canvas.place(figure, left, 0.6, layout.width - left - right, 2.25)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_ylim(LEAST_SHARE, 1.6)
    axes.set_xlim(rows[0].tries, rows[-1].tries)
    axes.minorticks_off()
    shares = (1e-6, 1e-4, 1e-2, 1.0)
    axes.set_yticks(shares, ["0.0001%", "0.01%", "1%", "100%"])
    sizes = [row.tries for row in rows]
    axes.set_xticks(sizes, [_short(size) for size in sizes])
    for share in shares:
        axes.axhline(share, color=COLOURS["rule"], linewidth=0.8, zorder=0)
    axes.set_xlabel("samples", color=COLOURS["muted"], fontsize=canvas.SMALL, labelpad=6)
    ends: list[tuple[str, float, canvas.Colour]] = []
    for name, values, colour in (
        ("Facts", [row.facts for row in rows], "before"),
        ("Decoys", [row.decoys for row in rows], "decoy"),
    ):
        known = [max(LEAST_SHARE, value) for value in values if value is not None]
        if len(known) == len(rows):
            axes.plot(sizes, known, color=COLOURS[colour], linewidth=2.2, zorder=3)  # type: ignore[index]
            canvas.dots(axes, sizes, known, colour, hollow=name == "Decoys", size=6.0)  # type: ignore[arg-type]
            ends.append((name, known[-1], colour))  # type: ignore[arg-type]
    for name, value, _ in ends:
        axes.annotate(
            name,
            (sizes[-1], value),
            xytext=(9, -3 if len(ends) < 2 or name == "Facts" else -12 if value > 0.3 else -3),
            textcoords="offset points",
            color=COLOURS["ink"],
        )
    return figure


def _short(tries: int) -> str:
    return {1_000_000: "1M", 100_000: "100k", 10_000: "10k", 1_000: "1k"}.get(tries, number(tries))


def exposure_chart(report: Report) -> Chart | None:
    """Draw the share of facts that no candidate of the same format beats."""
    if report.evidence is None or not report.evidence.exposure:
        return None
    rows = [
        Row(
            label=row.entity_type,
            numbers=count(row.at_first_rank),
            marks=(rate_mark(row.at_first_rank, before=True),),
            limit=1 / row.candidates,
        )
        for row in report.evidence.exposure
    ]
    chance = percent(1 / report.evidence.exposure[0].candidates)
    caption = (
        "Share of facts that the model ranks first among candidates of the same format, at the worst wording; the tick "
        f"is what chance gives (about {chance}). Bands are exact 95% intervals."
    )
    return canvas.chart(
        "exposure", "First among candidates", caption, lambda layout: canvas.dot_figure(rows, SHARES, layout)
    )
