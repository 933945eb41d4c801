"""What is linked to nobody: whose it is after all, how much of it is kept, and what the coverage says of it."""

import random

import pytest

from detectors import NOBODY, Document, Fact, Source, attribute_unlinked, detect_facts
from detectors import unlinked as module
from detectors.unlinked import UNLINKED_SOURCES, UnlinkedSample
from policies import ErasureRequest

ADA = ErasureRequest.from_names(["Ada Quill"])


def source(place, prefix="Ring "):
    return Source(
        document=f"d{place}", start=5, end=13, score=0.5, prefix=prefix, link="none", confidence=0.0
    )


def fact(subject, secret, *places):
    sources = tuple(source(place) for place in places)
    return Fact(subject=subject, entity_type="PHONE_NUMBER", secret=secret, sources=sources)


def documents(*texts):
    return [Document(id=f"d{number}", text=text) for number, text in enumerate(texts)]


def found(facts):
    return [(fact.subject, fact.secret, [one.document for one in fact.sources]) for fact in facts]


def test_an_occurrence_of_somebodys_secret_is_theirs():
    facts = [fact(NOBODY, "555-0101", 0), fact("Ada Quill", "555-0101", 1), fact(NOBODY, "555-0102", 2)]
    given = attribute_unlinked(facts)
    assert found(given) == [("Ada Quill", "555-0101", ["d0", "d1"]), (NOBODY, "555-0102", ["d2"])]
    assert [one.link for one in given[0].sources] == ["secret", "none"]
    assert attribute_unlinked(given) == given


def test_so_it_is_in_another_spelling_and_of_all_who_share_it():
    facts = [fact("Ada Quill", "(415) 555-0101", 0), fact("Ben Ross", "415-555-0101", 1)]
    assert found(attribute_unlinked([*facts, fact(NOBODY, "415 555 0101", 2)])) == [
        *found(facts),
        ("Ada Quill", "415 555 0101", ["d2"]),
        ("Ben Ross", "415 555 0101", ["d2"]),
    ]


def test_people_known_from_elsewhere_have_their_secrets_too():
    known = fact("Ada Quill", "555-0101")
    assert found(attribute_unlinked([fact(NOBODY, "555-0101", 0)], [known])) == [
        ("Ada Quill", "555-0101", ["d0"])
    ]


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(module, "UNLINKED_SECRETS", 20)


def sampled(seed, occurrences):
    sample = UnlinkedSample(seed)
    for secret, place in occurrences:
        sample.add("PHONE_NUMBER", secret, source(place, f"Ring desk {place} on "), beside=False)
    return sample


@pytest.mark.usefixtures("few")
def test_the_sample_depends_on_seed_and_secrets_and_on_no_order():
    occurrences = [(f"555-{number % 100:04}", number) for number in range(1_000)]
    shuffled = random.Random(0).sample(occurrences, len(occurrences))
    kept, again, other = (
        {fact.secret: {one.document for one in fact.sources} for fact in sampled(*about).facts()}
        for about in ((0, occurrences), (0, shuffled), (1, occurrences))
    )
    assert kept == again
    assert kept.keys() != other.keys()
    assert len(kept) == len(other) == 20
    assert {len(places) for places in kept.values()} == {UNLINKED_SOURCES}
    assert not sampled(0, occurrences).is_whole
    assert sampled(0, occurrences[:20]).is_whole


def test_one_place_is_kept_for_each_prefix():
    sample = UnlinkedSample(0)
    for place in range(5):
        sample.add("PHONE_NUMBER", "555-0101", source(place), beside=False)
    (kept,) = sample.facts()
    assert len(kept.sources) == 1
    assert sample.occurrences(kept).count == 5


@pytest.mark.usefixtures("few")
def test_coverage_counts_what_is_kept_of_more(gdpr):
    texts = documents(*(f"The desk answers at (415) 555-0{number}." for number in range(100, 130)))
    result = detect_facts(texts, gdpr, seed=3)
    assert len(result.unlinked_facts) == 20
    assert result.unlinked == {"PHONE_NUMBER": 30}
    assert "a sample of 20 of those secrets" in "\n".join(result.coverage)
    assert detect_facts(texts, gdpr, seed=3) == result


def test_an_occurrence_that_names_nobody_is_counted_by_its_secret(gdpr):
    texts = documents("Ada Quill has (415) 555-0132.", "The desk has (415) 555-0132 and (415) 555-0177.")
    result = detect_facts(texts, gdpr, ADA)
    assert found(result.facts) == [("Ada Quill", "(415) 555-0132", ["d0", "d1"])]
    assert found(result.unlinked_facts) == [(NOBODY, "(415) 555-0177", ["d1"])]
    assert result.unlinked == {"PHONE_NUMBER": 1}
    notes = "\n".join(result.coverage)
    assert "1 by secret (0.9), 1 by sentence (0.99)" in notes
    assert "Occurrences of no known data subject: 1 PHONE_NUMBER" in notes


def test_what_may_be_a_requested_persons_is_counted_and_never_shown(gdpr):
    texts = documents(
        "Name: Eve Nobody\nManager: Ada Quill\nPhone: (415) 555-0177",
        "Name: Eve Nobody\nManager: Ada Quill\nPhone: (415) 555-0132",
        "The number of Ada Quill is (415) 555-0132.",
        "The desk has (415) 555-0199.",
    )
    result = detect_facts(texts, gdpr, ADA)
    assert result.unlinked == {"PHONE_NUMBER": 2}
    (note,) = [note for note in result.coverage if "requested person" in note]
    assert "may be: 1. They are protected" in note
    assert "`aliases`" in note
    assert "`subjects`" in note
    assert not any(word in "\n".join(result.coverage) for word in ("Ada", "555"))
    assert not [note for note in detect_facts(texts, gdpr).coverage if "requested person" in note]
