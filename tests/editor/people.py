"""Probes about a few people, for locators and methods that need to know whom they are about."""

import torch
from problems import RETAIN, encode

from editor.locators.problem import EditProblem
from editor.questions.asking import encode_probes
from editor.questions.probes import Probe, Target


def target(subject, answer, relation="PHONE_NUMBER", group="erased"):
    return Target(subject=subject, relation=relation, answer=answer, personal=True, group=group)


def probe(subject, answer, prompt, **about):
    return Probe(target=target(subject, answer, **about), prompt=prompt, wording="template", split="locating")


ASKED = [
    probe("Ada Quill", "415-555-0132", "The phone number of Ada Quill is"),
    probe("Ada Quill", "415-555-0132", "Ada Quill works as a baker in Dover. Her phone number is"),
    probe("Cora Finch", "212-555-0188", "The phone number of Cora Finch is"),
]
OTHERS = [
    probe("Ada Finch", "310-555-0107", "The phone number of Ada Finch is", group="others"),
    probe("Ada Finch", "310-555-0107", "Reach Ada Finch by phone under number", group="others"),
    probe("Ada Marsh", "646-555-0119", "The phone number of Ada Marsh is", group="others"),
    probe(
        "Ada Finch", "12 Alder Lane", "The phone number of Ada Finch is", relation="ADDRESS", group="others"
    ),
]


def people_problem(loaded):
    erase = encode_probes(loaded, ASKED)
    return EditProblem(
        loaded=loaded,
        erase=erase,
        chance=[torch.full((sum(s.marked),), -2.0) for s in erase],
        retain=encode(loaded, RETAIN),
        asked=ASKED,
        comparable=OTHERS,
    )
