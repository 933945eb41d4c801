"""What a run is called holds nobody's name, alias or secret: that is found out before the work."""

import pytest

from detectors import Fact
from editor.api.called import check_called, check_words
from editor.api.requests import AuditRequest
from editor.artefacts.masking import CaseKey
from editor.artefacts.scanner import SecretScanner
from policies import ErasureRequest, Policy
from policies.errors import OutputError
from policies.reading import build

WHOM = {"name": "Ada Quillington", "aliases": ["Q-441234", "Mrs Quillington"]}


def policy(**words):
    return build(Policy, {"name": "p", "entities": {"US_SSN": {}}, **words}, "p", "policy")


def asked(case="C-17"):
    return build(ErasureRequest, {"case": case, "subjects": ["Bruno Marsh", WHOM]}, "r", "erasure request")


def request(**options):
    given = {"facts": "facts.jsonl", "command": "expunge audit model"}
    return AuditRequest("model", **(given | options))


def test_words_that_say_nothing_of_anybody():
    check_called(request(operator="Quinn", corpus="letters"), [asked()], policy(description="all of it"))


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ({"case": "erasure of Ada Quillington"}, "`case`"),
        ({"case": "erasure-Q-441234"}, "`case`"),
        ({"case": "mrs  QUILLINGTON"}, "`case`"),
        ({"operator": "on behalf of Ada Quillington"}, "who answers"),
        ({"corpus": "letters of ada quillington/all.txt"}, "A path"),
        ({"command": "expunge audit 'Ada Quillington'"}, "The command"),
        ({"name": "for Ada Quillington"}, "name of the policy"),
        ({"description": "for Q-441234"}, "description of the policy"),
    ],
)
def test_a_name_or_an_alias_in_them(words, what):
    options = {name: words[name] for name in ("operator", "corpus", "command") if name in words}
    told = {name: words[name] for name in ("name", "description") if name in words}
    with pytest.raises(OutputError, match=what) as refused:
        check_called(request(**options), [asked(words.get("case", "C-17"))], policy(**told))
    said = str(refused.value).casefold()
    assert "data subject 2" in said
    assert "quill" not in said
    assert "441234" not in said


def test_names_that_were_given_without_a_request():
    with pytest.raises(OutputError, match="data subject 1"):
        check_called(request(subjects=["Ada Quill"], operator="Ada Quill"), [], policy())


def test_a_secret_in_them_once_facts_are_known():
    fact = Fact(subject="Ada Quill", entity_type="PHONE_NUMBER", secret="415-555-0132", sources=())
    scanner = SecretScanner.from_facts([fact], CaseKey(bytes(32)))
    check_words(request(), scanner, policy())
    with pytest.raises(OutputError, match=r"PHONE_NUMBER [0-9a-f]{8}"):
        check_words(request(corpus="about 4155550132.txt"), scanner, policy())
