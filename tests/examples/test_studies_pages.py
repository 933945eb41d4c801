"""Tables of documents that were made of committed files say what those files hold."""

import json

from editor.lab import find_lab
from examples.studies.tables import read_table

ROOT = find_lab().model.parents[2]
STUDIES = ROOT / "examples" / "studies"


def records(study, name):
    table = read_table(STUDIES / study / "results" / f"{name}.csv")
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def page(study):
    return (STUDIES / study / "README.md").read_text(encoding="utf-8")


def line(*cells):
    return f"| {' | '.join(cells)} |\n"


def interval(row, form=".2f"):
    mean, low, high = (format(float(row[name]), form) for name in ("mean", "low", "high"))
    return f"{mean} ({low} to {high})"


def test_the_lab_s_dictionaries():
    figures = json.loads((ROOT / "examples/rivermouth/figures.json").read_text(encoding="utf-8"))
    text = (ROOT / "docs/dictionaries.md").read_text(encoding="utf-8")
    for kind, title in (("gated", "Gated, F = 1,024, layer 0"), ("bae", "BAE, F = 768, layer 0")):
        for layer in range(4):
            of = figures[kind][f"mlp_out.{layer}"]
            assert (
                line(
                    f"layer {layer}" if layer else title,
                    f"{of['explained variance']:.3f}",
                    f"{of['gamma']:.3f}",
                    f"{of['l0']:.0f}",
                    str(of["features"] - of["alive"]),
                    f"{of['denser than 10%']:.1%}",
                    f"{of['loss recovered']:.3f}",
                )
                in text
            )


def test_probing():
    text = page("probing")
    scores = ("F1", "F1, random basis", "F1, random neurons", "best single neuron")
    rows = records("probing", "summary")
    assert len(rows) == 12
    for row in rows:
        shown = [f"{float(row[name]):.2f}" for name in scores]
        assert line(row["width"], row["category"], *shown, row["fewest neurons"], row["their layer"]) in text


def test_units_by_kind():
    text = page("units")
    found = {(row["measure"], row["kind"]): interval(row) for row in records("units", "measured")}
    measures = (
        "drop, 1 removed",
        "drop, 5 removed",
        "drop, 10 removed",
        "others' drop, 10 removed",
        "AUC of the first",
        "AUC",
        "Cohen's d",
    )
    kinds = dict.fromkeys(kind for _, kind in found)
    assert len(kinds) == 6
    for kind in kinds:
        assert line(kind, *(found[measure, kind] for measure in measures)) in text


def test_units_compared():
    text = page("units")
    rows = [row for row in records("units", "tests") if row["Gated features less"] == "neurons"]
    assert len(rows) == 9
    for row in rows:
        difference = interval(
            {**row, "mean": row["difference"]}, "+.3f" if "drop" in row["measure"] else ".3f"
        )
        assert line(row["measure"], difference, f"{float(row['p (Holm)']):.2g}") in text


def test_units_named():
    text = page("units")
    rows = records("units", "named")
    assert len(rows) == 7
    for row in rows:
        share = f"{int(row['named']) / int(row['units']):.2f}"
        if int(row["named"]):
            share += f" ({float(row['low']):.2f} to {float(row['high']):.2f})"
        assert line(row["kind"], row["units"], row["named"], share) in text


def spread(row, name, form):
    """A mean in per cent, with the seeds' least and most where they differ."""
    mean, least, most = (format(100 * float(row[f"{name}{end}"]), form) for end in ("", " least", " most"))
    bare = (low.lstrip("+") for low in (least, most))
    return f"{mean}%" if least == most else f"{mean}% ({' to '.join(bare)})"


def test_circuits():
    text = page("circuits")
    exact = {
        (row["locator"], row["density"], row["part"]): int(row["weights"])
        for row in records("circuits", "responses")
    }
    rows = [row for row in records("circuits", "responses-over-seeds") if row["locator"] != "none"]
    shown = [row for row in rows if row["part"] in {"circuit", "complement", "random"}]
    assert len(shown) == 30
    for row in shown:
        assert (
            line(
                row["locator"],
                f"{float(row['density']):.0%}",
                row["part"],
                row["seeds"],
                f"{exact[row['locator'], row['density'], row['part']]:,}",
                spread(row, "facts", ".0f"),
                spread(row, "probes", ".1f"),
                spread(row, "others", ".1f"),
                spread(row, "perplexity_rise", "+.2f"),
            )
            in text
        ), row
