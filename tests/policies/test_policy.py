import hashlib
import json

import pytest
from pydantic import ValidationError

from policies import Policy, load_policy, preset_names
from policies.errors import PolicyError
from policies.reading import build

MINIMAL = "name: mine\nentities:\n  US_SSN:\n"
TEMPLATED = (
    "PHONE_NUMBER",
    "EMAIL_ADDRESS",
    "US_SSN",
    "CREDIT_CARD",
    "STREET_ADDRESS",
    "IBAN_CODE",
    "IP_ADDRESS",
)


@pytest.fixture
def write(tmp_path):
    def write_policy(text):
        path = tmp_path / "policy.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_policy


def test_minimal_policy_gets_usable_defaults(write):
    rule = load_policy(write(MINIMAL)).entities["US_SSN"]
    assert rule.relation == "social security number"
    assert len(rule.templates) >= 2
    assert len(rule.verification_templates) >= 2
    assert not set(rule.templates) & set(rule.verification_templates)
    assert all("social security number" in template for template in rule.templates)


def test_policy_is_frozen():
    policy = load_policy("gdpr")
    with pytest.raises(ValidationError):
        policy.seed = 3


@pytest.mark.parametrize("name", preset_names())
def test_preset_is_complete_and_survives_its_own_canonical_text(name, write):
    policy = load_policy(name)
    assert policy.name == name
    for entity_type in TEMPLATED:
        rule = policy.entities[entity_type]
        assert len(rule.templates) >= 3
        assert len(rule.verification_templates) >= 2
    again = load_policy(write(policy.text))
    assert again == policy
    assert again.digest == policy.digest
    assert again.text == policy.text


def test_strict_is_nowhere_looser_than_gdpr():
    gdpr, strict = load_policy("gdpr"), load_policy("strict")
    assert set(strict.entities) >= set(gdpr.entities)
    assert all(strict.entities[key].score <= rule.score for key, rule in gdpr.entities.items())
    assert any(strict.entities[key].score < rule.score for key, rule in gdpr.entities.items())
    assert strict.leakage.greedy_rate <= gdpr.leakage.greedy_rate
    assert strict.leakage.extractable_rate <= gdpr.leakage.extractable_rate
    assert strict.leakage.decoy_percentile > gdpr.leakage.decoy_percentile
    assert strict.utility.others_kept > gdpr.utility.others_kept
    assert strict.utility.same_subject_kept > gdpr.utility.same_subject_kept
    assert strict.utility.perplexity_rise < gdpr.utility.perplexity_rise
    for field in ("temperatures", "top_k", "top_p"):
        assert set(getattr(strict.decoding, field)) > set(getattr(gdpr.decoding, field))
    assert strict.decoding.budget_tries > gdpr.decoding.budget_tries
    assert strict.decoding.probability < gdpr.decoding.probability


def test_a_limit_of_forget_quality_is_optional_and_changes_no_other_digest(write):
    plain = load_policy(write(MINIMAL))
    limited = load_policy(write(MINIMAL + "leakage: {forget_quality: 0.05}\n"))
    assert plain.leakage.forget_quality is None
    assert "forget_quality" not in plain.text
    assert load_policy(write(MINIMAL + "leakage: {forget_quality: null}\n")).digest == plain.digest
    assert load_policy(write(limited.text)) == limited
    assert limited.digest != plain.digest
    assert all(load_policy(name).leakage.forget_quality is None for name in preset_names())


@pytest.mark.parametrize("value", ["0", "1", "1.5", "-0.1", ".nan", "often", "true"])
def test_a_level_that_is_none_is_refused(write, value):
    with pytest.raises(PolicyError, match="forget_quality"):
        load_policy(write(f"{MINIMAL}leakage: {{forget_quality: {value}}}\n"))


def test_digest_ignores_order_and_layout_but_no_value(write):
    one = load_policy(write("name: a\nseed: 1\nentities: {US_SSN: {score: 0.4}}\n"))
    same = load_policy(write("entities:\n  US_SSN:\n    score: 0.4\nseed: 1   # a comment\nname: a\n"))
    other = load_policy(write("name: a\nseed: 1\nentities: {US_SSN: {score: 0.41}}\n"))
    assert one.digest == same.digest != other.digest


