"""The model card and the end of a run in the terminal."""

import io

from made_evidence import make_evidence
from rich.console import Console

from editor.report import closing_sentence, closing_table, render_card
from editor.report.summary import key_numbers

FORBIDDEN = ("anonymous", "compliant", "proof")


def _shown(report):
    console = Console(width=120, file=io.StringIO())
    console.print(closing_table(report))
    return console.file.getvalue()


def test_card_has_before_and_after_and_what_remains(any_report):
    card = render_card(any_report)
    assert card == render_card(any_report)
    for number in key_numbers(any_report):
        row = next(line for line in card.splitlines() if number.label.replace("_", "\\_") in line)
        assert number.before in row
        assert (number.after or "") in row
    assert all(risk in card for risk in any_report.residual_risk)
    assert any_report.command in card
    assert not [word for word in FORBIDDEN if word in card.lower()]


def test_card_tables_hold_together_whatever_the_report_says(make_report, erase_report):
    row = erase_report.criteria[0].model_copy(update={"name": "a | b\n<script> `c` *d*"})
    card = render_card(make_report(criteria=(row,), command="echo ```"))
    line = next(line for line in card.splitlines() if "&lt;script&gt;" in line)
    assert line.count("|") - line.count("\\|") == 5
    assert "<script>" not in card
    assert "````sh\necho ```\n````" in card


def test_failures_stand_out_in_the_card(make_report):
    assert "**fail**" in render_card(make_report("verify"))


def test_table_shows_before_and_after(erase_report):
    text = _shown(erase_report)
    assert "Before" in text
    assert "After" in text
    assert "Policy met" in text
    for number in key_numbers(erase_report):
        assert number.label in text


def test_table_names_what_was_not_met(make_report):
    assert "not met: at least 99%" in _shown(make_report("verify"))
    assert "not met" not in _shown(make_report())


def test_markup_in_a_report_is_not_obeyed(make_report, erase_report):
    row = erase_report.criteria[0].model_copy(update={"name": "[bold]x[/bold]", "passed": False})
    assert "[bold]x[/bold]" in _shown(make_report(criteria=(row,)))


def test_card_says_who_when_and_what_a_count_means(erase_report):
    card = render_card(erase_report, "2026-11-28T22:09:45+00:00")
    assert (
        "privacy desk edited rivermouth/model (GPT2LMHeadModel, sha256 a3f0a3f0a3f0a3f0) to erase 25 facts"
        in card
    )
    assert "by the policy rivermouth on 2026-11-28 22:09 UTC, with Expunge 0.1.0." in card
    assert "0 of 25 does not mean never" in card


def test_baseline_is_in_the_card_and_on_the_terminal(make_report):
    report = make_report("audit", evidence=make_evidence())
    said = "The baseline models/base leaks 1 of the 25; training added 24."
    assert said in render_card(report)
    assert said in closing_sentence(report)
    assert "Facts that training added" in _shown(report)


def test_sentence_is_the_page_s_headline(any_report):
    assert closing_sentence(any_report) == any_report.verdict
