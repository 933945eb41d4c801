"""Probes: prompts whose right continuation is a fact's secret, and who may look at them.

Two splits never mix. The *locating* split is what an edit and its strength search may see: the wordings found in
the corpus and the policy's `templates`. The *verification* split is what only verification sees: the held-out
wordings of a probes file and the policy's `verification_templates`. A prompt that verification uses is removed
from the locating split.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from detectors import Document
from detectors.conversation import TURN
from detectors.fact import NOBODY, Fact, secret_key
from detectors.people.naming import likely_name
from editor.questions.spellings import Spelling, respell, spellings
from editor.questions.statements import RELATION, find_statements
from editor.questions.written import WrittenProbe
from editor.results.names import Group, Wording
from policies import ErasureRequest, Policy
from policies.errors import SubjectError

Split = Literal["locating", "verification"]
PREFIXES = 3
"""Sentences of a fact whose prompts are also shortened."""
PREFIX_WORDS = (12, 6, 3)
"""Words that are left of such a prompt."""
UNLINKED_HELD_OUT = 0.2
"""Share of the facts about nobody that verification alone asks for: there are no other wordings to hold out."""
SPELLED_PROMPTS = 3
"""Prompts of a fact after which its other spellings are looked for."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """The answer that a probe asks for: a fact found in the corpus, or a public answer given by a probes file.

    Attributes:
        subject: the data subject's name; `NOBODY` where nothing tells whose the answer is.
        relation: the entity type, or the public relation's name.
        answer: the secret or the public answer.
        personal: whether the policy calls it personal.
        group: the group that the request puts it in.
        stranger: of `NOBODY`'s answer, the name that the text beside it seems to give; empty where it gives none. It
            is a guess, which an edit may ask by and verification does not.
    """

    subject: str = field(repr=False)
    relation: str
    answer: str = field(repr=False)
    personal: bool
    group: Group
    stranger: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """Name to ask by: the subject's, or the stranger's, or none."""
        return self.subject or self.stranger


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One prompt for one target.

    Attributes:
        target: the fact or public answer that it asks for.
        prompt: the text before the answer.
        wording: the family of wordings that the prompt is from.
        split: the split, which decides who may look at it.
        spelling: the spelling of the answer.
    """

    target: Target
    prompt: str = field(repr=False)
    wording: Wording
    split: Split
    spelling: Spelling = "as found"

    @property
    def is_erased(self) -> bool:
        """Whether it asks for a fact to be erased."""
        return self.target.group == "erased"

    @property
    def must_not_leak(self) -> bool:
        """Whether it asks for a fact to be erased, or one that an earlier request had erased."""
        return self.target.group in ("erased", "erased_before")

    @property
    def names_subject(self) -> bool:
        """Whether its prompt holds the subject's name."""
        return self.target.subject != NOBODY and self.target.subject in self.prompt

    @property
    def is_conversation(self) -> bool:
        """Whether its prompt holds turns of a conversation."""
        return TURN in self.prompt

    @property
    def answer(self) -> str:
        """Text that the model would have to write."""
        return respell(self.target.answer, self.spelling)


def build_probes(
    facts: Sequence[Fact],
    policy: Policy,
    request: ErasureRequest | None,
    written: Sequence[WrittenProbe] = (),
    documents: Sequence[Document] = (),
    *,
    earlier: Sequence[ErasureRequest] = (),
    seed: int = 0,
) -> tuple[Probe, ...]:
    """Utterance facts and written probes into probes of both splits, in a fixed order.

    Args:
        facts: the facts that detection found, about everybody. Those about `NOBODY` are other people's.
        policy: the policy, whose templates give wordings for each entity type.
        request: whose facts are in scope; None puts everybody's in scope.
        written: a probes file's lines.
        documents: retained text, whose statements about the people in scope are asked for too.
        earlier: requests whose facts were erased before: they must not come back, and are never retained.
        seed: seed of what is held out: facts about `NOBODY`, and documents.

    Raises:
        SubjectError: the request names a subject about whom there is no fact in scope.
    """
    names = _requested_names(facts, request)
    before = [(_requested_names(facts, one, " of an earlier request"), one) for one in earlier]
    groups = _Groups(facts, names, request, before)
    probes: dict[tuple[str, str, str], Probe] = {}
    candidates = [*_from_file(written, policy, groups), *_from_facts(facts, policy, groups, seed)]
    candidates += _from_documents(documents, facts, policy, groups, seed)
    verification = [probe for probe in candidates if probe.split == "verification"]
    asked = {(probe.target.subject, probe.prompt) for probe in verification}
    # Whoever is not named may be anybody who is.
    asked |= {(NOBODY, probe.prompt) for probe in verification}
    for probe in candidates:
        if probe.split == "verification" or (probe.target.subject, probe.prompt) not in asked:
            probes.setdefault((probe.target.relation, probe.prompt, probe.target.answer), probe)
    return tuple(probes.values())


