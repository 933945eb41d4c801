"""Chance levels: what a model predicts of a secret when it is asked about people who do not exist."""

import math

import pytest
import torch

from editor.chance import POOL, STRANGERS, chance_levels, make_strangers
from editor.probes import Probe, Target

NAMES = ("Ada Quill", "Bruno Marsh", "Cora Finch", "Dorian Vale", "Elsa Thorn")


def probe(prompt, subject="Ada Quill", answer="415-555-0132"):
    target = Target(subject=subject, relation="PHONE_NUMBER", answer=answer, personal=True, group="erased")
    return Probe(target=target, prompt=prompt, wording="trained", split="locating")


def test_strangers_are_nobody_known_and_depend_on_the_seed():
    strangers = make_strangers(NAMES, 4, seed=0)
    assert len(set(strangers)) == 4
    assert not set(strangers) & set(NAMES)
    assert {name.split()[0] for name in strangers} <= {name.split()[0] for name in NAMES}
    assert strangers == make_strangers(NAMES, 4, seed=0)
    assert make_strangers(NAMES[:1], 4, seed=0) == []
    assert make_strangers([], 4, seed=0) == []


def test_levels_are_the_mean_probability_over_strangers(loaded):
    model = loaded("gpt2")
    (level,) = chance_levels(model, [probe("The phone of Ada Quill is")], NAMES, seed=0)
    pool = make_strangers(NAMES, POOL, seed=0)
    strangers = [name for name in pool if not {"Ada", "Quill"} & set(name.split())][:STRANGERS]
    total = 0.0
    for name in strangers:
        ids = torch.tensor([model.tokenizer(f"The phone of {name} is 415-555-0132")["input_ids"]])
        with torch.no_grad():
            p = model.model(ids).logits[0].softmax(1)
        total += float(p[-2, ids[0, -1]])
    assert float(level[-1]) == pytest.approx(math.log(total / len(strangers)), rel=1e-4)


def test_a_prompt_that_names_nobody_has_no_chance_level(loaded):
    levels = chance_levels(loaded("gpt2"), [probe("The phone is"), probe("Ada Quill:")], NAMES, seed=0)
    assert bool((levels[0] == -torch.inf).all())
    assert bool(torch.isfinite(levels[1]).all())
