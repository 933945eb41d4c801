"""Detection against plain Presidio's AnalyzerEngine: speed, processes, memory and the register of names."""

import json
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from detectors import Document, Register, detect_facts, read_corpus
from detectors.engine import Engine
from detectors.pool import search_in_processes
from detectors.search import search_document
from policies import Policy
from tests.benchmarks.memory import peak_mib

if TYPE_CHECKING:
    from tests.benchmarks.audit import Row

FIVE = ("PHONE_NUMBER", "EMAIL_ADDRESS", "US_SSN", "CREDIT_CARD", "IP_ADDRESS")
CHARACTERS = 84
TEXTS = 20_000
PLAIN_TEXTS = 1_000
REPEATS = 3
LOOP = 10_000_000
PEOPLE = 1_000
NAMES = 100_000
DOCUMENTS = (10_000, 100_000)
ONE_SECRET_IN = 50

# Half of the texts hold a secret, of each type alike; half of the others hold numbers that are none.
_WITH = (
    "The phone number that the front desk has on file for {name} is 415-555-{n:04}, I am told.",
    "Please write to user{n}@rivermouth.example, says {name}, before the end of the week or so.",
    "The social security number on file for {name} is 212-45-{n:04}, says the office upstairs.",
    "The card that the desk has on file for {name} is 4111 1111 1111 1111, or so they believe.",
    "The machine from which {name} logged in this morning was 10.20.{m}.{k} again, they say.",
)
_WITHOUT = (
    "On 12 May 2021 order {n} of {k} crates was sent, and {m} of them arrived a day late again.",
    "She was seen walking by the river with her dog, as she does nearly every day of the week.",
)


def detection_rows() -> Iterator["Row"]:
    """Finding five entity types in short texts; plain Presidio runs on a part of them."""
    from tests.benchmarks.audit import Row

    texts = [text for text, _ in islice(_texts(2), TEXTS)]
    engine = Engine(_policy(), _register(PEOPLE))
    ours = _best(lambda: [engine.scan(text) for text in texts])
    some = random.Random(1).sample(texts, PLAIN_TEXTS)
    plain = _plain_engine()
    seconds = _best(lambda: [plain.analyze(text, "en", entities=list(FIVE)) for text in some])
    same = sum(_ours(engine, text) == _plain(plain, text) for text in some)
    name = f"{len(FIVE)} entity types in {TEXTS:,} texts of {CHARACTERS} characters, against AnalyzerEngine"
    agreement = f"{same} of {PLAIN_TEXTS:,} texts"
    yield Row(f"{name} ({PLAIN_TEXTS:,} run)", seconds * TEXTS / PLAIN_TEXTS, ours, agreement)


def detection_lines() -> Iterator[str]:
    """Rates, the gain of a second process, peak memory and the register's time."""
    yield _rates()
    yield _memory()
    yield _register_time()


def _rates() -> str:
    documents = [Document(id=str(n), text=text) for n, (text, _) in enumerate(islice(_texts(2), TEXTS))]
    policy, register = _policy(), _register(PEOPLE)
    engine = Engine(policy, register)

    def scan() -> None:
        for document in documents:
            engine.scan(document.text)

    def search() -> None:
        for document in documents:
            search_document(document, engine, register)

    found = min(_seconds(scan, time.process_time) for _ in range(REPEATS))
    linked = min(_seconds(search, time.process_time) for _ in range(REPEATS))
    gains = []
    for _ in range(REPEATS):  # in turn, so that a busy minute slows all of them
        one = TEXTS / _seconds(search)
        gains.append((_rate_of_processes(documents, policy, register, 2) / one, _gain_of_a_loop()))
    shown = ", ".join(f"{ours:.2f} ({loop:.2f})" for ours, loop in gains)
    return (
        f"detection, texts a second of one core: {TEXTS / found:,.0f} searched, {TEXTS / linked:,.0f} searched and "
        f"linked; two processes do this many times what one does: {shown} (in brackets: a plain loop, then)"
    )


def _rate_of_processes(
    documents: Sequence[Document], policy: Policy, register: Register, processes: int
) -> float:
    """Documents a second in the last half: importing Presidio takes each process seconds, not all the same."""
    found = search_in_processes([*documents, *documents], policy, register, processes)
    for _ in documents:
        next(found)
    begin = time.perf_counter()
    count = sum(1 for _ in found)
    return count / (time.perf_counter() - begin)


def _gain_of_a_loop() -> float:
    """What a second process gains for work that shares nothing: the most that the machine allows just now."""
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_loop, (1, 1)))
        one = _seconds(lambda: pool.submit(_loop, LOOP).result())
        two = _seconds(lambda: list(pool.map(_loop, (LOOP, LOOP))))
    return 2 * one / two


