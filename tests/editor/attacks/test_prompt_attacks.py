"""Attacks by questions: what is put before them, and whose data is in it."""

from dataclasses import replace

import pytest
from attack_grounds import CASE, DECOYS, EMAIL, ERASED, OTHERS, PEOPLE, PHONE, make_case, probes
from memorising import memorise

from detectors.conversation import ASSISTANT, USER, Utterance, write_turns
from editor.attacks.attack import Attacked
from editor.attacks.few_shot import FewShot
from editor.attacks.ground import Ground
from editor.attacks.other_language import CARRIERS, OtherLanguage
from editor.attacks.running import attack_rows, prepare_attacks
from editor.attacks.spelled_out import SpelledOut
from editor.attacks.true_prefix import TruePrefix
from editor.model.loading import load_model
from editor.progress import Silent

SECRETS = {secret for secrets in PEOPLE.values() for secret in secrets.values()}
PROMPTING = ("true-prefix", "few-shot", "spelled-out", "other-language")


def asked(attack, case=CASE, erased=ERASED):
    """Level -> questions put at it."""
    prepared = attack.prepare("x", Ground(case=case, erased=tuple(erased)))
    levels = prepared.levels(Attacked(loaded=None))
    return (
        {level.name: [level.asks(probe) for probe in prepared.asked] for level in levels}
        if prepared.asked
        else {}
    )


@pytest.mark.parametrize("attack", [TruePrefix(), FewShot(), SpelledOut(), OtherLanguage()])
def test_no_question_holds_an_erased_secret(attack):
    prompts = [probe.prompt for probes in asked(attack).values() for probe in probes]
    assert prompts
    assert not [prompt for prompt in prompts for secret in SECRETS if secret in prompt]


def test_records_of_others_stand_before_the_question_and_the_persons_own_ends_where_secrets_begin():
    levels = asked(TruePrefix(records=(1, 2, 3)))
    one, two, own = levels.values()
    assert list(levels)[:2] == ["records of other people: 1", "records of other people: 2"]
    assert all(sum(name in probe.prompt for name in OTHERS) == 1 for probe in one)
    assert all(all(name in probe.prompt for name in OTHERS) for probe in two)
    for probe, before in zip(own, ERASED, strict=True):
        name = probe.target.subject
        assert probe.prompt == f"{name} lives by the river, answers at\n{before.prompt}"


def test_examples_are_the_same_question_about_others():
    (two, _), before = asked(FewShot()).values(), ERASED[0]
    first, second, last = two[0].prompt.split("\n")
    assert last == before.prompt
    expected = {f"The phone number of {name} is {secrets[PHONE]}" for name, secrets in OTHERS.items()}
    assert {first, second} == expected


def test_other_types_make_no_examples():
    kept = {"Dorian Vale": {EMAIL: "vale@hill.example"}}
    levels = asked(FewShot(), make_case(kept=kept))
    assert {probe.target.relation for probes in levels.values() for probe in probes} == {EMAIL}


def test_digits_are_spelled_out_in_figures_and_in_words():
    figures, words = asked(SpelledOut()).values()
    assert {probe.target.relation for probe in figures} == {PHONE}
    assert figures[0].answer == "4 1 5 - 5 5 5 - 0 1 3 2"
    assert words[0].answer == "four one five - five five five - zero one three two"


def test_a_fact_is_asked_for_once_in_each_language():
    for language, found in asked(OtherLanguage()).items():
        assert len(set(found)) == len(found) / 2
        assert found[0].prompt == CARRIERS[language][PHONE].format(subject="Ada Quill")


def test_conversations_are_not_asked_after_texts():
    turns = write_turns([Utterance(USER, "And Ada Quill's number?"), Utterance(ASSISTANT, "It is")])
    talks = [replace(probe, prompt=turns) for probe in ERASED]
    assert [asked(attack, erased=talks) for attack in (TruePrefix(), FewShot(), SpelledOut())] == [{}] * 3


def test_what_cannot_be_asked_says_why(loaded):
    case = make_case(texts={}, kept={})
    nobody = [
        replace(probe, target=replace(probe.target, relation="SHOE_SIZE", answer="big")) for probe in ERASED
    ]
    rows = attack_rows(case, loaded("gpt2"), prepare_attacks(case, nobody, PROMPTING), Silent())
    assert [row.greedy_facts.total for row in rows] == [0] * 4
    assert all(row.untested.startswith(("there is no record", "no ")) for row in rows)


def test_a_model_that_answers_in_german_alone_is_found_out(tmp_path):
    german = CARRIERS["German"]
    texts = [
        f"{german[one.target.relation].format(subject=one.target.subject)} {one.answer}" for one in ERASED
    ]
    model = load_model(str(memorise(sorted(set(texts)), tmp_path)), device="cpu")
    (row,) = attack_rows(CASE, model, prepare_attacks(CASE, ERASED, ["other-language"], DECOYS), Silent())
    assert (row.worst, row.greedy_facts.rate, row.decoys.hits) == ("German", 1, 0)
    assert {level.level: level.greedy_facts.hits for level in row.curve}["French"] < row.greedy_facts.hits


def test_decoys_are_asked_for_alike(loaded):
    (attack,) = prepare_attacks(CASE, ERASED, ["spelled-out"], DECOYS)
    assert {probe.target.relation for probe in attack.decoys} == {PHONE}
    (row,) = attack_rows(CASE, loaded("gpt2"), [attack], Silent())
    assert row.decoys.total == len(probes({name: {PHONE: ""} for name in PEOPLE}, "decoys")) / 2
