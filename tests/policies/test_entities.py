from policies.entities import COUNTRIES, KNOWN_ENTITIES, entities_of, nearest


def test_nearest_forgives_case_and_misspelling():
    known = list(KNOWN_ENTITIES)
    assert nearest("PHONE_NUMBR", known) == "PHONE_NUMBER"
    assert nearest("us_ssn", known) == "US_SSN"
    assert nearest("zzzz", known) is None


def test_every_known_entity_has_plain_words():
    assert all(entity.relation.strip() == entity.relation != "" for entity in KNOWN_ENTITIES.values())


def test_every_country_has_entity_types_and_no_other_has():
    assert set(entities_of("us")) >= {"US_SSN", "US_PASSPORT"}
    assert all(entities_of(country) for country in COUNTRIES)
    assert entities_of("zz") == entities_of("US") == ()
