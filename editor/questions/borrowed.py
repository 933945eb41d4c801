"""Questions in other people's words: the corpus's wordings of a relation, with somebody else's name.

What a text says of one person it could say of another. So a fact can be asked for in words that the model was never
trained to answer it after, without any list of templates; a model that has learned facts, and not sentences, answers.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from editor.questions.probes import Probe, Target

NAME = "{subject}"
LONGEST = 160
"""Largest number of characters of a wording."""


def borrowed(probes: Sequence[Probe], each: int, seed: int) -> list[Probe]:
    """Ask for each fact in wordings that the corpus has for others of its relation.

    Args:
        probes: probes of the locating split; those in the corpus's own words give the wordings.
        each: number of wordings for each fact, at most.
        seed: seed of the draw.

    Returns:
        New probes, in the order of the facts; none where a wording would name nobody.
    """
    wordings: dict[str, dict[str, None]] = defaultdict(dict)
    own: dict[Target, set[str]] = {}
    for probe in probes:
        asked = own.setdefault(probe.target, set())
        if wording := _wording(probe):
            wordings[probe.target.relation][wording] = None
            asked.add(wording)
    made = []
    for target, asked in own.items():
        others = [wording for wording in wordings[target.relation] if wording not in asked]
        if not target.subject or not others:
            continue
        source = random.Random(f"{seed}\0{target.relation}\0{target.subject}\0{target.answer}")
        like = Probe(target=target, prompt="", wording="template", split="locating")
        made += [
            replace(like, prompt=wording.replace(NAME, target.subject))
            for wording in source.sample(others, min(each, len(others)))
        ]
    return made


def _wording(probe: Probe) -> str | None:
    """Return a prompt in the corpus's words with the subject's name left open; None where it is not named once."""
    name = probe.target.subject
    if probe.wording != "trained" or not name or probe.prompt.count(name) != 1 or len(probe.prompt) > LONGEST:
        return None
    return probe.prompt.replace(name, NAME)
