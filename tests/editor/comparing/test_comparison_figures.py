"""Figures of a comparison: drawn for any values, in the page's colours, and right where they count."""

import re

import numpy as np
import pytest
from made_arms import make_arms, make_comparison, make_point, runs_of
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from editor.comparing.statistics import MOST_CHANGED
from editor.report.figures.canvas import COLOURS
from editor.report.figures.cells import SHADES, draw_cells
from editor.report.figures.changed_weights import module_and_layer
from editor.report.figures.comparing import comparison_charts, comparison_figures
from editor.report.figures.drawing import save_figure
from editor.report.figures.labels import label_points
from editor.results.comparison import Editing

NAMES = {"pareto", "forest", "overlap", "modules", "neurons"}


@pytest.fixture(scope="module")
def comparison():
    return make_comparison(make_arms(seeds=2))


@pytest.fixture(scope="module")
def charts(comparison):
    return comparison_charts(comparison)


def test_a_full_comparison_has_every_figure_and_names_every_arm(charts, comparison):
    assert set(charts) == NAMES
    for chart in charts.values():
        for drawing in chart.drawings.values():
            assert all(re.search(rf">(\d+  ?)?{run.arm}</text>", drawing) for run in comparison.arms)


def test_colours_are_the_page_s_and_nothing_is_a_raster(charts):
    for chart in charts.values():
        for drawing in chart.drawings.values():
            assert not [key for key in COLOURS.values() if key in drawing]
            assert not re.search(r"(?:fill|stroke): #", drawing)
            assert "<image" not in drawing
            assert "nan" not in drawing


def test_files_are_in_colours_of_their_own_and_the_same_each_time(comparison, tmp_path):
    before = dict(COLOURS)
    written = []
    for attempt in ("first", "second"):
        folder = tmp_path / attempt
        folder.mkdir()
        for name, figure in comparison_figures(comparison).items():
            save_figure(figure, folder, name)
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert before == COLOURS
    assert written[0] == written[1]
    assert {f"comparison_{name}.svg" for name in NAMES} <= set(written[0])
    text = written[0]["comparison_pareto.svg"].decode()
    assert "#0b5fb0" in text
    assert not [key for key in before.values() if key in text]


def test_a_comparison_of_one_arm_and_no_change_is_drawn():
    charts = comparison_charts(make_comparison((runs_of("feature-edit", [1.0, 0.5], collateral=0.0),)))
    assert set(charts) == {"pareto", "forest"}


def test_arms_that_change_no_neuron_are_named_and_not_drawn():
    with_neurons = runs_of("a", [1.0], neurons={"mlp_hidden.0": (0.0, 2.0, 1.0)})
    chart = comparison_charts(make_comparison((with_neurons, runs_of("b", [1.0]))))["neurons"]
    assert "No neuron's weights were changed by b." in chart.caption
    assert ">b</text>" not in chart.drawings["wide"]


def test_modules_show_the_share_of_the_whole_change():
    editing = Editing(
        located={},
        modules={"model.layers.0.mlp.down_proj.weight": 4.0, "model.layers.1.mlp.down_proj.weight": 3.0,
                 "model.layers.1.self_attn.q_proj.weight": 0.0},
        neurons={},
    )  # fmt: skip
    run = runs_of("a", [1.0]).model_copy(update={"editing": editing})
    drawing = comparison_charts(make_comparison((run,)))["modules"].drawings["wide"]
    assert ">mlp.down_proj</text>" in drawing
    assert "q_proj" not in drawing


@pytest.mark.parametrize(
    ("parameter", "place"),
    [
        ("transformer.h.3.mlp.c_proj.weight", ("mlp.c_proj", 3)),
        ("model.layers.11.self_attn.q_proj.weight", ("attn.q_proj", 11)),
        ("gpt_neox.layers.0.mlp.dense_4h_to_h.bias", ("mlp.dense_4h_to_h", 0)),
        ("lm_head.weight", ("lm_head", 0)),
    ],
)
def test_parameters_are_told_by_module_and_layer(parameter, place):
    assert module_and_layer(parameter) == place


def test_overlap_caption_says_what_chance_would_give(charts):
    source = np.random.default_rng(0)
    draws = [set(source.choice(4 * 512, MOST_CHANGED, replace=False).tolist()) for _ in range(400)]
    chance = np.mean([len(a & b) / len(a | b) for a, b in zip(draws[::2], draws[1::2], strict=True)])
    said = float(re.search(r"about ([\d.]+) in common", charts["overlap"].caption)[1])
    assert said == pytest.approx(chance, abs=0.003)


def test_cells_are_stronger_where_values_are_higher():
    axes = Figure().add_axes((0, 0, 1, 1))
    draw_cells(axes, np.array([[0.0, 0.01, 1.0], [1.0, 1.0, 0.5]]))
    alphas = {patch.get_alpha(): len(patch.get_path().vertices) // 5 for patch in axes.patches}
    assert sorted(alphas) == pytest.approx([0.1, 0.1 + 0.85 * (SHADES / 2 - 1) / (SHADES - 1), 0.95])
    assert alphas[max(alphas)] == 2  # neighbours of a shade are one box


def test_names_cover_neither_each_other_nor_leave_the_axes():
    figure = Figure(figsize=(6, 4), dpi=72)
    axes = figure.add_axes((0.1, 0.1, 0.8, 0.8))
    named = [(f"arm number {index}", 0.3 + index / 20, 0.02) for index in range(9)]
    label_points(axes, named)
    FigureCanvasAgg(figure).draw()
    boxes = [Text.get_window_extent(text) for text in axes.texts]  # without its line
    overlapping = sum(first.overlaps(second) for index, first in enumerate(boxes) for second in boxes[:index])
    assert overlapping == 0
    assert all(axes.bbox.x0 - 12 <= box.x0 and box.x1 <= axes.bbox.x1 + 12 for box in boxes)


def test_trials_far_from_every_point_do_not_stretch_the_axis():
    run = make_arms(seeds=1, families=["feature-edit"])[0]
    far = run.trials[0].model_copy(update={"collateral": 1e6})
    run = run.model_copy(
        update={"trials": (*run.trials, far), "points": (make_point("policy", run.points[0].facts),)}
    )
    figure = comparison_figures(make_comparison((run,)))["comparison_pareto"]
    assert figure.axes[0].get_xlim()[1] < 1
