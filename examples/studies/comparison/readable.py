"""Tables of a comparison as Markdown for people, made of the CSV files that are kept."""

from collections.abc import Sequence
from pathlib import Path

from examples.studies.tables import read_table

Row = dict[str, str]
POINTS = ("collateral", "quarter", "policy", "norm")
"""Operating points, in the order of the pages."""
TESTED = ("collateral", "quarter")
"""Points at which pages show the reference's tests against each arm; `tests.csv` has the other points."""
ATTACKS = ("4-bit", "relearned")
"""Columns that are left out where no arm was attacked at a point."""
NONE = "–"
"""Text of a cell without a figure."""


def pages(results: Path) -> list[tuple[str, str]]:
    """Return titles and Markdown tables of a folder of results."""
    found = [(f"at the point {point}", operating_point(results, point)) for point in POINTS]
    found += [(f"tests at the point {point}", tested(results, point)) for point in TESTED]
    return [*found, ("costs", costs(results))]


def operating_point(results: Path, point: str) -> str:
    """Return every arm at an operating point, the most forgetful first, of equally forgetful ones the least exposed."""
    rows = [row for row in _read(results, "summary") if row["point"] == point]
    rows.sort(key=lambda row: (-float(row["gen"]), float(row["exposed"])))
    cells = [_arm(row) for row in rows]
    # Arms are attacked at some points alone.
    columns = [name for name in cells[0] if name not in ATTACKS or any(row[name] != NONE for row in cells)]
    return _table(columns, [[row[name] for name in columns] for row in cells])


def in_short(results: Path) -> str:
    """Return every arm at the reference's collateral, in the columns of docs/comparison.md."""
    # Whether the policy is met is known of an arm as it was tuned to it, which is another point.
    met = {row["arm"]: row["policy met"] for row in _read(results, "summary") if row["point"] == "policy"}
    rows = [row for row in _read(results, "summary") if row["point"] == "collateral"]
    rows.sort(key=lambda row: (-float(row["gen"]), float(row["exposed"])))
    columns = (
        "arm, at the same collateral",
        "unseen wordings forgotten",
        "facts more exposed than decoys",
        "others' facts kept",
        "relearned",
        "policy met when tuned to it",
    )
    cells = [
        [
            f"`{row['arm']}`",
            _share(row["gen"]),
            f"{100 * float(row['exposed']):.0f}%",
            _share(row["loc"]),
            f"{100 * float(row['relearning']):.0f}%",
            f"{met[row['arm']]} of {row['seeds']} seeds",
        ]
        for row in rows
    ]
    return _table(columns, cells)


def tested(results: Path, point: str) -> str:
    """Return the reference less each other arm, by fact, in percentage points with Holm's p."""
    found = {
        (row["measure"], row["against"]): row for row in _read(results, "tests") if row["point"] == point
    }
    # A row for each arm, with both measures side by side.
    rows = [
        [f"`{arm}`", *_difference(found["gen", arm]), *_difference(found["exposed", arm])]
        for arm in dict.fromkeys(arm for _, arm in found)
    ]
    return _table(("against", "Gen, points", "p (Holm)", "exposed, points", "p (Holm)"), rows)


def costs(results: Path) -> str:
    """Return what each arm took: seconds, and MiB of memory."""
    rows = _read(results, "costs")
    names = ("locating, s", "tuning, s", "one fit, s", "measuring, s", "peak MiB")
    return _table(
        ("arm", *names), [[f"`{row['arm']}`", *(f"{float(row[n]):,.0f}" for n in names)] for row in rows]
    )


def _arm(row: Row) -> Row:
    """Return the cells of one arm by column."""
    return {
        "arm": f"`{row['arm']}`",
        "Gen": _interval(row, "gen"),
        "exposed": _interval(row, "exposed"),
        "extractable": _share(row["extractable"]),
        "others kept": _interval(row, "loc"),
        "same people": _share(row["same_subject"]),
        "perplexity": f"{100 * float(row['perplexity_rise']):+.2f}%",
        "4-bit": _share(row["4-bit"]),
        "relearned": _share(row["relearning"]),
        "KL": f"{float(row['collateral']):.4f}",
        "‖ΔW‖": f"{float(row['norm']):.1f}",
        "policy met": f"{row['policy met']} of {row['seeds']}",
    }


def _difference(row: Row) -> tuple[str, str]:
    """Return a difference with its interval in percentage points, and its p."""
    mean, low, high = (100 * float(row[name]) for name in ("difference", "low", "high"))
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})", f"{float(row['p (Holm)']):.2g}"


def _interval(row: Row, measure: str) -> str:
    """Return a share with its interval in percent; the share alone where the interval is a point."""
    mean, low, high = (row[f"{measure}{end}"] for end in ("", " low", " high"))
    # All facts alike, such as 100%, make an interval without width.
    if not mean or low == high:
        return _share(mean)
    return f"{_share(mean)} ({100 * float(low):.1f} to {100 * float(high):.1f})"


def _share(value: str) -> str:
    """Return a share in percent, or `NONE` where the cell is empty."""
    return f"{100 * float(value):.1f}%" if value else NONE


def _read(results: Path, name: str) -> list[Row]:
    """Read a CSV file as rows by column."""
    table = read_table(results / f"{name}.csv")
    return [dict(zip(table.columns, (str(cell) for cell in row), strict=True)) for row in table.rows]


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
