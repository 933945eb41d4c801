from policies.entities import KNOWN_ENTITIES, nearest


def test_nearest_forgives_case_and_misspelling():
    known = list(KNOWN_ENTITIES)
    assert nearest("PHONE_NUMBR", known) == "PHONE_NUMBER"
    assert nearest("us_ssn", known) == "US_SSN"
    assert nearest("zzzz", known) is None


def test_every_known_entity_has_plain_words():
    assert all(entity.relation.strip() == entity.relation != "" for entity in KNOWN_ENTITIES.values())
