"""The page: complete, self-contained, the same each time, and safe with whatever the report holds."""

import html.parser
import re

import pytest
from made_evidence import make_evidence

from editor.report.features import FEATURES_HTML
from editor.report.render import MOST_FACTS, MOST_ROWS, render_html
from editor.report.summary import headline
from editor.results.attacks import AttackLevel, AttackRow
from editor.results.parts import Rate
from editor.results.report import Report

FORBIDDEN = ("anonymous", "anonymis", "anonymiz", "compliant", "compliance", "proof", "proven")
STARTED = "2026-11-28T22:09:45+00:00"
VOID = {"meta", "br", "hr", "img", "input", "link"}


class _Page(html.parser.HTMLParser):
    """Collects ids, links, elements and text, and checks that elements nest."""

    def __init__(self):
        super().__init__()
        self.ids, self.references, self.elements, self.open, self.text = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.elements.append(tag)
        if "id" in values:
            self.ids.append(values["id"])
        self.references += [values[name] for name in ("href", "src", "xlink:href") if name in values]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in {"style"}:
            self.text.append(data)


def _parse(page):
    parsed = _Page()
    parsed.feed(page)
    assert parsed.open == []
    return parsed


def _text(page):
    return " ".join(" ".join(_parse(page).text).split())


@pytest.fixture(scope="module")
def pages(make_report):
    return {kind: render_html(make_report(kind), STARTED) for kind in ("erase", "audit", "verify")}


@pytest.fixture(scope="module")
def erase_page(pages):
    return pages["erase"]


@pytest.fixture(scope="module", params=["erase", "audit", "verify"])
def any_page(request, pages):
    return pages[request.param]


def test_every_kind_renders_well_formed_with_unique_ids(any_page):
    page = _parse(any_page)
    assert len(page.ids) == len(set(page.ids))
    for reference in page.references:
        if reference == FEATURES_HTML:  # written beside it
            continue
        assert reference.startswith("#")
        assert reference == "#" or reference[1:] in page.ids
    assert page.elements.count("h1") == 1
    assert page.elements.count("table") == page.elements.count("caption")
    assert page.elements.count("figure") == page.elements.count("figcaption")


def test_same_report_and_time_give_the_same_bytes(erase_report, erase_page):
    assert render_html(Report.from_json(erase_report.to_json()), STARTED) == erase_page


def test_who_what_when_and_on_which_model(any_page, make_report):
    text = _text(any_page)
    report = make_report("erase")
    assert f"Carried out by {report.operator} On 2026-11-28 22:09 UTC" in text
    assert f"{report.model_before.source}, {report.model_before.architecture}, a3f0a3f0a3f0a3f0…" in text
    undated = render_html(make_report("audit", groups=(), facts=()))
    assert "<time" not in undated


def test_residual_risk_comes_before_all_figures(any_page):
    ids = _parse(any_page).ids
    assert ids.index("residual-risk") < ids.index("criteria") < ids.index("leakage")


def test_counts_and_terms_are_explained_on_the_spot(erase_page, make_report):
    text = _text(erase_page)
    assert "0 of 25 does not mean never: if 13.7% of facts like these leaked" in text
    assert "In plain words Greedy decoding The model writes its likeliest next token" in text
    assert 'href="#word-decoys"' in erase_page
    assert "does not mean" not in render_html(make_report("audit", groups=(), facts=()))


def test_an_audit_does_not_speak_of_erasing(pages):
    text = _text(pages["audit"])
    assert "was erased" not in text
    assert "Erased facts" not in text
    assert "Facts in scope under sampling" in text


def test_long_tables_are_folded_and_short_ones_are_not(erase_report, make_report):
    page = render_html(make_report("erase", attacks=()))
    folded = re.findall(r"<summary>(.*?) <span", page)
    assert [name.split(",")[0] for name in folded] == ["Facts in scope", "The whole text"]
    few = render_html(make_report("erase", attacks=(), facts=erase_report.facts[:MOST_ROWS]))
    assert "<summary>Facts in scope" not in few


def test_a_baseline_stands_in_the_headline_and_among_the_key_numbers(make_report):
    report = make_report("audit", evidence=make_evidence())
    page = _parse(render_html(report, STARTED))
    text = " ".join(" ".join(page.text).split())
    assert "25 facts in scope. The baseline models/base leaks 1 of the 25; training added 24." in text
    assert "Facts that training added 24 of 25; the baseline models/base leaks 1 greedily" in text
    assert "Baseline models/base" in text
    assert len(page.ids) == len(set(page.ids))
    alone = make_report("audit", evidence=make_evidence(baseline=False))
    assert headline(alone) == alone.verdict