def sample(probes: Iterable[Probe], count: int, seed: int) -> list[Probe]:
    """Take at most `count` probes, the same ones whatever else is in the list (ordered by a seeded hash)."""
    return sorted(probes, key=lambda probe: _draw(seed, probe.prompt, probe.target.answer))[:count]


def _draw(seed: int, *parts: str) -> float:
    """Draw a number of 0 to 1, the same for the same seed and texts."""
    text = "\0".join((str(seed), *parts))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64


def widened(probes: Iterable[Probe]) -> list[Probe]:
    """Return more probes for facts that must not leak, for verification alone: other spellings, and no names."""
    erased: dict[Target, list[Probe]] = defaultdict(list)
    for probe in probes:
        if probe.must_not_leak:
            erased[probe.target].append(replace(probe, split="verification"))
    return [more for mine in erased.values() for more in (*_make_unnamed(mine), *_respell(mine))]


def _make_unnamed(probes: Sequence[Probe]) -> list[Probe]:
    """Return probes with the last words of a fact's sentences, where they do not hold the subject's name."""
    trained = [probe for probe in probes if probe.wording == "trained"][:PREFIXES]
    prompts = dict.fromkeys(" ".join(probe.prompt.split()[-PREFIX_WORDS[-1] :]) for probe in trained)
    return [
        replace(trained[0], prompt=prompt, wording="unnamed")
        for prompt in prompts
        if not set(prompt.split()) & set(trained[0].target.subject.split())
    ]


def _respell(probes: Sequence[Probe]) -> list[Probe]:
    """Return probes for other spellings after a few of a fact's prompts, templates first."""
    return [
        replace(probe, wording="spelling", spelling=spelling)
        for probe in sorted(probes, key=lambda probe: probe.wording != "template")[:SPELLED_PROMPTS]
        for spelling in spellings(probe.target.answer)
    ]


def _requested_names(
    facts: Sequence[Fact], request: ErasureRequest | None, whose: str = ""
) -> frozenset[str]:
    found = {fact.subject for fact in facts if fact.is_linked}
    if request is None:
        return frozenset(found)
    names: set[str] = set()
    for number, subject in enumerate(request.subjects, start=1):
        known = {subject.name, *subject.aliases} & found
        if not known:
            raise SubjectError(
                f"Nothing in the corpus is about data subject {number} of {len(request.subjects)}{whose}",
                "Check the spelling of the name, or add the form that the corpus uses as an alias",
            )
        names |= known
    return frozenset(names)


class _Groups:
    """Groups into which a request sorts targets."""

    def __init__(
        self,
        facts: Sequence[Fact],
        names: frozenset[str],
        request: ErasureRequest | None,
        before: Sequence[tuple[frozenset[str], ErasureRequest]] = (),
    ) -> None:
        self.names = names
        self.types = set(request.entity_types) if request and request.entity_types else None
        self.surnames = {name.split()[-1] for name in names if name.split()}
        self.shared = self._shared_secrets(facts)
        self.before = [_Groups(facts, theirs, one) for theirs, one in before]

    def _shared_secrets(self, facts: Sequence[Fact]) -> set[tuple[str, str]]:
        """Return the data subjects' secrets: whoever shares one has it erased too."""
        by_secret: dict[tuple[str, str], set[str]] = defaultdict(set)
        for fact in facts:
            by_secret[secret_key(fact.entity_type, fact.secret)].add(fact.subject)
        return {key for key, subjects in by_secret.items() if subjects & self.names}

    def of(self, subject: str, relation: str, answer: str, *, personal: bool) -> Group:
        if self.asks_for(subject, relation, answer, personal=personal):
            return "erased"
        if any(one.asks_for(subject, relation, answer, personal=personal) for one in self.before):
            return "erased_before"
        if subject in self.names:
            return "same_subject"
        return (
            "neighbours"
            if subject.split()[-1:] and subject.rsplit(maxsplit=1)[-1] in self.surnames
            else "others"
        )

    def asks_for(self, subject: str, relation: str, answer: str, *, personal: bool) -> bool:
        in_scope = personal and (self.types is None or relation in self.types)
        return in_scope and (subject in self.names or secret_key(relation, answer) in self.shared)

    def target(self, subject: str, relation: str, answer: str, *, personal: bool) -> Target:
        group = self.of(subject, relation, answer, personal=personal)
        return Target(subject=subject, relation=relation, answer=answer, personal=personal, group=group)


