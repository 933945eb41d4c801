"""The comparison's page and its table: complete, self-contained, the same each time, and free of secrets."""

import html
import io
import re
from html.parser import HTMLParser

import pytest
from made_arms import FAMILIES, make_arms, make_comparison, make_costs, make_fact, make_run, runs_of
from rich.console import Console

from detectors.fact import Fact
from editor.artefacts.masking import CaseKey
from editor.artefacts.scanner import SecretScanner
from editor.formatting import percent
from editor.report.comparison import comparison_table, render_comparison
from editor.report.comparison_text import rows_at
from editor.results.comparison import POINTS, Comparison

DESCRIBED = {arm: f"What {arm} does." for arm in FAMILIES}
VOID = {"meta", "path", "use", "br"}


@pytest.fixture(scope="module")
def comparison():
    return make_comparison(make_arms(seeds=2))


@pytest.fixture(scope="module")
def page(comparison):
    return render_comparison(comparison, make_costs(comparison.arms), DESCRIBED)


def _text(page):
    plain = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(plain).split())


class _Nesting(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):  # noqa: ARG002
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_verdict_comes_first_and_every_arm_is_told(page, comparison):
    text = _text(page)
    assert comparison.verdict in text
    assert text.index(comparison.verdict) < text.index("Outcomes Same collateral")
    assert all(sentence in text for sentence in DESCRIBED.values())
    assert f"<h1>{html.escape(comparison.verdict, quote=False)}".replace("'", "&#39;") in page


def test_every_row_stands_at_every_point_with_its_values(page, comparison):
    outcomes = page[page.index('id="outcomes"') : page.index('id="attacks"')]
    tables = re.findall(r"<table>.*?</table>", outcomes, re.DOTALL)
    shown = ("collateral", "quarter", "policy", "norm")
    for point, table in zip(shown, tables, strict=True):
        words = POINTS[point]
        assert f"<caption>{words[0].upper()}{words[1:]}, by Gen" in table
        rows = rows_at(comparison, point)
        assert [row.gen.mean for row in rows] == sorted((row.gen.mean for row in rows), reverse=True)
        found = re.findall(r'<th scope="row">([\w-]+) .*?</th><td class="n">([\d.>%]+)', table)
        assert found == [(row.arm, percent(row.gen.mean)) for row in rows]
        assert f"{rows[0].meets_policy} of 2" in table


def test_attacks_have_tables_of_their_own(page, comparison):
    attacked = page[page.index('id="attacks"') : page.index('id="trade-off"')]
    for table in re.findall(r"<table>.*?</table>", attacked, re.DOTALL):
        assert re.findall(r'<th scope="col"[^>]*>([^<]+)</th>', table) == ["Arm", "4-bit ↓", "Relearned ↓"]
    assert "4-bit ↓" not in page.replace(attacked, "")
    made = {row.point for row in comparison.summary if row.attacks}
    assert all(POINTS[point][1:] in attacked for point in made)


def test_sections_that_have_nothing_are_left_out(page):
    assert 'id="costs"' in page
    assert "cpu, 2 runs at a time, 1 thread each" in page
    without = render_comparison(make_comparison((runs_of("feature-edit", [1.0]),)), (), {})
    for anchor in ("costs", "tests", "where"):
        assert f'id="{anchor}"' not in without
        assert f'href="#{anchor}"' not in without
    assert "costs.json" not in without


def test_the_same_comparison_gives_the_same_bytes(page, comparison):
    again = Comparison.from_json(comparison.to_json())
    assert render_comparison(again, make_costs(again.arms), DESCRIBED) == page


def test_nothing_is_loaded_and_nothing_runs(page):
    addresses = set(re.findall(r"[a-z]+://[^\s\"'<>)]+", page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"<(script|link|img|iframe|object)\b|\son[a-z]+=|@import", page)
    assert not re.search(r"url\((?!#)", page)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def test_elements_nest_and_links_lead_somewhere(page):
    parser = _Nesting()
    parser.feed(page)
    assert parser.open == []
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)


