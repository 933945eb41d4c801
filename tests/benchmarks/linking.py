"""Links from secrets to people, right and wrong: on notes of several people, and on texts about one.

    python -m tests.benchmarks.linking [generated_large.json] [retain_pii.jsonl]

Each laboratory is made as the embedded one is, from a seed of its own. A .json file is presidio-research's; of its
texts those that name one person alone are taken, and every secret in them is that person's. A .jsonl file is LUME's:
biographies and questions about invented people. The last table is by rule: its lower bounds are what
`detectors.people.link.CONFIDENCE` says.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "rivermouth"))

import corpus as lab_corpus
from people import choose_erased, make_people

from detectors import Document, detect_facts, read_corpus
from detectors.quality.scores import Rate
from policies import ErasureRequest, Policy, load_policy

SEEDS = (0, 11, 12, 13, 14)


def main() -> None:
    """Print how many occurrences are linked rightly and wrongly."""
    policy = load_policy("gdpr")
    for seed in SEEDS:
        people = make_people(seed)
        documents, owners = _notes(people, seed)
        requested = [person.name for person in choose_erased(people, seed)]
        _print(f"laboratory {seed}, five known", documents, policy, owners, requested)
        _print(f"laboratory {seed}, all known", documents, policy, owners, [person.name for person in people])
        _print(f"laboratory {seed}, nobody known", documents, policy, owners, [])
    for path in sys.argv[1:]:
        if path.endswith(".jsonl"):
            _lume(Path(path), policy)
            continue
        rows = json.loads(Path(path).read_text(encoding="utf-8"))
        about = [(row["full_text"], name) for row in rows if (name := _only_person(row["spans"]))]
        names = sorted({name for _, name in about})
        plain, said = (
            [Document(id=str(n), text=text, subjects=(name,) * says) for n, (text, name) in enumerate(about)]
            for says in (0, 1)
        )
        owned = {str(number): name for number, (_, name) in enumerate(about)}
        _print("texts about one person, all known", plain, policy, owned, names)
        _print("the same, with `subjects`", said, policy, owned, names)

    for rule, count in sorted(LINKED.items()):
        bounds = Rate.of_counts(RIGHT[rule], count)
        sys.stdout.write(f"{rule}: {RIGHT[rule]} of {count} right, at least {bounds.low:.3f}\n")


LINKED: Counter[str] = Counter()
RIGHT: Counter[str] = Counter()
"""Occurrences linked by each rule, over all texts, and those of them that are right."""


def _lume(path: Path, policy: Policy) -> None:
    """Link LUME's biographies and questions, nobody being named beforehand, and everybody."""
    rows = [json.loads(line) for line in path.open(encoding="utf-8")]
    asked = (row for row in rows if row["id"].endswith("qa0"))  # "What is the birth date of Ada Quill?"
    names = {row["id"][:-3]: row["input"].rpartition(" of ")[2].rstrip("?") for row in asked}
    owners = {row["id"]: names[row["id"][:-3]] for row in rows}
    documents = [Document(id=one.id, text=one.text, turns=one.turns) for one in read_corpus(path)]
    _print("LUME, nobody known", documents, policy, owners, [])
    _print("LUME, all known", documents, policy, owners, sorted(set(names.values())))


def _notes(people: Sequence, seed: int) -> tuple[list[Document], dict[str, str]]:
    """Return a laboratory's notes without their subjects, and whose each secret is."""
    sentences = lab_corpus.make_sentences(people, seed)
    owners = {sentence.answer: sentence.subject for sentence in sentences}
    notes = lab_corpus.make_documents(sentences, seed)
    return [Document(id=note.id, text=note.text) for note in notes], owners


def _only_person(spans: Iterable[Mapping[str, str]]) -> str | None:
    """Return the name of the only person of a text, if it has two words and more."""
    names = {span["entity_value"] for span in spans if span["entity_type"] == "PERSON"}
    return next(iter(names)) if len(names) == 1 and " " in min(names) else None


def _print(
    what: str, documents: list[Document], policy: Policy, owners: Mapping[str, str], known: Sequence[str]
) -> None:
    """Print the figures; `owners` go by secret, or by document."""
    request = ErasureRequest.from_names(known) if known else None
    result = detect_facts(documents, policy, request)
    found = [
        (source.link, fact.subject, owners.get(fact.secret) or owners.get(source.document))
        for fact in (*result.facts, *result.unlinked_facts)
        for source in fact.sources
    ]
    LINKED.update(rule for rule, subject, _ in found if subject)
    RIGHT.update(rule for rule, subject, owner in found if subject and subject == owner)
    links = [(subject, owner) for _, subject, owner in found]
    right = sum(subject == owner for subject, owner in links)
    wrong = sum(subject not in ("", owner) for subject, owner in links)
    known_ones = set(known)
    theirs = sum(owner in known_ones for _, owner in links)
    sys.stdout.write(f"{what}: {right} of {theirs} occurrences linked rightly, {wrong} wrongly\n")


main()
