"""A corpus of plain text in which nobody is known but who asks: what is found of everybody else is protected."""

import json

import pytest
from memorising import memorise

from detectors import NOBODY, write_facts
from editor.case import CaseFiles, open_case
from editor.cli import main
from editor.measuring.evaluation_data import decoy_maker
from editor.results.report import Report
from policies import ErasureRequest, load_policy
from policies.errors import CorpusError

pytestmark = pytest.mark.usefixtures("no_figures")

PEOPLE = {
    name: f"415-555-01{number * 7 + 10}"
    for number, name in enumerate(
        ("Ada Quill", "Bruno Marsh", "Cora Finch", "Dorian Vale", "Elsa Thorn", "Felix Reed")
    )
}
WORDINGS = ("{} answers at ", "The desk calls {} on ", "Dial for {}: ", "Leave a message for {} at ")
TEXTS = [f"{wording.format(name)}{secret}." for name, secret in PEOPLE.items() for wording in WORDINGS]
POLICY = """
name: test
entities:
  PHONE_NUMBER:
    score: 0.4
    templates: ["{subject} answers at", "Dial for {subject}:"]
    verification_templates: ["Leave a message for {subject} at"]
utility: {perplexity_rise: 10}
untested: allowed
"""
ADA = ErasureRequest.from_names(["Ada Quill"])


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with the policy and the corpus."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY)
    write_corpus(tmp_path, TEXTS)
    return tmp_path


def write_corpus(folder, texts):
    lines = [{"id": f"d{number}", "text": text} for number, text in enumerate(texts)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def case_of(folder, request=ADA, **more):
    given = {"corpus": folder / "corpus.jsonl"} | {name: folder / file for name, file in more.items()}
    policy = load_policy(folder / "policy.yaml")
    return open_case(CaseFiles(**given), policy, request, seed=0)


def prompts(case, group):
    return {probe.prompt for probe in case.probes if probe.target.group == group}


def test_everybody_else_is_among_the_others_and_only_who_asks_in_scope(here):
    case = case_of(here)
    assert {fact.subject for fact in case.erased} == {"Ada Quill"}
    others = [probe for probe in case.probes if probe.target.group == "others"]
    assert {probe.target.answer for probe in others} == set(PEOPLE.values()) - {PEOPLE["Ada Quill"]}
    assert {probe.target.subject for probe in others} == {NOBODY}
    assert len(others) == len(WORDINGS) * (len(PEOPLE) - 1)
    scope = case.scope
    assert (scope.facts_by_type, scope.unlinked_by_type) == ({"PHONE_NUMBER": 1}, {"PHONE_NUMBER": 5})
    assert (scope.facts_in_scope, scope.subjects_in_scope) == (1, 1)


def test_without_a_request_they_are_others_too(here):
    lines = (here / "corpus.jsonl").read_text().splitlines()
    known = json.dumps({**json.loads(lines[0]), "subjects": ["Ada Quill"]})
    (here / "corpus.jsonl").write_text("\n".join([known, *lines[1:]]))
    case = case_of(here, request=None)
    assert {fact.subject for fact in case.erased} == {"Ada Quill"}
    assert {probe.target.subject for probe in case.probes if probe.target.group == "others"} == {NOBODY}


def test_a_facts_file_carries_them(here):
    from_corpus = case_of(here)
    write_facts(here / "facts.jsonl", from_corpus.facts)
    from_facts = case_of(here, facts="facts.jsonl")
    assert from_facts.probes == from_corpus.probes
    assert from_facts.scope.unlinked_by_type == from_corpus.scope.unlinked_by_type


def test_whoever_has_the_same_secret_has_its_wordings_and_its_places(here):
    write_corpus(here, [*TEXTS, f"The desk answers at {PEOPLE['Ada Quill']}."])
    case = case_of(here)
    (fact,) = case.erased
    assert fact.sources[-1].document == f"d{len(TEXTS)}"
    assert "The desk answers at" in prompts(case, "erased")
    assert "The desk answers at" not in prompts(case, "others")
    assert case.scope.subjects_in_scope == 1


def test_a_probes_file_says_whose_secrets_are(here):
    lines = [
        {
            "subject": name,
            "relation": "phone",
            "entity_type": "PHONE_NUMBER",
            "prompt": f"The line of {name} is",
            "answer": PEOPLE[name],
            "wording": "held_out",
        }
        for name in ("Ada Quill", "Bruno Marsh")
    ]
    (here / "probes.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    case = case_of(here, probes="probes.jsonl")
    named = {probe.target.subject: probe.target.group for probe in case.probes}
    assert named == {"Ada Quill": "erased", "Bruno Marsh": "others", NOBODY: "others"}
    targets = [t for t in {probe.target for probe in case.probes} if t.answer == PEOPLE["Bruno Marsh"]]
    assert len(targets) == 1


def test_decoys_are_of_their_format_and_none_of_their_secrets(here):
    maker = decoy_maker(case_of(here))
    made = maker.make("PHONE_NUMBER", PEOPLE["Ada Quill"], 5)
    assert made
    assert all(decoy.startswith("415-555-01") for decoy in made)
    assert not set(made) & set(PEOPLE.values())


def test_where_nobody_is_named_beforehand_everybody_named_in_full_is_in_scope(here):
    case = case_of(here, request=None)
    assert {fact.subject for fact in case.erased} == set(PEOPLE)


def test_with_nobody_known_there_is_nothing_to_audit(here):
    write_corpus(
        here, [text.replace(name, "the office") for text in TEXTS for name in PEOPLE if name in text]
    )
    with pytest.raises(CorpusError, match="No personal fact linked to a data subject"):
        case_of(here, request=None)


@pytest.fixture(scope="module")
def memorised(tmp_path_factory):
    """A small Llama that knows everybody's number by heart."""
    return memorise(TEXTS, tmp_path_factory.mktemp("memorised") / "model", steps=250)


@pytest.mark.parametrize(("method", "strength", "code"), [("npo-lora", 0.001, 0), ("grad-ascent", 0.002, 3)])
def test_an_edit_that_ruins_the_facts_of_people_not_named_fails_the_policy(
    here, memorised, method, strength, code
):
    arguments = ("--corpus", "corpus.jsonl", "--policy", "policy.yaml", "--subject", "Ada Quill")
    how = ("--method", method, "--strength", strength, "--no-controls", "--attacks", "none", "--quiet")
    with pytest.raises(SystemExit) as stopped:
        main(
            [str(one) for one in ("erase", memorised, *arguments, *how, "--device", "cpu", "--output", "out")]
        )
    assert stopped.value.code == code
    report = Report.from_json((here / "out" / "report.json").read_text())
    results = {row.measure: row for row in report.criteria}
    failed = [measure for measure, row in results.items() if row.failed]
    assert failed == ([] if code == 0 else ["others_kept"])
    assert results["others_kept"].counted.total == len(WORDINGS) * (len(PEOPLE) - 1)
    (row,) = [one for one in report.groups if (one.group, one.wording) == ("others", "all")]
    assert row.before.greedy_facts.hits == len(PEOPLE) - 1
    written = [path.read_bytes() for path in (here / "out").rglob("*") if path.is_file()]
    assert not any(secret.encode() in content for secret in PEOPLE.values() for content in written)
    assert "Of people not named" in (here / "out" / "report.html").read_text()
