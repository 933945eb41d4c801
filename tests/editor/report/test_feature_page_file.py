"""The page about features: complete without its script, self-contained, safe with whatever it holds."""

import re
from dataclasses import replace

import pytest

from editor.report.features import FeatureCard, FeaturePage, Shaded, render_features

CARD = FeatureCard(
    site="mlp_out.10",
    feature=7,
    score=3.25,
    density=0.0123,
    largest=4.5,
    facts=(("PHONE_NUMBER 01234567", 2.5),),
    contexts=((Shaded(text="the ", level=0), Shaded(text="<b>&", level=4, peak=True)),),
    promoted=(" x<", "y"),
    suppressed=("z",),
)
PAGE = FeaturePage(
    case="case <1>",
    chosen=3,
    cards=(CARD, replace(CARD, site="mlp_out.2", score=-1.0, facts=(), contexts=())),
    erased_documents=1,
    retained_documents=20,
    tokens=1000,
    withheld=0,
)


@pytest.fixture(scope="module")
def page():
    return render_features(PAGE)


def test_everything_is_there_without_the_script(page):
    body = page.split("<script>")[0]
    for part in ("feature 7", "+3.25", "−1.00", "1.2%", "PHONE_NUMBER 01234567", "+2.50", "on nowhere"):
        assert part in body, part
    assert "The 2 features of the highest score, of 3" in body
    assert body.index("+3.25") < body.index("−1.00")
    assert re.search(r'id="tools"[^>]* hidden', body)


def test_a_plain_reading_comes_first(page):
    assert CARD.reading == (
        "Helps the model to write facts, most of all 1 PHONE_NUMBER. In other text it is now and then on: at 1.2% of "
        "the tokens."
    )
    assert replace(CARD, facts=(), density=0.0).reading == (
        "Adds to no fact by itself. In the other text looked at it is never on."
    )
    assert PAGE.reading.startswith(
        "They add most often: 1 feature to PHONE_NUMBER. 0 of 2 are rare elsewhere"
    )
    assert page.index(PAGE.reading) < page.index("What the figures mean") < page.index("+3.25")
    assert page.index(CARD.reading) < page.index("PHONE_NUMBER 01234567")


def test_nothing_is_fetched(page):
    assert re.findall(r'(?:href|src)="([^"]*)"', page) == ["report.html"]
    assert "http" not in page
    assert "url(" not in page
    assert "@import" not in page


def test_text_is_escaped(page):
    assert '<span class="s4 peak">&lt;b&gt;&amp;</span>' in page
    assert " x&lt;" in page
    assert "case &lt;1&gt;" in page


def test_sites_are_in_the_order_of_the_model(page):
    assert PAGE.sites == ["mlp_out.2", "mlp_out.10"]
    assert page.index("<option>mlp_out.2<") < page.index("<option>mlp_out.10<")
    assert 'data-place="10000007"' in page


def test_light_and_dark(page):
    assert "prefers-color-scheme: dark" in page
    assert '<meta name="color-scheme" content="light dark">' in page
