"""The features of an edit: nothing personal in the clear, figures against a plain loop, the same each time."""

import json
from dataclasses import replace

import pytest
import torch
from problems import make_problem

from detectors import Fact, Source, write_facts
from dictionaries.model.sites import capture
from editor.artefacts.masking import CaseKey
from editor.case import CaseFiles, open_case
from editor.report import feature_page
from editor.report.feature_page import describe_features
from editor.report.features import render_features
from policies import ErasureRequest, load_policy

PEOPLE = {
    "Ada Quill": ("PHONE_NUMBER", "415-555-0132"),
    "Bruno Marsh": ("STREET_ADDRESS", "48 Alder Lane"),
    "Cora Finch": ("EMAIL_ADDRESS", "cora@finch.example"),
}
TEXT = "{name} works as a baker in Dover and answers at {secret}, or so the desk of {name} says."


@pytest.fixture
def case(tmp_path):
    facts, lines = [], []
    for name, (kind, secret) in PEOPLE.items():
        sources = []
        for copy in range(8):
            text = f"Note {copy}. " + TEXT.format(name=name, secret=secret)
            start = text.index(secret)
            identifier = f"{name[0]}{copy}"
            lines.append(json.dumps({"id": identifier, "text": text, "subjects": [name]}))
            prefix = text[text.index(name) : start]
            sources.append(
                Source(document=identifier, start=start, end=start + len(secret), score=1.0, prefix=prefix)
            )
        facts.append(Fact(subject=name, entity_type=kind, secret=secret, sources=tuple(sources)))
    (tmp_path / "corpus.jsonl").write_text("\n".join(lines) + "\n")
    write_facts(tmp_path / "facts.jsonl", facts)
    files = CaseFiles(corpus=tmp_path / "corpus.jsonl", facts=tmp_path / "facts.jsonl")
    return open_case(files, load_policy("gdpr"), ErasureRequest.from_names(["Ada Quill"]), seed=0)


@pytest.fixture
def describe(case, loaded):
    def make(architecture="relu", units=30):
        model = loaded("gpt2")
        problem = make_problem(model, architecture)
        key = CaseKey(b"k" * 32)
        return describe_features(case, model, problem.dictionaries, problem.attribution, units, key), problem

    return make


@pytest.mark.parametrize("architecture", ["relu", "binary"])
def test_nothing_personal_is_in_the_clear(describe, architecture):
    page = render_features(describe(architecture)[0])
    words = page.split("</style>")[1]
    for part in ("Ada", "Quill", "Marsh", "Finch", "cora", "Alder", "415", "0132"):
        assert part not in words, part
    assert "works as a baker" in words
    assert "PHONE_NUMBER " in words


def test_figures_are_those_of_a_plain_loop(describe, case, loaded, monkeypatch):
    page, problem = describe()
    assert page.retained_documents + page.erased_documents <= len(case.documents)
    assert page.erased_documents > 0
    model = loaded("gpt2")
    erased = {source.document for fact in case.erased for source in fact.sources}
    fitting, _ = feature_page.split_documents(case.documents, case.seed)
    on, tokens = {}, 0
    for document in (one for one in fitting if one.id not in erased):
        encoded = model.tokenizer(document.text, return_offsets_mapping=True)
        counted = torch.tensor([end > start for start, end in encoded["offset_mapping"]])
        sites = list(problem.dictionaries)
        with torch.no_grad(), capture(model.model, sites, keys=False) as taken:
            model.model(torch.tensor([encoded["input_ids"]]))
        tokens += int(counted.sum())
        for site in sites:
            codes = problem.dictionaries[site].encode(taken.outputs[site][0][counted])
            on[str(site)] = on.get(str(site), 0) + (codes > 0).sum(dim=0)
    assert page.tokens == tokens
    for card in page.cards:
        assert card.density == pytest.approx(int(on[card.site][card.feature]) / tokens)
    scores = [card.score for card in page.cards]
    assert scores == sorted(scores, reverse=True)
    assert all(sum(piece.peak for piece in context) <= 1 for card in page.cards for context in card.contexts)
    monkeypatch.setattr(feature_page, "MOST_FEATURES", 5)
    assert [card.score for card in describe()[0].cards] == scores[:5]
    assert "5 features of the highest score, of 30" in render_features(describe()[0])


def test_the_same_case_gives_the_same_page(describe):
    assert render_features(describe()[0]) == render_features(describe()[0])


def test_what_the_mask_misses_is_left_out(describe, monkeypatch):
    monkeypatch.setattr(feature_page.TextMask, "mask", lambda _self, text, _document=None: text)
    page, _ = describe()
    shown = " ".join(piece.text for card in page.cards for context in card.contexts for piece in context)
    assert page.withheld > 0
    assert "415-555-0132" not in shown
    assert "that the mask did not cover" in render_features(page)


def test_no_features(case, loaded):
    model = loaded("gpt2")
    problem = make_problem(model)
    nothing = {site: torch.zeros_like(score) for site, score in problem.attribution.scores.items()}
    attribution = replace(problem.attribution, scores=nothing)
    page = describe_features(case, model, problem.dictionaries, attribution, 30, CaseKey(b"k" * 32))
    assert page.cards == ()
    assert "takes out no feature" in render_features(page)