def test_nothing_is_loaded_and_nothing_runs(erase_page):
    addresses = set(re.findall(r"[a-z]+://[^\s\"'<>)]+", erase_page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "@import" not in erase_page
    assert not re.search(r"url\((?!#)", erase_page)
    assert not {"script", "link", "img", "iframe", "object"} & set(_parse(erase_page).elements)
    assert not re.search(r"\son[a-z]+=", erase_page)


def test_light_dark_paper_and_phone(erase_page):
    assert "prefers-color-scheme: dark" in erase_page
    assert "@media print" in erase_page
    assert 'name="viewport"' in erase_page


def test_words_that_promise_too_much_are_not_used(any_page):
    assert not [word for word in FORBIDDEN if word in any_page.lower()]


def test_all_that_was_measured_is_there(erase_report, erase_page):
    text = _text(erase_page)
    expected = [
        erase_report.verdict,
        erase_report.case,
        "Policy met",
        *(row.name[1:] for row in erase_report.criteria),
        *(row.subject for row in erase_report.subjects),
        *(row.fact for row in erase_report.facts),
        *(row.name for row in erase_report.controls),
        *(row.name for row in erase_report.attacks),
        *(row.name for row in erase_report.integrity),
        *(row.site for row in erase_report.dictionaries),
        *erase_report.edit.parameters,
        *erase_report.scope.coverage,
        *erase_report.scope.skipped,
        *erase_report.threat_model,
        *erase_report.residual_risk,
        erase_report.policy.digest,
        erase_report.command,
    ]
    assert [part for part in expected if " ".join(part.split()) not in text] == []
    assert [line for line in erase_report.policy.text.split("\n") if line.strip() not in text] == []


def test_the_depth_of_an_erasure_stands_beside_its_attack_and_its_levels(make_report):
    none = Rate(hits=0, total=4)
    levels = [
        AttackLevel(level=name, greedy_facts=none, depth=depth)
        for name, depth in (("layer 0", 0.25), ("all layers", 0.5))
    ]
    row = AttackRow(
        attack="activation-patching",
        name="patching",
        greedy_facts=none,
        worst_case_bits_median=9.0,
        depth=0.5,
        worst="all layers",
        curve=tuple(levels),
    )
    page = render_html(make_report("erase", attacks=(row,)))
    assert page.count("depth 50%") == 2
    assert page.count("depth 25%") == 1
    assert "depth" not in AttackRow(name="x", greedy_facts=none, worst_case_bits_median=1.0).model_dump_json()


def test_curves_of_attacks_are_folded_and_what_was_not_tested_says_why(make_report):
    def level(name, hits):
        rate = Rate(hits=hits, total=25)
        return AttackLevel(level=name, series="LoRA", greedy_facts=rate, exposed=rate, decoys=rate)

    nothing = Rate(hits=0, total=0)
    attacks = (
        AttackRow(
            attack="pruning",
            name="pruning",
            explained="facts that leak",
            greedy_facts=Rate(hits=7, total=25),
            worst_case_bits_median=None,
            worst="LoRA, 50%",
            curve=(level("10%", 3), level("50%", 7)),
        ),
        AttackRow(
            attack="merging",
            name="merging",
            greedy_facts=nothing,
            worst_case_bits_median=None,
            untested="no original",
        ),
    )
    page = render_html(make_report("erase", attacks=attacks, forget_quality=None))
    text = _text(page)
    assert "pruning: all 2 levels Facts that leak" in text
    assert "LoRA, 10% 3 of 25" in text
    assert "pruning LoRA, 50% 7 of 25" in text
    assert "not tested : no original" in text or "not tested: no original" in text
    assert page.count("<details>") == 2  # one folded curve, and what each attack counts


def test_absent_parts_are_left_out(pages):
    ids = set(_parse(pages["audit"]).ids)
    assert not {"controls", "attacks", "integrity", "edit", "search", "dictionaries"} & ids
    assert {"criteria", "leakage", "facts", "scope", "residual-risk", "policy"} <= ids
    assert "→" not in pages["audit"]


def test_barest_report_renders(make_report):
    names = ("groups", "subjects", "facts", "perplexities", "criteria", "threat_model", "residual_risk")
    empty = dict.fromkeys(names, ())
    page = _parse(render_html(make_report("audit", **empty)))
    assert "figure" not in page.elements


def test_content_is_escaped(make_report):
    texts = {"verdict": "<script>alert('x')</script>", "case": '"><b>', "command": "a && b <c>"}
    page = render_html(make_report("audit", groups=(), facts=(), **texts))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "a &amp;&amp; b &lt;c&gt;" in page


def test_long_lists_of_facts_are_cut_at_the_most_exposed(make_report, erase_report):
    facts = [
        erase_report.facts[0].model_copy(
            update={
                "fact": f"PHONE_NUMBER {number:08x}",
                "leaked_after": number == 999,
                "worst_case_bits_after": 50.0,
            }
        )
        for number in range(1000)
    ]
    page = render_html(make_report("audit", groups=(), facts=tuple(facts)))
    assert len(re.findall(r"<code>PHONE_NUMBER", page)) == MOST_FACTS
    assert "PHONE_NUMBER 000003e7" in page
    assert f"{MOST_FACTS} of 1000" in page


@pytest.mark.parametrize(
    ("code", "words"), [(0, "Policy met"), (1, "leakage"), (3, "utility"), (4, "Incomplete")]
)
def test_outcome_follows_the_exit_code(make_report, code, words):
    page = render_html(make_report("audit", exit_code=code, groups=(), facts=()))
    outcome = re.search(r'<p class="outcome">.*?</p>', page, re.DOTALL)
    assert words in outcome[0]