@pytest.mark.parametrize(
    ("text", "named", "remedy"),
    [
        ("", "is empty", "tutorial"),
        ("- a\n- b\n", "holds a list", "key: value"),
        ("name: [\n", "not valid YAML, line 2", "Correct"),
        ("name: a\nname: b\n", "line 2, column 1: the same key twice", "Correct"),
        ("name: !!python/object:os.system {}\n", "not valid YAML", "Correct"),
        (MINIMAL + "utilty: {}\n", "unknown key `utilty`", "Did you mean `utility`"),
        (MINIMAL + "countries: [zz]\n", "no entity type is known", "Use "),
        (MINIMAL + "countries: [7]\n", "no entity type is known", "Use "),
        (MINIMAL + "countries: us\n", "`countries`", "Correct"),
        ("name: a\ncountries: [us]\nentities: [US_SSN]\n", "`entities`", "Correct"),
        ("name: a\nentites: {US_SSN: {}}\n", "unknown key `entites` (and 1 more)", "Did you mean `entities`"),
        ("name: 2026\nentities: {US_SSN: {}}\n", "`name`: input should be a valid string", "into quotes"),
        ("name: []\nentities: {US_SSN: {}}\n", "`name`: input should be a valid string", "Correct that"),
        ("name: a\nentities: {US_SSN: {scor: 1}}\n", "`entities.US_SSN.scor`", "`score`"),
        ("name: a\nentities: {US_SNN: {}}\n", "unknown entity type 'US_SNN'", "US_SSN"),
        ("name: a\nentities: {FOO_BAR_QUX: {}}\n", "unknown entity type", "`patterns`"),
        (
            "name: a\nentities: {badge: {patterns: [{name: x, regex: 'B1'}]}}\n",
            "not in capitals",
            "STREET_ADDRESS",
        ),
        ("name: a\nentities: {}\n", "`entities`", "Correct"),
        ("entities: {US_SSN: }\n", "`name` is missing", "Add it"),
        ("name: a\nentities: {US_SSN: {score: yes}}\n", "`entities.US_SSN.score`", "Correct"),
        ("name: a\nentities: {US_SSN: {score: 2}}\n", "`entities.US_SSN.score`", "Correct"),
        (MINIMAL + "leakage: {greedy_rate: .nan}\n", "`leakage.greedy_rate`", "Correct"),
        (MINIMAL + "leakage: {decoy_percentile: 100.1}\n", "`leakage.decoy_percentile`", "Correct"),
        (MINIMAL + "leakage: {decoy_percentile: -0.1}\n", "`leakage.decoy_percentile`", "Correct"),
        (MINIMAL + "seed: '3'\n", "`seed`", "Correct"),
        (MINIMAL + "seed: 3.0\n", "`seed`", "Correct"),
        (MINIMAL + "decoding: {temperatures: [0]}\n", "`decoding.temperatures[0]`", "Correct"),
        (
            "name: a\nentities: {X_ID: {patterns: [{name: x, regex: '('}]}}\n",
            "patterns[0].regex`: not a regular expression",
            "Correct the pattern",
        ),
        ("name: a\nentities: {X_ID: {patterns: [{name: x, regex: 'a*'}]}}\n", "empty text", "at least one"),
        ("name: a\nentities: {X_ID: {patterns: [{name: x, regex: '[[a]b'}]}}\n", "nested set", "Correct"),
        (
            "name: a\nentities: {US_SSN: {templates: ['The number of {subject}: ']}}\n",
            "white space",
            "last word",
        ),
        ("name: a\nentities: {US_SSN: {templates: ['The number is']}}\n", "must name {subject}", "Write for"),
        (
            "name: a\nentities: {US_SSN: {templates: ['{subject} {secret}']}}\n",
            "must name {subject}",
            "Write for",
        ),
        (
            "name: a\nentities: {US_SSN: {templates: ['{subject} is'], verification_templates: ['{subject} is']}}",
            "both in templates",
            "Keep it in one",
        ),
        ("name: a\nentities: {US_SSN: {context: [social security]}}\n", "not a single word", "on its own"),
    ],
)
def test_every_mistake_names_file_key_and_remedy(write, text, named, remedy):
    path = write(text)
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    assert str(path) in caught.value.cause
    assert named in caught.value.cause
    assert remedy in caught.value.remedy
    assert "\n" not in str(caught.value)


