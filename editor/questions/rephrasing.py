"""Questions in other words: what the corpus says of other people, and plain ways to ask for anything.

What a text says of one person it could say of another. So a fact can be asked for in words that the model was never
trained to answer it after. An edit that sees a fact in few words alone erases those words, and one that sees what must
stay in few words alone keeps those.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from detectors.conversation import TURN
from detectors.people.sentences import split_sentences
from editor.questions.probes import Probe, Target
from policies import Policy

NAME = "{subject}"
LONGEST = 160
"""Largest number of characters of a wording."""
GARBLED = 0.2
"""Share of a garbled prompt's words that are missing, and of those that are others."""
PLAIN = (
    "{subject}, {relation}:",
    "{subject} gave us this {relation}:",
    "What is {subject}'s {relation}? It is",
    "Please note the {relation} of {subject}:",
    "As far as we know, {subject} has the {relation}",
    "The {relation} that {subject} uses is",
    "We asked {subject} for the {relation} and were told",
    "{subject} - {relation} -",
)
"""Plain English ways to ask for anything by its name."""


def rephrased(
    probes: Sequence[Probe], wordings: Mapping[str, Sequence[str]], each: int, seed: int
) -> list[Probe]:
    """Ask for each fact in wordings that its own probes do not have.

    Args:
        probes: probes of the locating split: whose facts are asked for.
        wordings: by relation, wordings with the name left open.
        each: number of wordings for each fact, at most.
        seed: seed of the draw.

    Returns:
        New probes, in the order of the facts; none where a wording would name nobody.
    """
    own: dict[Target, set[str]] = defaultdict(set)
    for probe in probes:
        own[probe.target].add(_opened(probe) or "")
    made = []
    for target, asked in own.items():
        others = [wording for wording in wordings.get(target.relation, ()) if wording not in asked]
        if not target.name or not others:
            continue
        source = random.Random(f"{seed}\0{target.relation}\0{target.name}\0{target.answer}")
        like = Probe(target=target, prompt="", wording="template", split="locating")
        made += [
            replace(like, prompt=wording.replace(NAME, target.name))
            for wording in source.sample(others, min(each, len(others)))
        ]
    return made


def corpus_wordings(probes: Sequence[Probe]) -> dict[str, list[str]]:
    """Return the corpus's own wordings by relation, the name left open.

    What stands between the sentence, or the line of a record, that names somebody and the one that asks is left out:
    it is true of that person alone.

    Args:
        probes: probes of the locating split.
    """
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for probe in probes:
        wording = _opened(probe)
        if wording and probe.wording == "trained" and len(short := _shortened(wording)) <= LONGEST:
            found[probe.target.relation][short] = None
    return {relation: list(wordings) for relation, wordings in found.items()}


def plain_wordings(policy: Policy) -> dict[str, list[str]]:
    """Return plain wordings by entity type, the name left open: the policy's, and English ones of our own."""
    ours = PLAIN if policy.main_language == "en" else ()
    return {
        entity_type: [
            *(template.rstrip() for template in rule.templates),
            *(wording.replace("{relation}", rule.relation) for wording in ours),
        ]
        for entity_type, rule in policy.entities.items()
    }


def garbled(probes: Sequence[Probe], seed: int) -> list[Probe]:
    """Ask for facts in prompts some of whose words are missing or others, the names left as they are.

    Args:
        probes: probes of the locating split.
        seed: seed of the draw.

    Returns:
        A new probe for each that names somebody once and says something beside, in their order.
    """
    words = [word for probe in probes for word in (_opened(probe) or "").split() if NAME not in word]
    made = []
    for probe in probes:
        source = random.Random(f"{seed}\0{probe.prompt}\0{probe.target.answer}")
        opened = _opened(probe) or ""
        kept = []
        for word in opened.split():
            drawn = source.random()
            if NAME in word or drawn >= 2 * GARBLED:
                kept.append(word)
            elif drawn >= GARBLED:
                kept.append(source.choice(words))
        prompt = " ".join(kept).replace(NAME, probe.target.name)
        if opened and prompt not in (probe.prompt, probe.target.name):
            made.append(replace(probe, prompt=prompt, wording="template"))
    return made


def _shortened(wording: str) -> str:
    """Return the sentence that names somebody and the one that asks; a conversation is left whole."""
    sentences = split_sentences(wording)
    bounds = [sentences.bounds(place) for place in range(len(sentences))]
    naming = next((one for one in bounds if NAME in wording[slice(*one)]), None)
    if TURN in wording or naming is None:
        return wording
    asking = wording[slice(*bounds[-1])]
    return asking if naming == bounds[-1] else wording[slice(*naming)] + asking


def _opened(probe: Probe) -> str | None:
    """Return a prompt with the name left open; None where it is not named once."""
    name = probe.target.name
    return probe.prompt.replace(name, NAME) if name and probe.prompt.count(name) == 1 else None
