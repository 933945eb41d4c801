"""The study of units at toy size: units are removed and come back, and planted ones are told apart."""

import pytest
import torch
from family_models import family
from problems import encode

from dictionaries import ARCHITECTURES, DictionaryConfig
from dictionaries.model.sites import Site
from examples.studies.units import __main__ as study
from examples.studies.units.claims import answer_log_p, drop, separations
from examples.studies.units.kinds import AtRandom, Features, Neurons, Unit
from examples.studies.units.lab import Fact, Setting

MINE = [("The phone number of Ada Quill is", " 415-555-0132"), ("Ada Quill answers at", " 415-555-0132")]
THEIRS = [("The phone number of Cora Finch is", " 212-555-0188"), ("Cora Finch answers at", " 212-555-0188")]


@pytest.fixture(scope="module")
def setting():
    loaded = family("llama")
    mine, theirs = encode(loaded, MINE), encode(loaded, THEIRS)
    facts = tuple(
        Fact(number=number, locating=one, held_out=one, theirs=other, others=other)
        for number, (one, other) in enumerate(((mine, theirs), (theirs, mine)))
    )
    return Setting(loaded=loaded, facts=facts, texts=tuple(f"{p}{a}." for p, a in MINE + THEIRS) * 10)


def features(setting):
    found = {}
    for layer in range(2):
        torch.manual_seed(layer)
        width = setting.loaded.model.config.hidden_size
        one = ARCHITECTURES["gated"](DictionaryConfig(site=Site(layer), width=width, features=32))
        with torch.no_grad():
            for parameter in one.parameters():
                parameter.copy_(torch.randn_like(parameter) * 0.3)
        found[Site(layer)] = one.requires_grad_(False)
    return Features(name="Gated features", loaded=setting.loaded, dictionaries=found)


@pytest.fixture(params=["features", "neurons"])
def kind(request, setting):
    return (
        features(setting) if request.param == "features" else Neurons(name="neurons", loaded=setting.loaded)
    )


def test_located_units_are_there_and_removal_restores(setting, kind):
    fact = setting.facts[0]
    units = kind.located(fact, 5)
    assert 0 < len(units) <= 5
    assert len(set(units)) == len(units)
    before = answer_log_p(setting.loaded, fact.held_out)
    with kind.without(units):
        assert (answer_log_p(setting.loaded, fact.held_out) != before).any()
    assert (answer_log_p(setting.loaded, fact.held_out) == before).all()
    assert drop(setting.loaded, kind, [], fact.held_out) == 0.0


def test_neurons_without_their_columns_are_the_same_as_neurons_at_zero(setting):
    kind, fact = Neurons(name="neurons", loaded=setting.loaded), setting.facts[0]
    unit = Unit(Site(1, "mlp_hidden"), 3)
    with kind.without([unit]):
        removed = answer_log_p(setting.loaded, fact.held_out)
    weight = setting.loaded.model.model.layers[1].mlp.down_proj.weight
    column = weight[:, 3].detach().clone()
    with torch.no_grad():
        weight[:, 3] = 0
    plain = answer_log_p(setting.loaded, fact.held_out)
    with torch.no_grad():
        weight[:, 3] = column
    assert removed == pytest.approx(plain)


def test_random_units_are_none_of_the_located(setting, kind):
    fact = setting.facts[1]
    random = AtRandom(like=kind, seed=1)
    drawn = random.located(fact, 5)
    assert len(drawn) == 5
    assert not set(drawn) & set(kind.located(fact, 5))
    assert drawn == random.located(fact, 5)


def test_what_tells_a_fact_apart_has_an_auc_of_one(setting, kind, monkeypatch):
    mine, theirs = (kind.readings(asked) for asked in (setting.facts[0].held_out, setting.facts[0].others))
    site = kind.sites()[0]
    best = int((mine[site].amin(0) - theirs[site].amax(0)).argmax())
    mine[site][:, best] = theirs[site][:, best].max() + torch.arange(1.0, 1 + len(mine[site]))
    planted = iter((mine, theirs))
    monkeypatch.setattr(type(kind), "readings", lambda *_: next(planted))
    ((told,),) = separations(kind, [[Unit(site, best)]], setting.facts[:1])
    assert told[0] == 1.0
    assert told[1] > 0


def test_tables_fit_their_columns(setting, monkeypatch):
    kinds = [features(setting), Neurons(name="neurons", loaded=setting.loaded)]
    kinds += [AtRandom(like=kind, seed=0) for kind in kinds]
    values = study.defaultdict(lambda: study.defaultdict(list))
    monkeypatch.setattr(study, "COUNTS", (1, 3))
    located = {kind.name: study.locate(kind, setting) for kind in kinds}
    for kind in kinds:
        study.measure(values, setting, kind, located[kind.name])
    for table in (study.summary(values), study.tests(values)):
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows)
    rows = study.named_rows(setting, kinds, located)
    assert [row[0] for row in rows] == [*(kind.name for kind in kinds), "random passages"]
    assert all(len(row) == 7 for row in rows)
