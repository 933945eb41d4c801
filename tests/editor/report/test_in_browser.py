"""Every page in a headless Chromium: no error, no request, no overflow, few sheets, and nothing that axe-core finds.

Without Chromium they are skipped. axe-core is looked for where `npm install --no-save axe-core` puts it.
"""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from launching import end
from made_arms import FAMILIES, make_arms, make_comparison, make_costs
from made_evidence import make_evidence
from made_reports import make_audit_report, make_erase_report
from test_feature_page_file import CARD, PAGE

from editor.report.comparison import render_comparison
from editor.report.features import Shaded, render_features
from editor.report.render import render_html

pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

AXE = Path(__file__).parents[3] / "node_modules" / "axe-core" / "axe.min.js"
STARTED = "2026-11-28T22:09:45+00:00"
MOST_SHEETS = 6
PAPERS = {"A4": (8.27, 11.69), "US Letter": (8.5, 11)}
"""Width and height in inches."""
MARGINS = (24 / 25.4, 22 / 25.4)
"""Those of left and right together, and of top and bottom, in inches."""
OVERFLOWING = """[...document.querySelectorAll("body *")].filter(one => {
  const box = one.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && !one.closest(".table, nav ol, pre, svg, caption");
}).map(one => one.outerHTML.slice(0, 120))"""
CUT = """[...document.querySelectorAll("caption, .legend")].filter(one => {
  const box = one.getBoundingClientRect();
  return box.width && box.right > innerWidth;
}).map(one => one.textContent)"""
UNFOLD = "document.querySelectorAll('details').forEach(one => { one.open = true; })"
LONG = "an unbroken token of a tokenizer " + "x" * 90


def _features():
    cards = tuple(
        replace(
            CARD,
            feature=number,
            facts=tuple((f"STREET_ADDRESS {one:08x}", 2.5) for one in range(6)),
            contexts=((Shaded(text=LONG, level=0), Shaded(text=LONG[-60:], level=4, peak=True)),),
            promoted=(LONG[-70:], " y"),
        )
        for number in range(8)
    )
    return replace(PAGE, cards=cards)


def _pages():
    comparison = make_comparison(make_arms(seeds=2))
    described = {arm: f"What {arm} does." for arm in FAMILIES}
    return {
        "report": render_html(make_erase_report(), STARTED),
        "audit": render_html(make_audit_report(evidence=make_evidence()), STARTED),
        "comparison": render_comparison(comparison, make_costs(comparison.arms), described, STARTED),
        "features": render_features(_features()),
    }


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, page in _pages().items():
        (folder / f"{name}.html").write_text(page, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    running = []

    def start(*command, **options):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        running.append(subprocess.Popen([str(part) for part in command], **quiet, **options))

    browser = Browser(start, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()
    for process in running:
        end(process)


@pytest.fixture(params=["report", "audit", "comparison", "features"])
def page(request, pages):
    return pages / f"{request.param}.html"


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_overflows_nothing_is_asked_for_and_nothing_complains(browser, page, width):
    for dark in (False, True):
        browser.open(page, width, dark=dark)
        assert browser.evaluate("innerWidth") == width
        browser.evaluate(UNFOLD)
        assert browser.evaluate(OVERFLOWING) == []
        assert browser.evaluate(CUT) == []
        assert browser.evaluate("document.documentElement.scrollWidth") <= width
        assert browser.complaints() == []


def test_all_columns_of_a_comparison_are_inside_1280_pixels(browser, pages):
    browser.open(pages / "comparison.html", 1280)
    wide = "[...document.querySelectorAll('.table')].filter(one => one.scrollWidth > one.clientWidth).length"
    assert browser.evaluate(wide) == 0


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("name", ["report", "audit"])
def test_few_sheets_are_printed_and_residual_risk_is_on_the_first(browser, pages, name, paper):
    width, height = (96 * (side - taken) for side, taken in zip(PAPERS[paper], MARGINS, strict=True))
    browser.open(pages / f"{name}.html", int(width))
    _, sheets = browser.printed(*PAPERS[paper])
    assert sheets <= MOST_SHEETS
    browser.call("Emulation.setEmulatedMedia", media="print")
    end = "document.getElementById('residual-risk').getBoundingClientRect().bottom"
    assert browser.evaluate(end) <= height


@pytest.mark.skipif(not AXE.is_file(), reason="axe-core is not installed")
def test_axe_core_finds_nothing(browser, page):
    for dark in (False, True):
        browser.open(page, 1280, dark=dark)
        browser.evaluate(UNFOLD)
        browser.evaluate(AXE.read_text(encoding="utf-8"))
        found = browser.evaluate(
            "axe.run().then(all => all.violations.map(one => [one.id, one.nodes.map(node => node.html).slice(0, 3)]))"
        )
        assert found == []
