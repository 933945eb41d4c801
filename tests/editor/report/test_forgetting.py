"""Forget quality in words: what came out, or why nothing could."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft7Validator
from made_parts import make_forget_quality

from editor.attestation.statement import statement_text
from editor.report import forgetting, render_card, render_html
from editor.results.report import Report

SCHEMA = Path(__file__).parents[2] / "data" / "in-toto-test-result-subset.schema.json"
MANIFEST = json.dumps({"inputs": {}, "files": {}})


@pytest.fixture(autouse=True)
def without_figures(monkeypatch):
    monkeypatch.setattr("editor.report.render.draw_charts", lambda _: {})


def test_the_sentence_names_p_and_both_sides():
    found = make_forget_quality()
    assert found.tested
    said = forgetting.sentence(found)
    assert f"p {forgetting.p_text(found)}" in said
    assert f"{found.more_likely.hits} more likely, {found.less_likely.hits} less" in said
    assert "the never-seen reference" in said


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"facts": 0}, "there is nothing to compare"),
        ({"facts": 3}, "too few (they would have shown no difference)"),
        ({"facts": 5}, "too few (they would have shown none below 0.8589)"),
        ({"unscored": 2}, "the edited model gives 2 facts no score"),
    ],
)
def test_what_was_not_tested_is_never_called_good(change, why, make_report):
    report = make_report(forget_quality=make_forget_quality(**change))
    said = forgetting.sentence(report.forget_quality)
    assert said.startswith("Forget quality was not tested: ")
    assert why in said
    assert forgetting.p_text(report.forget_quality) == "not tested"
    assert why in render_html(report)


def test_it_stands_in_the_page_the_card_and_the_statement(erase_report, make_report):
    found = erase_report.forget_quality
    assert forgetting.sentence(found) in render_card(erase_report).replace("\\", "")
    page = render_html(erase_report)
    assert 'id="forget-quality"' in page
    assert all(row.fact in page for row in found.facts)
    told = json.loads(statement_text(MANIFEST, erase_report))["predicate"]["expunge"]["forgetQuality"]
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    forgotten = schema["definitions"]["figures"]["properties"]["forgetQuality"]
    Draft7Validator({**forgotten, "definitions": schema["definitions"]}).validate(told)
    assert (told["p"], told["facts"], told["lessLikely"]["total"]) == (found.p, 25, 25)
    older = make_report(forget_quality=None)
    assert "forget_quality" not in json.loads(older.to_json())
    assert Report.from_json(older.to_json()) == older
    assert Report.from_json(erase_report.to_json()) == erase_report
    assert 'id="forget-quality"' not in render_html(older)
    assert "forgetQuality" not in statement_text(MANIFEST, older)
