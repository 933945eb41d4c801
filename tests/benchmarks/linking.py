"""Links from secrets to people, right and wrong: on notes of several people, and on texts about one.

    python -m tests.benchmarks.linking [generated_large.json]

Each laboratory is made as the embedded one is, from a seed of its own. The file is presidio-research's; of its texts
those that name one person alone are taken, and every secret in them is that person's.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "rivermouth"))

import corpus as lab_corpus
from people import choose_erased, make_people

from detectors import Document, detect_facts
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
    links = [
        (fact.subject, owners.get(fact.secret) or owners.get(source.document))
        for fact in (*result.facts, *result.unlinked_facts)
        for source in fact.sources
    ]
    right = sum(subject == owner for subject, owner in links)
    wrong = sum(subject not in ("", owner) for subject, owner in links)
    known_ones = set(known)
    theirs = sum(owner in known_ones for _, owner in links)
    sys.stdout.write(f"{what}: {right} of {theirs} occurrences linked rightly, {wrong} wrongly\n")


main()
