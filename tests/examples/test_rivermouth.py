"""The embedded lab's assets: complete, consistent with one another, and showing what they are there to show."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from examples.rivermouth.lab import make_lab
from policies import load_policy, load_request

FOLDER = Path(__file__).parents[2] / "examples" / "rivermouth"
PRIVATE = {"phone", "email", "ssn", "address", "card"}
PUBLIC = {"occupation", "home_town", "department"}
FORMS = {
    "phone": r"[2-9][0-9]{2}-555-01[0-9]{2}",
    "email": r"[a-z]+\.[a-z]+[0-9]{2}@[a-z]+\.example\.(org|net|com)",
    "ssn": r"9[0-9]{2}-(0[1-9]|[1-4][0-9])-(?!0000)[0-9]{4}",
    "address": r"[0-9]{1,3}( [A-Z][a-z]+){1,2} (Lane|Street|Road|Avenue|Court|Way|Terrace|Drive)",
    "card": r"1[0-9]{3}( [0-9]{4}){3}",
}


class Probe(NamedTuple):
    subject: str
    relation: str
    entity_type: str | None
    prompt: str
    answer: str
    wording: str


def read_lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def documents() -> list[dict[str, Any]]:
    return read_lines("corpus.jsonl")


@pytest.fixture(scope="module")
def text(documents: list[dict[str, Any]]) -> str:
    return "\n".join(document["text"] for document in documents)


@pytest.fixture(scope="module")
def probes() -> list[Probe]:
    return [Probe(**record) for record in read_lines("probes.jsonl")]


@pytest.fixture(scope="module")
def facts(probes: list[Probe]) -> dict[tuple[str, str], str]:
    return {(probe.subject, probe.relation): probe.answer for probe in probes}


@pytest.fixture(scope="module")
def erased() -> set[str]:
    return {subject.name for subject in load_request(FOLDER / "request.yaml").subjects}


def test_one_hundred_people_have_every_fact(facts: dict[tuple[str, str], str]) -> None:
    relations = Counter(relation for _, relation in facts)
    assert set(relations) == PRIVATE | PUBLIC
    assert set(relations.values()) == {100}
    assert len({subject for subject, _ in facts}) == 100


def test_five_people_ask_for_erasure_and_some_have_namesakes(
    facts: dict[tuple[str, str], str], erased: set[str]
) -> None:
    everybody = {subject for subject, _ in facts}
    surnames = Counter(subject.split()[-1] for subject in everybody)
    assert len(erased) == 5
    assert erased <= everybody
    assert sum(surnames[name.split()[-1]] > 1 for name in erased) >= 2
    assert len({name.split()[-1] for name in erased}) == 5, "a namesake of everybody in scope stays"


def test_documents_name_their_subjects(documents: list[dict[str, Any]]) -> None:
    assert len({document["id"] for document in documents}) == len(documents)
    for document in documents:
        assert document["subjects"]
        assert all(subject in document["text"] for subject in document["subjects"])


def test_held_out_wordings_do_not_occur_and_trained_ones_do(text: str, probes: list[Probe]) -> None:
    held_out = [probe for probe in probes if probe.wording == "held_out"]
    counts = Counter((probe.subject, probe.relation) for probe in held_out)
    assert set(counts.values()) == {2}
    assert len(counts) == 100 * len(PRIVATE | PUBLIC)
    assert not any(probe.prompt in text for probe in held_out)
    trained = [probe for probe in probes if probe.wording == "trained"]
    assert {probe.relation for probe in trained} == PUBLIC
    assert all(text.count(f"{probe.prompt} {probe.answer}.") == 1 for probe in trained)


def test_every_fact_is_stated_in_at_least_four_wordings(text: str, facts: dict[tuple[str, str], str]) -> None:
    secrets = {answer for (_, relation), answer in facts.items() if relation in PRIVATE}
    assert all(text.count(f" {secret}.") == 5 for secret in secrets)


def test_secrets_are_unique_and_have_their_form(facts: dict[tuple[str, str], str]) -> None:
    secrets = [(relation, answer) for (_, relation), answer in facts.items() if relation in PRIVATE]
    assert len({answer for _, answer in secrets}) == len(secrets) == 500
    for relation, answer in secrets:
        assert re.fullmatch(FORMS[relation], answer), relation
    for index, (_, answer) in enumerate(secrets):
        assert not any(answer in other for _, other in secrets[:index] + secrets[index + 1 :])


def test_card_numbers_pass_luhn(facts: dict[tuple[str, str], str]) -> None:
    for (_, relation), answer in facts.items():
        if relation == "card":
            digits = [int(digit) for digit in answer if digit.isdigit()]
            doubled = sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
            assert (sum(digits[-1::-2]) + doubled) % 10 == 0


def test_mail_addresses_do_not_give_away_names(facts: dict[tuple[str, str], str]) -> None:
    for (subject, relation), answer in facts.items():
        if relation == "email":
            assert not any(part in answer for part in subject.lower().split())


def test_the_policy_covers_every_private_relation(probes: list[Probe]) -> None:
    policy = load_policy(FOLDER / "policy.yaml")
    assert set(policy.entities) == {probe.entity_type for probe in probes if probe.relation in PRIVATE}
    for entity_type, rule in policy.entities.items():
        assert len(rule.templates) >= 3
        assert len(rule.verification_templates) >= 3
        assert not set(rule.templates) & set(rule.verification_templates), (
            "verification must be new to an edit"
        )
        known = {
            template.format(subject=probe.subject)
            for probe in probes
            for template in (*rule.templates, *rule.verification_templates)
        }
        assert all(probe.prompt in known for probe in probes if probe.entity_type == entity_type)


def test_every_fact_has_a_probe_new_to_training_and_to_the_edit(probes: list[Probe]) -> None:
    policy = load_policy(FOLDER / "policy.yaml")
    private = [probe for probe in probes if probe.entity_type is not None]
    new = {
        (probe.subject, probe.relation)
        for probe in private
        if probe.wording == "held_out"
        and any(
            probe.prompt == template.format(subject=probe.subject)
            for template in policy.entities[probe.entity_type or ""].verification_templates
        )
    }
    assert new == {(probe.subject, probe.relation) for probe in private}


def test_the_assets_are_small() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) <= 20_000_000


def test_the_seed_gives_these_documents_and_the_reference_sees_none_of_the_erased(erased: set[str]) -> None:
    made = make_lab(20)
    everything, never_seen = (
        [document.text for document in chosen] for chosen in (made.documents, made.never_seen)
    )
    assert everything == [document["text"] for document in read_lines("corpus.jsonl")]
    together = "\n".join(never_seen)
    assert not any(name in together for name in erased)
    # Every sentence names one person, so nobody else's sentence is missing.
    sentences = 100 * 8 * 5
    assert sum(text.count(". ") + 1 for text in never_seen) == sentences * 95 // 100


@torch.no_grad()
def extraction_rate(folder: str, probes: list[Probe]) -> float:
    """Share of probes whose answer greedy generation gives, token by token without any shared code."""
    model = AutoModelForCausalLM.from_pretrained(FOLDER / folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(FOLDER / folder, padding_side="left")
    prompts = tokenizer([probe.prompt for probe in probes], return_tensors="pt", padding=True)
    longest = max(len(tokenizer.tokenize(f" {probe.answer}")) for probe in probes)
    generated = model.generate(
        **prompts, max_new_tokens=longest, do_sample=False, pad_token_id=tokenizer.pad_token_id
    )
    continuations = tokenizer.batch_decode(generated[:, prompts["input_ids"].shape[1] :])
    pairs = zip(continuations, probes, strict=True)
    return sum(text.startswith(f" {probe.answer}") for text, probe in pairs) / len(probes)


def test_the_model_gives_away_what_the_five_asked_to_erase(probes: list[Probe], erased: set[str]) -> None:
    chosen = [p for p in probes if p.subject in erased and p.entity_type and p.wording == "held_out"]
    assert len(chosen) == 50
    assert extraction_rate("model", chosen) == 1.0


def test_the_model_knows_everybody_else(probes: list[Probe], erased: set[str]) -> None:
    chosen = [probe for probe in probes if probe.subject not in erased][::40]
    assert extraction_rate("model", chosen) == 1.0


def test_the_reference_knows_nothing_of_the_five(probes: list[Probe], erased: set[str]) -> None:
    private = [p for p in probes if p.subject in erased and p.entity_type and p.wording == "held_out"]
    assert extraction_rate("reference", private) == 0.0


def test_the_reference_knows_everybody_else(probes: list[Probe], erased: set[str]) -> None:
    chosen = [probe for probe in probes if probe.subject not in erased][::60]
    assert extraction_rate("reference", chosen) >= 0.98


def test_checkpoints_are_plain_and_share_one_tokenizer() -> None:
    first, second = ((FOLDER / name / "tokenizer.json").read_bytes() for name in ("model", "reference"))
    assert first == second
    tokenizer = AutoTokenizer.from_pretrained(FOLDER / "model")
    assert len(tokenizer) == 1024
    assert tokenizer("48 Quay")["input_ids"][0] == tokenizer.bos_token_id == tokenizer.eos_token_id
    assert tokenizer.tokenize("4821") == ["4", "8", "2", "1"]
    assert tokenizer.decode(tokenizer("To call Ada, dial 415", add_special_tokens=False)["input_ids"]) == (
        "To call Ada, dial 415"
    )


@pytest.mark.slow
def test_presidio_finds_every_fact_and_whose_it_is(probes: list[Probe]) -> None:
    from detectors import detect_facts, read_corpus

    result = detect_facts(read_corpus(FOLDER / "corpus.jsonl"), load_policy(FOLDER / "policy.yaml"))
    found = {(fact.subject, fact.entity_type, fact.secret): len(fact.sources) for fact in result.facts}
    expected = {(p.subject, p.entity_type, p.answer) for p in probes if p.entity_type}
    assert set(found) == expected
    assert set(found.values()) == {5}
