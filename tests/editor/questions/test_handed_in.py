"""What data subjects hand in: asked for whether or not it was found, once, and theirs."""

import json

import pytest
from made_runs import POLICY

from detectors import NOBODY, Fact, Source, write_facts
from editor.case import CaseFiles, open_case
from editor.questions.handed_in import handed_in
from policies import ErasureRequest
from policies.errors import PolicyError, SubjectError

NAME, OTHER = "Ada Quill", "Bruno Marsh"


def found(name, secret, entity_type="PHONE_NUMBER"):
    source = Source(document="d", start=9, end=21, score=0.7, prefix="Dial for it:")
    return Fact(subject=name, entity_type=entity_type, secret=secret, sources=(source,))


def asking(secrets, **more):
    return ErasureRequest(case="a", subjects=[{"name": NAME, "secrets": secrets, **more}])


@pytest.fixture
def opened(tmp_path):
    """Opens a case about facts and a request."""

    def run(facts, request, **options):
        write_facts(tmp_path / "facts.jsonl", facts)
        (tmp_path / "corpus.jsonl").write_text(json.dumps({"id": "d", "text": "Nothing of interest."}) + "\n")
        files = CaseFiles(facts=tmp_path / "facts.jsonl", corpus=tmp_path / "corpus.jsonl")
        return open_case(files, POLICY, request, seed=0, **options)

    return run


def test_what_was_not_found_is_asked_for_in_the_policys_wordings_of_both_splits(opened):
    case = opened([found(OTHER, "415-555-0109")], asking({"PHONE_NUMBER": "415-555-0101"}))
    (fact,) = case.erased
    assert (fact.subject, fact.secret, fact.sources) == (NAME, "415-555-0101", ())
    rule = POLICY.entities["PHONE_NUMBER"]
    asked = [probe for probe in case.probes if probe.is_erased]
    assert {probe.wording for probe in asked} == {"template"}
    assert len(asked) == len({*rule.templates, *rule.verification_templates})
    assert {probe.split for probe in asked} == {"locating", "verification"}
    assert "415-555-0101" in {fact.secret for fact in case.all_facts()}
    (said,) = (line for line in case.scope.not_found if "handed in" in line)
    assert said.startswith("PHONE_NUMBER: detection did not find a secret")
    assert "555" not in "".join(case.scope.not_found)


@pytest.mark.parametrize("handed", ["415-555-0101", "(415) 555 0101"])
def test_what_was_found_counts_once_in_whatever_spelling(opened, handed):
    case = opened([found(NAME, "415-555-0101")], asking({"PHONE_NUMBER": handed}))
    assert [fact.secret for fact in case.erased] == ["415-555-0101"]
    assert not [line for line in case.scope.not_found if "handed in" in line]


def test_a_secret_beside_nobodys_name_is_theirs_who_hand_it_in(opened):
    case = opened([found(NOBODY, "415.555.0101")], asking({"PHONE_NUMBER": "415-555-0101"}))
    (fact,) = case.erased
    assert (fact.subject, fact.secret, len(fact.sources)) == (NAME, "415.555.0101", 1)


def test_an_alias_under_which_it_was_found_is_known():
    request = asking({"PHONE_NUMBER": "415-555-0101"}, aliases=["A. Quill"])
    assert handed_in([request], [found("A. Quill", "415 555 0101")]) == ()
    assert len(handed_in([request, request])) == 1


def test_who_is_not_in_the_text_and_hands_in_nothing_is_still_refused(opened):
    with pytest.raises(SubjectError):
        opened([found(OTHER, "415-555-0109")], asking({}))


def test_what_an_earlier_request_handed_in_must_not_leak(opened):
    earlier = ErasureRequest(
        case="b", subjects=[{"name": OTHER, "secrets": {"PHONE_NUMBER": "415-555-0109"}}]
    )
    case = opened([found(NAME, "415-555-0101")], asking({}), earlier=[earlier])
    assert {fact.secret for fact in case.must_not_leak} == {"415-555-0101", "415-555-0109"}
    assert [fact.secret for fact in case.erased] == ["415-555-0101"]


def test_a_type_without_wordings_is_refused_by_its_name_alone(opened):
    with pytest.raises(
        PolicyError, match="FI_PERSONAL_IDENTITY_CODE, not covered by policy small"
    ) as refused:
        opened([found(NAME, "415-555-0101")], asking({"FI_PERSONAL_IDENTITY_CODE": "131052-308T"}))
    assert "308T" not in str(refused.value)