def test_no_fact_and_no_secret_is_on_the_page(page, comparison):
    facts = {fact for run in comparison.arms for point in run.points for fact in point.facts}
    assert not [fact for fact in facts if fact.fact in page or fact.subject in page]
    secrets = [
        Fact(subject="Ada Quill", entity_type="PHONE_NUMBER", secret=secret, sources=())
        for secret in ("415-555-0132", "219-09-9999", "4111 1111 1111 1111")
    ]
    scanner = SecretScanner.from_facts(secrets, CaseKey(b"k" * 32), {"Ada Quill"})
    assert scanner.find(page) is None
    told = render_comparison(make_comparison((runs_of("feature-edit", [1.0]),), case="of Ada Quill"), (), {})
    assert scanner.find(told) is not None


def test_names_are_text_and_not_markup():
    arms = (runs_of("<b>bold</b>", [1.0, 0.5]), runs_of("feature-edit", [0.5, 0.5]))
    page = render_comparison(make_comparison(arms), make_costs(arms), {"feature-edit": "<script>x</script>"})
    assert "<b>" not in page
    assert "<script>" not in page
    assert "&lt;b&gt;bold" in page


def test_what_was_not_tested_is_a_dash():
    comparison = make_comparison((runs_of("feature-edit", [1.0, 0.5], others_kept=""),))
    assert '<td class="n">–</td>' in render_comparison(comparison, (), {})


def test_limits_name_the_arm_that_misses_the_match():
    arms = (runs_of("feature-edit", [1.0], collateral=0.01), runs_of("far", [1.0], collateral=0.012))
    text = _text(render_comparison(make_comparison(arms), (), {}))
    assert "far is the farthest from feature-edit: its collateral is 20% above" in text
    exact = _text(render_comparison(make_comparison((arms[0], runs_of("b", [1.0], collateral=0.01))), (), {}))
    assert "farthest" not in exact
    assert "At the same collateral, far is the farthest" in text
    assert "At a quarter of the collateral, far is the farthest" in text
    assert "At the a" not in text


def test_one_seed_is_one_run_and_not_seed_zero():
    comparison = make_comparison((runs_of("feature-edit", [1.0]),))
    page = _text(render_comparison(comparison, (), {}))
    assert "Runs of each arm 1 seed (0)" in page
    assert "Seeds 0" not in page
    dated = render_comparison(comparison, (), {}, "2026-11-28T22:09:45+00:00")
    assert "On 2026-11-28 22:09 UTC" in _text(dated)


def test_limits_say_how_little_few_facts_tell():
    text = _text(render_comparison(make_comparison((runs_of("feature-edit", [1.0] * 10),)), (), {}))
    assert "where 10 of 10 facts were forgotten, up to 30.8% of facts like them" in text


def test_facts_without_decoys_are_counted():
    run = runs_of("feature-edit", [1.0, 1.0])
    facts = [fact.model_copy(update={"percentile": None}) for fact in run.points[0].facts]
    without = make_run("feature-edit", [facts[0], run.points[0].facts[1]])
    assert "1 fact had no decoys" in _text(render_comparison(make_comparison((without,)), (), {}))
    assert "no decoys" not in _text(render_comparison(make_comparison((run,)), (), {}))


def test_significant_differences_alone_are_bold():
    arms = (runs_of("feature-edit", [1.0] * 12), runs_of("b", [0.0] * 12))
    page = render_comparison(make_comparison(arms), (), {})
    tests = page[page.index('id="tests"') : page.index('id="arms"')]
    assert tests.count('class="n sure"') == 2 * len(POINTS)  # the difference in Gen and its p, at every point
    assert "+100.0" in tests


def test_the_terminal_s_table_has_both_points_and_fits(comparison):
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(comparison_table(comparison))
    text = console.export_text()
    assert text.index("Same collateral") < text.index("Tuned to the policy")
    assert all(text.count(f" {arm} ") == 2 for arm in FAMILIES)
    assert "…" not in text


def test_what_the_original_model_does_stands_beside(page):
    facts = [make_fact("PHONE_NUMBER 01", 0.25, exposed=True), make_fact("PHONE_NUMBER 02", 0.5)]
    before = make_comparison((runs_of("feature-edit", [1.0, 0.5]),), original=facts)
    said = "Before any edit: Gen 37.5%, Rel 37.5%, exposed 50%."
    assert said in render_comparison(before, (), {})
    assert said in str(comparison_table(before).caption)
    assert "Before any edit" not in page
