"""Requests one after another on one model: what was erased before is asked for again, and must not come back."""

import json
import shutil
from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from memorising import memorise
from six_people import PEOPLE, POLICY

import expunge
from detectors import Fact, Source, read_facts, write_facts
from editor.api.requests import EraseRequest
from editor.case import CaseFiles, open_case
from editor.cli import main
from editor.edits.edit import Delta, Edit
from editor.measuring.evaluation_data import PreparedModel, prepare
from editor.model.loading import load_model
from editor.results.report import Report
from editor.tuning.build_problem import build_problem, trials
from policies import ErasureRequest, load_policy
from policies.errors import PolicyError, RequestError, SubjectError

pytestmark = pytest.mark.usefixtures("no_figures")

ADA, BRUNO = PEOPLE[:2]
ANYTHING = {
    "method": "memit",
    "strength": "default",
    "settings": {"steps": 2},
    "controls": False,
    "attacks": "none",
    "device": "cpu",
}


def request(name, *people):
    return ErasureRequest.from_names(people, case=name)


@pytest.fixture(scope="module")
def memorised(tmp_path_factory):
    """A small Llama that knows everybody's number by heart, in the wordings of the facts file."""
    texts = [
        f"{prefix}415-555-01{number + 10}."
        for number, name in enumerate(PEOPLE)
        for prefix in (f"{name} answers at ", f"The desk calls {name} on ", f"Dial for {name}: ")
    ]
    return memorise(texts, tmp_path_factory.mktemp("memorised") / "model")


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Where the first erasure is kept once it was made."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture
def stacked(here, memorised, kept):
    """The memorised model after an erasure of Ada, in `one`, that knows Ada's number no more."""
    case = {"facts": "facts.jsonl", "policy": "policy.yaml", "device": "cpu"}
    if not (kept / "one").exists():
        first = {"method": "grad-ascent", "strength": "default", "controls": False, "attacks": "none"}
        expunge.erase(memorised, request=request("first", ADA), output=kept / "one", **first, **case)
    shutil.copytree(kept / "one", here / "one")
    shutil.copy(kept / "one.key", here / "one.key")
    report = Report.from_json((here / "one" / "report.json").read_text())
    return SimpleNamespace(case=case, report=report, model=memorised, folder=here)


def groups(report):
    return {row.group: row for row in report.groups if row.wording == "all"}


def test_earlier_facts_are_checked_in_the_later_report_and_a_leak_fails_the_run(stacked):
    assert not groups(stacked.report)["erased"].after.greedy_facts.hits
    given = {"request": request("second", BRUNO), "also_erased": [request("first", ADA)], **stacked.case}
    report = expunge.erase(
        "one/model",
        previous=["one"],
        output="two",
        **given,
        **{k: v for k, v in ANYTHING.items() if k != "device"},
    )
    earlier = groups(report)["erased_before"]
    assert (earlier.before.facts, earlier.after.greedy_facts.hits) == (1, 0)
    rows = {row.measure: row for row in report.criteria}
    assert rows["earlier_greedy_rate"].passed
    assert rows["earlier_greedy_rate"].counted.total == 1
    head = json.loads((stacked.folder / "two" / "edit.json").read_text())
    first = json.loads((stacked.folder / "one" / "edit.json").read_text())
    assert [one["case"] for one in head["previous"]] == [first["case"]] == list(report.edit.previous)
    assert head["before"] == first["after"]
    everything = b"".join(path.read_bytes() for path in (stacked.folder / "two").rglob("*") if path.is_file())
    assert not [word for word in (ADA, BRUNO, "415-555-0110", "415-555-0111") if word.encode() in everything]
    # The same checkpoint, judged where Ada's number is known again: the original.
    leaky = expunge.verify(stacked.model, against="one/model", attacks="none", **given)
    assert groups(leaky)["erased_before"].after.greedy_facts.hits == 1
    assert {row.measure for row in leaky.criteria if row.failed} >= {"earlier_greedy_rate"}
    assert leaky.exit_code == 1
    assert "earlier requests" in " ".join(row.name for row in leaky.criteria if row.failed)
    audited = expunge.audit(stacked.model, **given, confirm=0, open_texts=0, candidates=0, membership=False)
    assert {row.measure for row in audited.criteria if row.failed} >= {"earlier_greedy_rate"}


