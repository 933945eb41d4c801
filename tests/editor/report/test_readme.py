"""The model card of an edited checkpoint: what the hub reads of it, what a reader finds, what it never says."""

import json
import math

import pytest
import yaml
from huggingface_hub import ModelCard
from huggingface_hub.utils import validate_repo_id

from editor.report.markdown import plain
from editor.report.readme import TAGS, render_readme
from editor.report.summary import key_numbers
from editor.results.edits import AdapterSummary
from editor.results.report import Report

ESCAPE = "\x1b[2J"


@pytest.fixture(scope="module")
def from_hub(make_report, erase_report):
    """An erasure of a model that was loaded by its name on the hub."""
    before = erase_report.model_before.model_copy(update={"source": "org/base", "repository": "org/base"})
    return make_report(model_before=before)


def test_the_hub_reads_the_front_matter(from_hub):
    text = render_readme(from_hub)
    card = ModelCard(text)
    assert str(card) == text
    validate_repo_id(card.data.base_model)
    assert (card.data.base_model, card.data.base_model_relation) == ("org/base", "finetune")
    assert card.data.tags == [*TAGS, from_hub.edit.method]
    assert (card.data.library_name, card.data.pipeline_tag) == ("transformers", "text-generation")
    assert set(card.data.metrics) == {one.metric_type for one in card.data.eval_results}


def test_the_model_index_has_what_was_measured(from_hub):
    """The hub's own form of a model index, with the criteria's figures and nothing that was not tested."""
    index = yaml.safe_load(render_readme(from_hub).split("---\n")[1])["model-index"]
    (entry,) = index
    assert entry["name"] == "org/base, edited"
    found = {}
    for result in entry["results"]:
        assert result["task"] == {"type": "text-generation", "name": "Text generation"}
        assert result["dataset"].keys() == {"type", "name", "config"}
        for metric in result["metrics"]:
            assert metric.keys() == {"type", "name", "value", "args"}
            found.setdefault(metric["type"], metric["value"])
    expected = {row.measure: row.measured for row in from_hub.criteria if row.measured is not None}
    assert found == expected | {"perplexity": from_hub.perplexities[0].after}


def test_what_was_not_tested_and_what_is_no_number_is_left_out(make_report, erase_report):
    first, second, *_ = erase_report.criteria
    rows = (
        first.model_copy(update={"measured": None, "tested": False, "passed": False}),
        second.model_copy(update={"measured": math.inf, "passed": False}),
    )
    card = ModelCard(render_readme(make_report(criteria=rows, perplexities=())))
    assert card.data.eval_results is None
    assert {"metrics", "model-index", "model_name"}.isdisjoint(card.data.to_dict())


def test_a_reader_finds_the_verdict_the_figures_and_what_remains(from_hub):
    text = render_readme(from_hub)
    for number in key_numbers(from_hub):
        row = next(line for line in text.splitlines() if line.startswith(f"| {plain(number.label)} |"))
        assert number.before in row
        assert (number.after or "") in row
    assert "# org/base, edited" in text
    assert all(risk in text for risk in from_hub.residual_risk)


@pytest.mark.parametrize("source", ["/home/ada.quill/models/letters", "../ada.quill/letters", "letters/"])
def test_neither_who_ran_it_nor_where_anything_lay(make_report, erase_report, source):
    before = erase_report.model_before.model_copy(update={"source": source})
    report = make_report(
        operator="ada.quill@desk.example",
        command=f"expunge erase {source} --corpus /home/ada.quill/c.jsonl",
        model_before=before,
    )
    text = render_readme(report)
    assert "quill" not in text
    assert "/home" not in text
    assert report.case not in text
    assert "# letters, edited" in text
    assert "base_model" not in text


def test_it_is_rendered_from_report_json_alone(from_hub):
    assert render_readme(Report.from_json(from_hub.to_json())) == render_readme(from_hub)
    assert json.loads(from_hub.to_json())["model_before"]["repository"] == "org/base"


def test_markup_mentions_and_escapes_are_shown_and_not_obeyed(make_report, erase_report):
    bad = f"<script> [x](http://e.example) @someone {ESCAPE} \u202e\n---\n# y"
    before = erase_report.model_before.model_copy(update={"source": f"up/{bad.replace('/', '')}"})
    policy = erase_report.policy.model_copy(update={"name": bad})
    text = render_readme(make_report(model_before=before, policy=policy, verdict=bad, residual_risk=(bad,)))
    front, body = ModelCard(text).data.to_yaml(), ModelCard(text).text
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "<script>" not in body
    assert "[x](" not in body
    assert "@someone" not in body
    assert "\n# y" not in body
    assert "library_name: transformers" in front


def test_the_adapters_card_names_its_base_and_what_it_gives_back(make_report, erase_report):
    edit = erase_report.edit.model_copy(update={"adapter": AdapterSummary(rank=3, left_out=0.01)})
    card = ModelCard(render_readme(make_report(edit=edit), base_model="org/base", adapter=True))
    assert (card.data.library_name, card.data.base_model) == ("peft", "org/base")
    assert card.data.base_model_relation == "adapter"
    assert "LoRA adapter of rank 3" in card.text
    assert "can compute the model before the edit" in card.text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ask @desk now", "ask @&#8203;desk now"),
        ("desk@example.org", "desk@example.org"),
        ("(@a) @", "(@&#8203;a) @"),
        ("a\x1b[31mb\rc", "a\\\\x1b\\[31mb c"),
    ],
)
def test_a_text_calls_nobody_and_commands_no_terminal(text, shown):
    assert plain(text) == shown