def test_several_mistakes_are_counted(write):
    with pytest.raises(PolicyError, match="and 1 more"):
        load_policy(write(MINIMAL + "utilty: {}\nleekage: {}\n"))


def test_missing_file_and_misspelt_preset(tmp_path):
    with pytest.raises(PolicyError, match="Did you mean gdpr"):
        load_policy("gdprr")
    with pytest.raises(PolicyError, match="neither a file nor a preset"):
        load_policy(tmp_path / "nowhere.yaml")
    with pytest.raises(PolicyError, match="cannot be read"):
        load_policy(tmp_path)


def test_not_utf8(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_bytes(b"name: \xff\xfe\n")
    with pytest.raises(PolicyError, match="not UTF-8"):
        load_policy(path)


def test_own_entity_type_with_patterns():
    policy = Policy.model_validate(
        {
            "name": "a",
            "entities": {"BADGE_NUMBER": {"patterns": [{"name": "badge", "regex": r"\bB-\d{4}\b"}]}},
        }
    )
    rule = policy.entities["BADGE_NUMBER"]
    assert rule.relation == "badge number"
    assert "The badge number of {subject} is" in rule.templates


@pytest.mark.parametrize(
    ("language", "main", "languages"),
    [
        ("en", "en", ("en",)),
        ("tr", "tr", ("tr",)),
        (["de", "fr"], "de", ("de", "fr")),
        (["pl"], "pl", ("pl",)),
        ("auto", "en", None),
    ],
)
def test_one_language_several_or_all(language, main, languages):
    policy = build(Policy, {"name": "x", "entities": {"US_SSN": None}, "language": language}, "x", "policy")
    assert (policy.main_language, policy.languages) == (main, languages)
    again = build(Policy, policy.model_dump(mode="json"), "again", "policy")
    assert again.digest == policy.digest


@pytest.mark.parametrize(
    "language", ["", "EN", "eng", "automatic", [], ["de", "de"], ["auto"], ["de", 3], None, 3]
)
def test_what_is_no_language_is_refused(language):
    with pytest.raises(PolicyError, match="`language`"):
        build(Policy, {"name": "x", "entities": {"US_SSN": None}, "language": language}, "x", "policy")


def test_countries_bring_their_types_beside_those_that_are_named(write):
    policy = load_policy(write("name: a\ncountries: [us, uk]\nentities: {URL: , US_SSN: {score: 0.9}}\n"))
    assert {"US_SSN", "US_PASSPORT", "UK_NHS", "URL"} <= set(policy.entities)
    assert policy.entities["US_SSN"].score == 0.9
    alone = load_policy(write("name: a\ncountries: [us]\n"))
    assert {name[:3] for name in alone.entities} == {"US_"}


@pytest.mark.parametrize("percentile", [0, 100])
def test_a_percentile_may_be_the_least_and_the_most(write, percentile):
    policy = load_policy(write(f"{MINIMAL}leakage: {{decoy_percentile: {percentile}}}\n"))
    assert policy.leakage.decoy_percentile == percentile


def test_its_text_is_read_by_people_and_its_digest_is_of_canonical_json(write):
    policy = load_policy(write("name: Zoë\nentities: {US_SSN: }\n"))
    assert policy.text.startswith("name: Zoë\n")
    canonical = json.dumps(policy.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
    assert "Zoë" in canonical
    assert policy.digest == hashlib.sha256(canonical.encode()).hexdigest()
