"""The figures: present when their values are, in colours that follow the page, and honest at the edges."""

import math
import re

import pytest

from editor.report.figures import draw_charts
from editor.report.figures.canvas import COLOURS
from editor.report.figures.edit import pareto_front
from editor.results.edits import TrialRow
from editor.results.report import Rate


@pytest.fixture(scope="module")
def charts(erase_report):
    return draw_charts(erase_report)


def _drawings(charts):
    return [drawing for chart in charts.values() for drawing in chart.drawings.values()]


def test_a_full_report_has_every_figure(charts):
    assert set(charts) == {"leakage", "bits", "collateral", "controls", "attacks", "layers", "search"}


def test_an_audit_has_the_figures_of_leakage_alone(make_report):
    assert set(draw_charts(make_report("audit"))) == {"leakage", "bits"}


def test_captions_say_how_to_read_the_figure(charts):
    assert all(len(chart.caption) > 80 and chart.title for chart in charts.values())
    assert all("95%" in charts[name].caption for name in ("leakage", "collateral", "controls", "attacks"))
    assert "n = 25" in charts["bits"].caption
    assert "n = 32" in charts["search"].caption


def test_every_colour_is_the_page_s_own(charts):
    for drawing in _drawings(charts):
        assert not re.search(r"#[0-9a-f]{6}\b(?![^<]*\")", drawing)
        assert not [key for key in COLOURS.values() if key in drawing]
        assert set(re.findall(r"(?:fill|stroke): ([^;\"]+)", drawing)) <= {
            "none",
            *(f"var(--{name})" for name in COLOURS),
        }


def test_text_is_text_in_the_page_s_font(charts):
    leakage = charts["leakage"].drawings["wide"]
    assert re.search(r"<text[^>]*>25 → 0 of 25</text>", leakage)
    assert "font-family" not in leakage
    assert "<style" not in leakage


def test_drawings_carry_no_dates_and_do_not_share_ids(charts):
    ids = [name for drawing in _drawings(charts) for name in re.findall(r'\sid="([^"]+)"', drawing)]
    assert len(ids) == len(set(ids))
    assert not any("<metadata" in drawing or "<dc:" in drawing for drawing in _drawings(charts))


def test_drawings_are_labelled_for_screen_readers(charts):
    for chart in charts.values():
        assert all(
            f'aria-label="{chart.title}"'.replace("'", "&#x27;") in one for one in chart.drawings.values()
        )


def test_numbers_in_labels_are_not_rounded_with_the_coordinates(make_report):
    perplexity = make_report().perplexities[0].model_copy(update={"text": "text 1.23456"})
    report = make_report("audit", perplexities=(perplexity,), groups=(), facts=())
    drawing = draw_charts(report)["collateral"].drawings["wide"]
    assert "text 1.23456" in drawing


def test_values_that_are_not_finite_or_hostile_are_drawn(make_report, erase_report):
    facts = tuple(row.model_copy(update={"worst_case_bits_after": math.inf}) for row in erase_report.facts)
    attacks = (erase_report.attacks[0].model_copy(update={"name": "$\\alpha <b> \N{GRINNING FACE}"}),)
    charts = draw_charts(make_report("audit", facts=facts, attacks=attacks, groups=()))
    assert "median ∞" in charts["bits"].drawings["wide"]
    assert "$\\alpha &lt;b&gt;" in charts["attacks"].drawings["wide"]


def test_decoys_stand_behind_the_facts(make_report, erase_report):
    chart = draw_charts(erase_report)["bits"]
    assert "Decoys (n = 250)" in chart.caption
    alone = draw_charts(make_report(decoy_bits=()))["bits"]
    assert "Decoys" not in alone.caption
    for layout, drawing in chart.drawings.items():
        assert f"median {erase_report.decoy_bits[50]:.1f}" in drawing
        assert "var(--decoy)" in drawing
        assert drawing.index("var(--decoy)") < drawing.index("var(--before)")
        assert "var(--decoy)" not in alone.drawings[layout]


