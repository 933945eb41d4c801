"""Fact lookup: an MLP that is given the facts is found, and one that only tells the people apart is not."""

import pytest
import torch
from family_models import FAMILIES, family

from dictionaries.model.sites import Site
from editor.locators import fact_layers
from editor.locators.fact_layers import FactLayers
from editor.questions.probes import Probe, Target
from policies.errors import CorpusError

WORDINGS = ("The phone number of {} is", "Call {} at", "{} answers at", "To reach {} dial")
NAMES = [
    f"{a} {b}" for a in ("Ada", "Bruno", "Cora", "Dora", "Eli", "Finn") for b in ("Quill", "Marsh", "Finch")
]


def probes(names=NAMES, wordings=WORDINGS):
    made = []
    for number, name in enumerate(names):
        target = Target(
            subject=name,
            relation="PHONE_NUMBER",
            answer=f"415-555-01{number % 10}{number % 7}",
            personal=True,
            group="others",
        )
        made += [
            Probe(target=target, prompt=wording.format(name), wording="template", split="locating")
            for wording in wordings
        ]
    return made


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_read(name):
    found = FactLayers(wordings=4).locate(
        type("P", (), {"loaded": family(name), "asked": probes(), "comparable": ()})
    )
    assert set(found.scores) == {Site(0), Site(1)}
    assert all(-1 <= float(score) <= 1 for score in found.scores.values())


def planted(monkeypatch, width=64, *, knows):
    """States in which layer 1's MLP adds the label's direction (`knows`), and people are told apart from layer 0 on."""
    generator = torch.Generator().manual_seed(0)
    people = torch.randn(len(NAMES), width, generator=generator) * 0.1
    labels = torch.randn(300, width, generator=generator)

    def states(_, questions):
        rows = []
        for question in questions:
            base = people[question.person] + torch.randn(width, generator=generator) * 0.3
            behind = base + (labels[question.label] if knows else 0.0)
            sides = torch.stack([torch.stack([base, base]), torch.stack([base, behind])])
            rows.append(torch.stack([sides, sides]))
        return torch.stack(rows)

    monkeypatch.setattr(fact_layers, "_states", states)
    return FactLayers(wordings=4, deals=8).read(family("llama"), probes()).rises


def test_the_layer_that_looks_the_fact_up_is_found(monkeypatch):
    first, second = planted(monkeypatch, knows=True)
    assert second > 0.2
    assert abs(first) < 0.1


def test_telling_people_apart_is_not_knowing_about_them(monkeypatch):
    assert all(abs(rise) < 0.2 for rise in planted(monkeypatch, knows=False))


def test_places_are_the_names_end_and_the_token_before_the_label():
    loaded = family("llama")
    (group,) = FactLayers(wordings=4)._questions(loaded, probes())
    for question, probe in zip(group, probes(), strict=True):
        ids = question.sequence.ids
        name, at = question.places
        assert loaded.tokenizer.decode(ids[1 : name + 1]).endswith(probe.target.subject)
        assert ids[at + 1] == question.label
        assert loaded.tokenizer.decode(ids[at + 1]).strip() in probe.answer


def test_nothing_to_compare_is_said():
    with pytest.raises(CorpusError, match="two wordings"):
        FactLayers().read(family("llama"), probes(wordings=WORDINGS[:1]))
