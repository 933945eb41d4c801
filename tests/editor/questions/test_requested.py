"""What is asked for and was not found is listed, by numbers and types, never by name."""

import json

import pytest

from detectors import Document, Fact
from editor.case import CaseFiles, open_case
from editor.questions.requested import MOST_NUMBERS, NamesSeen, not_found
from editor.questions.written import WrittenProbe
from policies import ErasureRequest, load_policy
from policies.errors import PolicyError

POLICY = load_policy("gdpr")
PHONE, EMAIL = "PHONE_NUMBER", "EMAIL_ADDRESS"


def request(count=3, types=None, **more):
    subjects = [{"name": f"Ada Quill{number}", **more} for number in range(1, count + 1)]
    return ErasureRequest(case="c", subjects=subjects, entity_types=types)


def phones(*numbers):
    return [
        Fact(subject=f"Ada Quill{number}", entity_type=PHONE, secret=f"415-555-01{number:02}", sources=())
        for number in numbers
    ]


def lines(asked, facts, written=()):
    return list(not_found(asked, POLICY, facts, written))


def test_two_phones_of_sixty_that_detection_missed():
    (line,) = lines(request(60), phones(*(n for n in range(1, 61) if n not in (7, 31))))
    assert line.startswith(f"{PHONE}: no fact was found about data subjects 7 and 31 of 60")


def test_everything_was_found():
    assert not lines(request(3), phones(1, 2, 3))
    assert not lines(None, phones(1))


def test_types_that_a_request_names_are_listed_though_nobody_has_them():
    said = lines(request(2, types=(PHONE, EMAIL)), phones(1))
    assert [line.partition(",")[0] for line in said] == [
        f"{PHONE}: no fact was found about data subject 2 of 2",
        f"{EMAIL}: no fact was found about data subjects 1 and 2 of 2",
    ]


def test_types_of_the_policy_that_few_have_are_not():
    assert not lines(request(3), phones(1))


def test_facts_under_an_alias_count():
    asked = ErasureRequest(
        case="c", subjects=[{"name": "A", "aliases": ["Ada Quill1"]}], entity_types=(PHONE,)
    )
    assert not lines(asked, phones(1))


def test_many_are_counted():
    (line,) = lines(request(100, types=(PHONE,)), phones(1))
    assert "about 99 data subjects of 100" in line
    assert MOST_NUMBERS < 99


def written(answer, subject="Ada Quill1"):
    return WrittenProbe(
        subject=subject, relation="phone", entity_type=PHONE, prompt="p", answer=answer, wording="held_out"
    )


@pytest.mark.parametrize("asked", [request(1), None])
def test_answers_of_a_probes_file(asked):
    probes = [written("415 555 0101"), written("212-555-0188"), written("212-555-0188")]
    (line,) = lines(asked, phones(1), probes)
    assert line.startswith(f"{PHONE}: detection did not find 1 of the 2 facts that the probes file gives")
    assert not lines(request(1), phones(1), [written("212-555-0188", subject="Ben Ross")])


def test_aliases_and_addresses_that_the_text_does_not_hold():
    asked = ErasureRequest(
        case="c",
        subjects=[
            {"name": "Ada Quill", "aliases": ["A. Quill", "Ada  Marsh"]},
            {"name": "Ben Ross", "aliases": ["B. Ross"], "email": "Ben@ross.example"},
        ],
    )
    seen = NamesSeen(asked)
    seen.look(Document(id="1", text="Yesterday ada\nMARSH wrote to ben@ross.example.", subjects=()))
    assert list(seen.missing()) == [
        "Named by the request, and nowhere in the text as it is spelled: alias 1 of data subject 1, "
        "alias 1 of data subject 2"
    ]
    seen.look(Document(id="2", text="A. Quill", subjects=("B. Ross",)))
    assert not list(seen.missing())
    assert not list(NamesSeen(None).missing())


@pytest.fixture
def corpus(tmp_path):
    people = {"Ada Quill": "415-555-0101", "Ben Ross": "415-555-0102", "Cora Finch": "a secret number"}
    rows = [
        {"text": f"The phone number of {name} is {said}.", "subjects": [name]}
        for name, said in people.items()
    ]
    rows.append({"text": "The e-mail of Cora Finch is cora@finch.example.", "subjects": ["Cora Finch"]})
    (tmp_path / "c.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return CaseFiles(corpus=tmp_path / "c.jsonl")


def test_a_case_lists_what_was_not_found_and_names_nobody(corpus):
    names = ["Ada Quill", "Ben Ross", {"name": "Cora Finch", "aliases": ["Cora Reed"]}]
    asked = ErasureRequest(case="c", subjects=names)
    scope = open_case(corpus, POLICY, asked, seed=0).scope
    assert [line.partition(",")[0] for line in scope.not_found] == [
        "Named by the request",
        f"{PHONE}: no fact was found about data subject 3 of 3",
    ]
    assert not any(name in " ".join(scope.not_found) for name in ("Quill", "Ross", "Finch", "Reed"))
    assert open_case(corpus, POLICY, None, seed=0).scope.not_found == ()


def test_a_type_that_the_policy_does_not_look_for(corpus):
    asked = ErasureRequest(case="c", subjects=["Ada Quill"], entity_types=("MARTIAN_ID",))
    with pytest.raises(PolicyError, match="asks for MARTIAN_ID, not covered by policy"):
        open_case(corpus, POLICY, asked, seed=0)