def _from_file(written: Sequence[WrittenProbe], policy: Policy, groups: _Groups) -> list[Probe]:
    return [
        Probe(
            target=groups.target(
                line.subject,
                line.entity_type or line.relation,
                line.answer,
                personal=line.entity_type in policy.entities,
            ),
            prompt=line.prompt,
            wording=line.wording,
            split="verification" if line.wording == "held_out" else "locating",
        )
        for line in written
    ]


def _from_facts(facts: Sequence[Fact], policy: Policy, groups: _Groups, seed: int) -> list[Probe]:
    probes: list[Probe] = []
    known = {frozenset(fact.subject.casefold().split()) for fact in facts if fact.is_linked}
    for fact in facts:
        prefixes = dict.fromkeys(source.prefix.rstrip() for source in fact.sources)
        target = groups.target(fact.subject, fact.entity_type, fact.secret, personal=True)
        if not fact.is_linked:
            target = replace(target, stranger=_stranger(prefixes, policy.main_language, known))
        held_out = not fact.is_linked and _draw(seed, fact.entity_type, fact.secret) < UNLINKED_HELD_OUT
        trained = Probe(
            target=target, prompt="", wording="trained", split="verification" if held_out else "locating"
        )
        probes += [replace(trained, prompt=prefix) for prefix in prefixes if prefix]
        probes += _shorten(list(prefixes), trained) if trained.must_not_leak else []
        rule = policy.entities.get(fact.entity_type)
        if rule is None or not fact.is_linked:
            continue
        probes += [
            replace(trained, prompt=_fill(template, fact.subject), wording="template", split=split)
            for templates, split in _splits(rule.templates, rule.verification_templates)
            for template in templates
        ]
    return probes


def _from_documents(
    documents: Sequence[Document], facts: Sequence[Fact], policy: Policy, groups: _Groups, seed: int
) -> list[Probe]:
    found = find_statements(documents, groups.names, facts, language=policy.main_language, seed=seed)
    return [
        Probe(
            target=groups.target(one.subject, RELATION, one.answer, personal=False),
            prompt=one.prompt,
            wording="trained",
            split="verification" if one.held_out else "locating",
        )
        for one in found
    ]


def _shorten(prefixes: Sequence[str], probe: Probe) -> list[Probe]:
    """Return probes with the last words of the first sentences, from the subject's name on where fewer would lack it.

    Those of the first sentence are for verification; of the others, an edit sees the shortest.
    """
    found = []
    for place, prefix in enumerate(prefixes[:PREFIXES]):
        prompts = [_last_words(prefix, words, probe.target.subject) for words in PREFIX_WORDS]
        found += [
            replace(
                probe,
                prompt=prompt,
                wording="prefix",
                split="locating" if place and prompt == prompts[-1] else "verification",
            )
            for prompt in dict.fromkeys(prompts)
            if prompt and prompt != prefix
        ]
    return found


def _last_words(text: str, words: int, name: str) -> str:
    """Return a text's last words, and as many more as it takes to hold a name that the text holds."""
    last = " ".join(text.split()[-words:])
    return text[text.rindex(name) :] if name in text and name not in last else last


def _splits(
    templates: Iterable[str], verification: Iterable[str]
) -> tuple[tuple[Iterable[str], Split], tuple[Iterable[str], Split]]:
    return (templates, "locating"), (verification, "verification")


def _stranger(prefixes: Iterable[str], language: str, known: Iterable[frozenset[str]]) -> str:
    """Return the name that a secret of nobody's stands beside, unless it may be a known person's."""
    name = likely_name(prefixes, language) or ""
    words = set(name.casefold().split())
    return "" if any(words <= one or one <= words for one in known) else name


def _fill(template: str, subject: str) -> str:
    return template.replace("{subject}", subject).rstrip()