def test_an_edit_that_brings_an_earlier_fact_back_fails_its_own_run(stacked, monkeypatch):
    """The edit is the way back to the original's weights."""
    original, edited = (load_model(str(one), device="cpu").model for one in (stacked.model, "one/model"))
    deltas = {
        name: Delta.from_dense(weight - edited.get_parameter(name))
        for name, weight in original.named_parameters()
        if weight.dim() == 2 and not torch.equal(weight, edited.get_parameter(name))
    }
    monkeypatch.setattr(
        "editor.tuning.kept_fits.fit_method", lambda *_: Edit(deltas=deltas, method="memit", settings={})
    )
    report = expunge.erase(
        "one/model",
        request=request("second", BRUNO),
        also_erased=[request("first", ADA)],
        previous=["one"],
        output="two",
        **{**stacked.case, **ANYTHING},
    )
    assert report.exit_code == 1
    assert groups(report)["erased_before"].before.greedy_facts.hits == 0
    assert groups(report)["erased_before"].after.greedy_facts.hits == 1


def test_an_earlier_edit_that_nobody_names_makes_the_run_incomplete(stacked):
    report = expunge.erase(
        "one/model",
        request=request("second", BRUNO),
        output="two",
        fail_on=["incomplete"],
        **{**stacked.case, **ANYTHING},
    )
    assert report.exit_code == 4
    assert [line for line in report.residual_risk if "was edited before (case " in line]
    assert not [row for row in report.groups if row.group == "erased_before"]


@pytest.mark.parametrize(
    ("previous", "people", "cause"),
    [
        ("one", [PEOPLE[2]], "lack 1"),
        ("two", [ADA], "cannot be read"),
        ("one", ["Nobody Known"], "lack 1"),
    ],
)
def test_what_does_not_fit_the_model_or_the_folder_is_refused(stacked, capsys, previous, people, cause):
    lines = "".join(f"  - {name}\n" for name in people)
    (stacked.folder / "earlier.yaml").write_text(f"case: first\nsubjects:\n{lines}")
    before = {path.name for path in stacked.folder.iterdir()}
    more = ("--subject", BRUNO, "--also-erased", "earlier.yaml", "--previous", previous, "--output", "out")
    with pytest.raises(SystemExit) as stopped:
        main(["erase", "one/model", "--facts", "facts.jsonl", "--policy", "policy.yaml", *more, "--quiet"])
    said = capsys.readouterr().err
    assert (stopped.value.code, cause in " ".join(said.split())) == (2, True), said
    assert not [name for name in (*people, BRUNO) if name in said]
    assert {path.name for path in stacked.folder.iterdir()} == before


def test_a_previous_edit_that_the_model_does_not_have_is_refused(stacked, capsys):
    (stacked.folder / "earlier.yaml").write_text(f"case: first\nsubjects: [{ADA}]\n")
    more = ("--subject", BRUNO, "--also-erased", "earlier.yaml", "--previous", "one", "--output", "out")
    with pytest.raises(SystemExit) as stopped:
        main(
            [
                "erase",
                str(stacked.model),
                "--facts",
                "facts.jsonl",
                "--policy",
                "policy.yaml",
                *more,
                "--quiet",
            ]
        )
    assert stopped.value.code == 2
    assert "does not have the edit of one" in " ".join(capsys.readouterr().err.split())


def test_without_a_key_people_are_counted(stacked):
    (stacked.folder / "one.key").unlink()
    given = {
        "request": request("second", BRUNO),
        "previous": ["one"],
        "output": "two",
        **stacked.case,
        **ANYTHING,
    }
    report = expunge.erase("one/model", also_erased=[request("first", ADA)], **given)
    assert groups(report)["erased_before"].after.facts == 1


