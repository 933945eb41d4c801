"""Tables of the terminal fit 80 columns, with every word in them."""

import io

import pytest
from made_arms import make_arms, make_comparison
from made_reports import MAKERS
from rich.console import Console
from rich.table import Table

from dictionaries import Site
from dictionaries.training.log import LogEntry
from editor.api.stages import begin
from editor.cli.dictionary.tables import figures_table
from editor.cli.fitting import fitted
from editor.methods import METHODS
from editor.report import closing_table
from editor.report.comparison import comparison_table

WIDTH = 80


def shown(table, width=WIDTH):
    console = Console(width=width, file=io.StringIO())
    console.print(fitted(table, width))
    lines = console.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert not [line for line in lines if "…" in line]
    return lines


def words_of(lines):
    return {word for line in lines for word in line.replace("│", " ").replace("┃", " ").split()}


def made(rows, *columns):
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    return table


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_a_report(kind):
    table = closing_table(MAKERS[kind]())
    words = {word for cell in table.columns[0].cells for word in str(cell).split()}
    assert words <= words_of(shown(table))


def test_a_comparison_of_the_arms_with_the_longest_names():
    runs = make_arms(
        seeds=1, facts=3, questions=4, families=["feature-edit", "npo-lora", "neuron-kn", "circuit-mlp"]
    )
    names = ["feature-edit", *sorted(METHODS, key=len, reverse=True)]
    renamed = [run.model_copy(update={"arm": name}) for run, name in zip(runs, names, strict=False)]
    lines = shown(comparison_table(make_comparison(renamed)))
    assert {run.arm for run in renamed} <= words_of(lines)


@pytest.mark.parametrize(
    "terms",
    [("reconstruction", "sparsity", "auxiliary"), ("reconstruction", "entropy_bits", "covariance")],
)
def test_figures_of_training_name_every_site(terms):
    sites = [
        Site(layer, stream) for layer, stream in ((3, "mlp_out"), (31, "attn_heads"), (127, "mlp_hidden"))
    ]
    metrics = type(
        "Metrics", (), {"terms": dict.fromkeys(terms, 12345.678), "l0": 1234.5, "dead_share": 0.123}
    )
    moments = [LogEntry(site, metrics, 0.001, 0.05, 1_234_567.0) for site in sites]
    lines = shown(figures_table(moments))
    assert {str(site) for site in sites} <= words_of(lines)


def test_a_table_that_fits_is_left_as_wide_as_it_is():
    assert shown(made([("a", "b")], "one", "two")) == shown(made([("a", "b")], "one", "two"), width=200)


def test_words_are_broken_only_where_there_is_no_other_way():
    rows = [("gated/mlp_out.3", "1,234 to 2,345", "12 of 200")] * 2
    lines = shown(made(rows, "dictionary", "95% interval", "by chance"), width=39)
    assert "gated/mlp_out.3" in words_of(lines)
    lines = shown(made([("x" * 60, "y" * 60)], "a", "b"), width=40)
    assert sum(line.count("x") for line in lines) == 60
    assert sum(line.count("y") for line in lines) == 60


def test_markup_in_a_cell_is_not_counted():
    assert "word" in words_of(shown(made([("[bold]word[/bold]",)], "a"), width=8))


def test_a_bar_fits_and_says_the_time_left_after_one_slow_step():
    now = [0.0]
    console = Console(width=WIDTH, file=io.StringIO(), get_time=lambda: now[0])
    progress, task = begin(console, "Verifying the checkpoint read back", 10)
    now[0] = 600.0
    progress.advance(task, 1)
    console.print(progress.get_renderable())
    (line,) = console.file.getvalue().splitlines()
    assert "Verifying the checkpoint read back" in line
    assert len(line.rstrip()) <= WIDTH
    assert line.split()[-1] == "1:30:00"