@pytest.mark.parametrize("bits", [(12.0,) * 101, (0.0,) * 101, (*(30.0,) * 100, math.inf)])
def test_decoys_of_any_distribution_are_drawn(make_report, bits):
    drawings = draw_charts(make_report("audit", decoy_bits=bits, groups=()))["bits"].drawings
    assert all("Decoys" in drawing and "nan" not in drawing for drawing in drawings.values())


def test_controls_say_nothing_of_what_was_not_tested(make_report, erase_report):
    nothing = Rate(hits=0, total=0)
    controls = tuple(row.model_copy(update={"same_subject_kept": nothing}) for row in erase_report.controls)
    criteria = tuple(
        row.model_copy(update={"counted": nothing, "measured": 1.0})
        if row.measure == "same_subject_kept"
        else row
        for row in erase_report.criteria
    )
    chart = draw_charts(make_report(controls=controls, criteria=criteria))["controls"]
    for drawing in chart.drawings.values():
        assert "Other people" in drawing
        assert "Same people" not in drawing


def test_many_facts_become_quantiles(make_report, erase_report):
    chart = draw_charts(make_report("audit", facts=erase_report.facts * 400, groups=()))["bits"]
    assert "300 quantiles" in chart.caption
    assert "n = 10,000" in chart.caption
    assert len(chart.drawings["wide"]) < 150_000


def _trial(number, leakage, collateral):
    return TrialRow(
        number=number, settings={}, leakage=leakage, collateral=collateral, norm=1.0, chosen=False
    )


def test_pareto_front_keeps_exactly_the_trials_that_nothing_beats():
    trials = [
        _trial(0, 1.0, 0.0),
        _trial(1, 0.5, 0.1),
        _trial(2, 0.5, 0.2),
        _trial(3, 0.7, 0.05),
        _trial(4, 0.0, 0.4),
    ]
    assert [trial.number for trial in pareto_front(trials)] == [0, 3, 1, 4]


@pytest.mark.parametrize("collateral", [[0.0, 0.1], [1e-6, 10.0], [0.0, 0.0]])
def test_searches_of_any_range_are_drawn(make_report, collateral):
    trials = tuple(_trial(number, 0.5, value) for number, value in enumerate(collateral))
    report = make_report("audit", trials=trials, groups=(), facts=(), perplexities=())
    assert set(draw_charts(report)) == {"search"}


def test_a_single_trial_is_said_and_not_drawn(make_report):
    report = make_report(trials=(_trial(0, 0.0, 0.3).model_copy(update={"chosen": True}),))
    assert "search" not in draw_charts(report)


@pytest.mark.parametrize("chosen", [0, 2])
def test_the_label_of_the_chosen_trial_stays_inside(make_report, chosen):
    trials = [_trial(number, (2 - number) / 2, (0.0, 1.0, 2.0)[number]) for number in range(3)]
    trials[chosen] = trials[chosen].model_copy(update={"chosen": True})
    report = make_report("audit", trials=tuple(trials), groups=(), facts=(), perplexities=())
    for drawing in draw_charts(report)["search"].drawings.values():
        (anchor,) = re.findall(rf'<text style="([^"]*)"[^>]*>chosen: trial {chosen}<', drawing)
        assert ("text-anchor: end" in anchor) is (chosen == 2)
        assert "facts that miss a ceiling of the policy" in drawing


def test_labels_that_are_too_long_are_cut(make_report, erase_report):
    attacks = (erase_report.attacks[0].model_copy(update={"name": "word " * 40}),)
    chart = draw_charts(make_report("audit", attacks=attacks, groups=(), facts=()))["attacks"]
    for drawing in chart.drawings.values():
        (label,) = re.findall(r">(word[^<]*)<", drawing)
        assert label.endswith("…")
        assert len(label) < 60