@pytest.mark.parametrize(
    ("more", "cause"),
    [
        ({"subjects": [ADA], "previous": ["one"]}, "Give their requests again"),
        ({"also_erased": ["r.yaml"]}, "Everybody is in scope"),
        ({"subjects": [ADA], "also_erased": "r.yaml"}, "one request"),
        ({"subjects": [ADA], "also_erased": ["r.yaml"], "previous": "one"}, "one folder"),
    ],
)
def test_requests_that_contradict_themselves(more, cause):
    with pytest.raises(RequestError, match=cause):
        EraseRequest("m", corpus="c", output="o", **more)
    text = EraseRequest("m", corpus="c", output="o", subjects=[ADA], also_erased=[request("x", BRUNO)])
    assert not [name for name in (ADA, BRUNO) if name in repr(text) + text.call_text("erase")]


def make_case(tmp_path, facts, now, *earlier, seed=0):
    write_facts(tmp_path / "f.jsonl", facts)
    (tmp_path / "p.yaml").write_text(POLICY + "  EMAIL_ADDRESS:\n")
    files = CaseFiles(facts=tmp_path / "f.jsonl")
    return open_case(files, load_policy(tmp_path / "p.yaml"), now, seed=seed, earlier=earlier)


def owned(name, secret, kind="PHONE_NUMBER"):
    prefix = f"{name} answers at "
    source = Source(
        document=f"{name} {secret}",
        start=len(prefix),
        end=len(prefix) + len(secret),
        score=0.7,
        prefix=prefix,
    )
    return Fact(subject=name, entity_type=kind, secret=secret, sources=(source,))


def test_earlier_facts_are_never_retained_fitted_or_kept(here, tmp_path, loaded):
    facts = [
        *read_facts(here / "facts.jsonl"),
        owned(PEOPLE[3], "415-555-0110"),
        owned(ADA, "ada@q.org", "EMAIL_ADDRESS"),
    ]
    phones = ErasureRequest.model_validate(
        {"case": "first", "subjects": [ADA], "entity_types": ["PHONE_NUMBER"]}
    )
    case = make_case(tmp_path, facts, request("second", BRUNO, PEOPLE[2]), phones, request("zero", PEOPLE[2]))
    of = {(p.target.subject, p.target.answer): p.target.group for p in case.probes}
    assert of[ADA, "415-555-0110"] == "erased_before"
    assert of[PEOPLE[3], "415-555-0110"] == "erased_before"  # whoever shares it
    assert of[ADA, "ada@q.org"] not in ("erased", "erased_before")  # not asked for then
    assert of[BRUNO, "415-555-0111"] == of[PEOPLE[2], "415-555-0112"] == "erased"  # the later request wins
    assert Counter(of.values())["erased_before"] == 2
    model = loaded("llama")
    data = prepare(case, model)
    prepared = PreparedModel(loaded=model, data=data)
    problem = build_problem(case, prepared, {}, None, SimpleNamespace())
    _, judge = trials(case, prepared, problem)
    asked = {probe.target.answer for probe in judge.erased}
    assert "415-555-0110" in asked
    assert "415-555-0110" in {probe.target.answer for probe in data.measured}
    kept = [*problem.asked, *problem.comparable, *judge.kept]
    assert "415-555-0110" not in {probe.target.answer for probe in kept}
    ids = model.tokenizer("415-555-0110", add_special_tokens=False)["input_ids"]
    for sequence in (*problem.retain, *data.held_out_text, *problem.questions):
        marked = [token for token, mark in zip(sequence.ids, sequence.marked, strict=True) if mark]
        assert not any(marked[at : at + len(ids)] == ids for at in range(len(marked)))


def test_people_of_earlier_requests_must_be_found_and_keep_their_names_apart(here, tmp_path):
    facts = read_facts(here / "facts.jsonl")
    with pytest.raises(SubjectError, match="data subject 1 of 1 of an earlier request"):
        make_case(tmp_path, facts, request("second", BRUNO), request("first", "Nobody Known"))
    first = ErasureRequest.model_validate({"case": "a", "subjects": [{"name": ADA, "aliases": ["A."]}]})
    again = ErasureRequest.model_validate({"case": "b", "subjects": [{"name": ADA, "aliases": ["Q.", "A."]}]})
    (joined,) = first.with_people_of([again]).subjects
    assert (joined.name, joined.aliases) == (ADA, ("A.", "Q."))
    other = ErasureRequest.model_validate({"case": "b", "subjects": [{"name": BRUNO, "aliases": ["A."]}]})
    with pytest.raises(PolicyError, match="share a name"):
        first.with_people_of([other])