def _loop(count: int) -> int:
    return sum(len(str(number)) for number in range(count))


def _memory() -> str:
    command = [sys.executable, "-m", "tests.benchmarks.detection"]
    few, many = (json.loads(subprocess.check_output([*command, str(count)])) for count in DOCUMENTS)
    rates = " and ".join(
        f"{each['texts a second']:,.0f} texts a second with {each['peak MiB']} MiB at most of {count:,} documents"
        for each, count in zip((few, many), DOCUMENTS, strict=True)
    )
    found = f"1 in {ONE_SECRET_IN} with a secret, {many['places']:,} places"
    return f"a corpus from file to facts, one process: {rates} ({found})"


def _register_time() -> str:
    source = random.Random(0)
    letters = "abcdefghiklmnoprst"
    register = Register()
    for _ in range(NAMES):
        register.add(" ".join("".join(source.choices(letters, k=6)).title() for _ in range(2)))
    with_name, without = (
        f"The number that the front desk has on file for {who} is not 415-555-0132, they say so."[:CHARACTERS]
        for who in (register.subjects[777], "somebody else")
    )
    times = [
        1e6 * min(timeit.repeat(lambda text=text: register.find(text), number=100, repeat=50)) / 100
        for text in (without, with_name)
    ]
    return (
        f"register of {len(register):,} names, {CHARACTERS} characters: {times[0]:.1f} us a text without a name, "
        f"{times[1]:.1f} us with one"
    )


def _texts(one_in: int) -> Iterator[tuple[str, str]]:
    """Texts without end and the person each is about."""
    source = random.Random(0)
    number = 0
    while True:
        number += 1
        holds = number % one_in == 0
        forms = _WITH if holds else _WITHOUT
        form = forms[(number // one_in if holds else number // 2) % len(forms)]
        name = _name(source.randrange(PEOPLE))
        text = form.format(name=name, n=source.randrange(1, 10_000), m=number % 250, k=number % 90 + 10)
        yield text.ljust(CHARACTERS, ".")[:CHARACTERS], name


def _name(number: int) -> str:
    return f"Ad{'aeiou'[number % 5]}{chr(97 + number // 5 % 20)} Qu{chr(97 + number // 100)}ll"


def _register(people: int) -> Register:
    register = Register()
    for number in range(people):
        register.add(_name(number))
    return register


def _policy() -> Policy:
    return Policy.model_validate({"name": "five", "entities": dict.fromkeys(FIVE), "ner": "none"})


def _plain_engine():
    """Presidio as it comes, with its own recognizers, on a blank spaCy pipeline and without a network."""
    import tldextract
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry

    from detectors.presidio.nlp import LocalNlpEngine

    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(
        suffix_list_urls=(), extra_suffixes=("example",)
    )
    nlp = LocalNlpEngine("en", "none")
    nlp.load()
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=nlp)
    return AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=["en"])


def _ours(engine: Engine, text: str) -> set[tuple[int, int, str]]:
    return {(span.start, span.end, span.entity_type) for span in engine.scan(text).spans}


def _plain(engine, text: str) -> set[tuple[int, int, str]]:
    """What Presidio is most sure of: of overlapping results that with the highest score."""
    kept: list = []
    for result in sorted(engine.analyze(text, "en", entities=list(FIVE)), key=lambda r: (-r.score, r.start)):
        counts = result.score >= _policy().entities[result.entity_type].score
        if counts and not any(result.start < other.end and other.start < result.end for other in kept):
            kept.append(result)
    return {(result.start, result.end, result.entity_type) for result in kept}


def _best(work) -> float:
    return min(_seconds(work) for _ in range(REPEATS))


def _seconds(work, clock=time.perf_counter) -> float:
    begin = clock()
    work()
    return clock() - begin


def _measure_corpus(count: int) -> dict[str, float]:
    """Rate and peak of detection in a corpus of `count` documents, both of its readings included; Presidio's import
    is not.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "corpus.jsonl"
        with path.open("w") as stream:
            for number, (text, name) in enumerate(islice(_texts(ONE_SECRET_IN), count)):
                unheard = f"{text} Word{number}"  # whoever remembers each word that it meets, grows
                stream.write(json.dumps({"text": unheard, "subjects": [name]}) + "\n")
        Engine(_policy(), Register())
        begin = time.process_time()
        result = detect_facts(read_corpus(path), _policy())
        seconds = time.process_time() - begin
    places = sum(len(fact.sources) for fact in result.facts)
    return {"texts a second": count / seconds, "peak MiB": peak_mib(), "places": places}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure_corpus(int(sys.argv[1]))))
