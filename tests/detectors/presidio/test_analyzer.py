"""The shortcuts find what Presidio's own engine finds."""

import json
from pathlib import Path

import pytest

from detectors import Register, Span
from detectors.engine import Engine
from detectors.presidio.overlaps import RIVAL_SCORE, RIVALS, resolve_overlaps
from policies import EntityRule, Policy, load_policy

ROOT = Path(__file__).parents[3]
RESEARCH = ROOT.parent / "shared" / "data" / "presidio-research" / "generated_large.json"
FIVE = ("PHONE_NUMBER", "EMAIL_ADDRESS", "US_SSN", "CREDIT_CARD", "IP_ADDRESS")
ODD = (
    "",
    "Card 4111 1111 1111 1111 and phone (415) 555-0132, SSN 212-45-6789, ip 10.0.0.1, a@b.org",
    "212-45-6789 415-555-0132 4111111111111111",
    "On 3/4/2020 call 3-4-2020 or 0.0.0.0 or ::1 or fe80::1%eth0",
    "number 555-0132 x12; +49 30 901820; 030/901820; 0800 123 456",
    "DE89 3704 0044 0532 0130 00 is the IBAN; GB82WEST12345698765432",
    "٠١٢٣٤٥٦٧٨٩ and １２３４５６７８９０ and 415\u2011555\u20110132",
    "\u202b+1 415 555 0132\u202c מספר הטלפון",
    "a\x00b 415-555-0132 \x00",
    "call (027) 0336-972 or 01683 or 33 93 31; ring 415-555-0132 / 415-555-0199, 415-555-0111",
    "January 4111-1111-1111-1111 may 5 2020, 05-MAY-2020, May-2020",
)


def plain_engine(policy):
    """Presidio's engine, with its own phone recognizer, and every recognizer on every text."""
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry

    from detectors.languages.knowledge import knowledge_of, known_languages
    from detectors.presidio.context import ContextRule, ContextWords
    from detectors.presidio.languages import PHONES, language_recognizers
    from detectors.presidio.nlp import LocalNlpEngine
    from detectors.presidio.recognizers import recognizers_for
    from detectors.presidio.words import uninflected, words_of

    class UninflectedWords(ContextRule):
        """Presidio's rule, where a word of the context is the same in all its forms."""

        @staticmethod
        def _find_supportive_word_in_context(context_list, words, _mode="whole_word"):
            ours = ContextWords.of(words).words
            return next((word for word in context_list if not ours.isdisjoint(words_of(word))), "")

    class Tokens(LocalNlpEngine):
        """Presidio leaves out the language's commonest words, "call" among them."""

        def is_stopword(self, word, language):
            return super().is_stopword(word, language) and uninflected(word.lower()) not in self.context_words

    rivals = {rival for name in policy.entities for rival in RIVALS.get(name, ())} - set(policy.entities)
    rules = {**policy.entities, **{rival: EntityRule() for rival in sorted(rivals)}}
    recognizers = [r for name, rule in rules.items() for r in recognizers_for(name, rule, "en")]
    knowledge = knowledge_of(known_languages() if policy.languages is None else policy.languages)
    recognizers += [r for r in language_recognizers(policy.entities, knowledge, "en") if r.name != PHONES]
    nlp = Tokens("en", "none")
    nlp.load()
    nlp.context_words = ContextWords.of(word for r in recognizers for word in r.context or ()).words
    return AnalyzerEngine(
        registry=RecognizerRegistry(
            recognizers=[plain_recognizer(recognizer) for recognizer in recognizers],
            supported_languages=["en"],
        ),
        nlp_engine=nlp,
        supported_languages=["en"],
        context_aware_enhancer=UninflectedWords(),
    )


def plain_recognizer(recognizer):
    """Presidio's phone recognizer for ours; its e-mail recognizer would ask the network for domain suffixes."""
    from presidio_analyzer.predefined_recognizers import PhoneRecognizer

    from detectors.presidio.recognizers import LEAST_PHONE_DIGITS

    class PhoneNumbers(PhoneRecognizer):
        def analyze(self, text, entities, nlp_artifacts=None):
            found = super().analyze(text, entities, nlp_artifacts)
            digits = (sum(c.isdigit() for c in text[result.start : result.end]) for result in found)
            return [r for r, count in zip(found, digits, strict=True) if count >= LEAST_PHONE_DIGITS]

    if recognizer.name != "PhoneRecognizer":
        return recognizer
    plain = PhoneNumbers(supported_language="en")
    plain.context = recognizer.context
    return plain


def plain_spans(engine, policy, text):
    from detectors.presidio.lookalikes import looks_otherwise

    results = engine.analyze(text, "en", score_threshold=0)
    read = text.translate({0xFF10 + digit: str(digit) for digit in range(10)})
    spans = {
        Span(start=r.start, end=r.end, entity_type=r.entity_type, score=round(float(r.score), 6))
        for r in results
    }
    counted = [
        span
        for span in spans
        if span.score
        >= (policy.entities[span.entity_type].score if span.entity_type in policy.entities else RIVAL_SCORE)
        - 1e-9
        and not looks_otherwise(span.entity_type, read, span.start, span.end)  # 1234567890 is a Unix time
    ]
    return tuple(span for span in resolve_overlaps(counted) if span.entity_type in policy.entities)


def research_texts():
    return [record["full_text"] for record in json.loads(RESEARCH.read_text(encoding="utf-8"))]


def lab_texts():
    lines = (ROOT / "examples" / "rivermouth" / "corpus.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines]


@pytest.fixture(scope="module", params=["five", "gdpr", "strict"])
def policy(request):
    if request.param == "five":
        return Policy.model_validate({"name": "five", "entities": dict.fromkeys(FIVE)})
    return load_policy(request.param)


@pytest.mark.parametrize(
    "texts",
    [
        pytest.param(lambda: ODD, id="odd"),
        pytest.param(lambda: lab_texts()[:150], id="lab"),
        pytest.param(
            lambda: research_texts()[::5],
            id="research",
            marks=pytest.mark.skipif(not RESEARCH.exists(), reason="needs presidio-research"),
        ),
        pytest.param(
            lambda: research_texts() + lab_texts(),
            id="everything",
            marks=[
                pytest.mark.slow,
                pytest.mark.skipif(not RESEARCH.exists(), reason="needs presidio-research"),
            ],
        ),
    ],
)
def test_shortcuts_change_no_result(policy, texts):
    engine, plain = Engine(policy, Register()), plain_engine(policy)
    # National numbers are looked for in what Presidio leaves, which its own engine cannot do.
    engine._analyzer._phones = [p for p in engine._analyzer._phones if p.recognizer.name == "PhoneRecognizer"]
    different = [
        number
        for number, text in enumerate(texts())
        if len(text) < 1_000 and engine.scan(text).spans != plain_spans(plain, policy, text)
    ]
    assert different == []
