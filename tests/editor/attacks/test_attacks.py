"""What every attack of the table guarantees."""

from dataclasses import fields, replace

import pytest
import torch
from attack_grounds import CASE, DECOYS, ERASED, make_case

from editor.attacks import ATTACK_SETS, ATTACKS, attacks_at
from editor.attacks.attack import Attacked, Level, PreparedAttack
from editor.attacks.running import attack_rows, prepare_attacks, untested_attacks
from editor.edits.edit import preserved
from editor.methods.shared.settings import with_seed
from editor.progress import Silent

SHORT = {"rates": (1e-3,), "marks": (1,)}
"""Settings of the attacks that train for long."""
every_attack = pytest.mark.parametrize("name", ATTACKS)


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    for name, entry in ATTACKS.items():
        if SHORT.keys() <= {field.name for field in fields(entry.make())}:
            monkeypatch.setitem(ATTACKS, name, replace(entry, settings={**entry.settings, **SHORT}))


def weights(loaded):
    return {name: value.detach().clone() for name, value in loaded.model.state_dict().items()}


def same(first, second):
    return first.keys() == second.keys() and all(
        torch.equal(value, second[key]) for key, value in first.items()
    )


def hooks(loaded):
    """The hooks on the model's modules."""
    return [
        hook
        for module in loaded.model.modules()
        for hook in (*module._forward_hooks, *module._forward_pre_hooks)
    ]


def attacked(loaded):
    """A model under attack, whose original differs in one tensor."""
    original = {name: value.detach().clone() for name, value in loaded.model.named_parameters()}
    next(iter(original.values())).add_(0.1)
    return Attacked(loaded=loaded, original=original.__getitem__)


def rows_of(loaded, names, erased=ERASED, case=CASE):
    prepared = prepare_attacks(case, erased, names, DECOYS)
    return attack_rows(case, loaded, prepared, Silent(), attacked(loaded).original)


@every_attack
@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_it_changes_model_or_questions_at_every_level_and_restores_every_bit(loaded, family, name):
    model = loaded(family)
    before, free = weights(model), [one.requires_grad for one in model.model.parameters()]
    (attack,) = prepare_attacks(CASE, ERASED, [name], DECOYS)
    count = 0
    for level in attack.levels(attacked(model)):
        count += 1
        asked = [level.asks(probe) for probe in attack.asked]
        looks_inside = level.counts or hooks(model)
        assert looks_inside or not same(weights(model), before) or asked != list(attack.asked)
    assert 0 < count <= attack.count
    assert same(weights(model), before)
    assert not hooks(model)
    levels = attack.levels(attacked(model))
    next(levels)
    levels.close()
    assert same(weights(model), before)
    assert [one.requires_grad for one in model.model.parameters()] == free
    assert all(one.grad is None for one in model.model.parameters())


@every_attack
def test_what_interrupts_the_asking_leaves_the_model_as_it_was(loaded, name, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    model = loaded("llama")
    before = weights(model)
    for asking in ("attack.score_probes", "linear_probe.read_neurons", "activation_patching.score_passes"):
        monkeypatch.setattr(f"editor.attacks.{asking}", interrupt)
    with pytest.raises(KeyboardInterrupt):
        rows_of(model, [name])
    assert same(weights(model), before)
    assert not hooks(model)


@every_attack
def test_it_asks_about_erased_facts_and_counts_them_beside_decoys(loaded, name):
    (attack,) = prepare_attacks(CASE, ERASED, [name], DECOYS)
    assert isinstance(attack, PreparedAttack)
    assert set(map(id, attack.asked)) <= set(map(id, ERASED))
    assert {probe.prompt for probe in attack.decoys} == {probe.prompt for probe in attack.asked}
    torch.manual_seed(1)
    first = rows_of(loaded("gpt2"), [name])
    torch.manual_seed(2)
    assert rows_of(loaded("gpt2"), [name]) == first
    (row,) = first
    assert (row.attack, row.name, row.explained) == (name, attack.title, ATTACKS[name].explained)
    assert row.greedy_facts.total == len({probe.target for probe in attack.asked}) > 0
    assert row.exposed.total == row.greedy_facts.total
    assert row.decoys.total == len({probe.target for probe in attack.decoys})
    (worst,) = (level for level in row.curve if row.worst in (level.level, f"{level.series}, {level.level}"))
    assert (row.greedy_facts, row.exposed, row.decoys) == (worst.greedy_facts, worst.exposed, worst.decoys)
    assert row.worst_case_bits_median == worst.worst_case_bits_median
    assert name == "linear-probe" or row.worst_case_bits_median > 0
    assert name == "linear-probe" or row.greedy_facts.rate == max(one.greedy_facts.rate for one in row.curve)
    assert len({(level.series, level.level) for level in row.curve}) == len(row.curve)


@every_attack
def test_it_names_nobody_and_no_secret(loaded, name):
    (row,) = rows_of(loaded("gpt2"), [name])
    written = row.model_dump_json()
    assert not [part for one in ERASED for part in (one.target.subject, one.target.answer) if part in written]


@every_attack
def test_of_nobody_it_is_not_tested_and_says_why(loaded, name):
    (row,) = rows_of(loaded("gpt2"), [name], erased=[])
    assert (row.greedy_facts.total, row.worst_case_bits_median, row.curve) == (0, None, ())
    assert row.untested
    told = list(untested_attacks([row]))
    assert ATTACKS[name].untested in told if ATTACKS[name].untested else ATTACKS[name].column in told[-1]


@every_attack
def test_its_entry_has_words_and_one_seed_draws_it(name):
    entry = ATTACKS[name]
    assert entry.name == name
    assert entry.column
    assert entry.explained[0].islower()
    assert entry.make().title
    assert with_seed(entry.make(), 0) == with_seed(entry.make(), 0)


def test_what_was_tested_is_no_residual_risk(loaded):
    rows = rows_of(loaded("gpt2"), ATTACKS)
    assert [row.attack for row in rows] == list(ATTACKS)
    assert list(untested_attacks(rows)) == []
    assert any("Relearning" in text for text in untested_attacks(()))


def test_quick_ones_are_made_where_nothing_is_said():
    assert [one.attack for one in prepare_attacks(CASE, ERASED)] == list(attacks_at("quick"))
    assert set(attacks_at("quick")) <= set(attacks_at("full")) == set(ATTACKS)
    assert attacks_at("none") == ()
    assert all(attacks_at(one) is not None for one in ATTACK_SETS)


def test_one_person_alone_cannot_be_relearned(loaded):
    (row,) = rows_of(loaded("gpt2"), ["relearning"], erased=ERASED[:2])
    assert row.greedy_facts.total == 0
    assert "two erased people" in row.untested


def test_a_merge_without_the_original_is_not_tested(loaded):
    case = make_case()
    (row,) = attack_rows(case, loaded("gpt2"), prepare_attacks(case, ERASED, ["merging"]), Silent())
    assert (row.greedy_facts.total, row.untested) == (0, "the original model's weights are not at hand")


def test_a_broken_model_is_no_leak(loaded):
    """All that is left of it is zeros: where every token is as good as any other, decoys are said as facts are."""
    model = loaded("gpt2")
    names = {name for name, _ in model.model.named_parameters()}

    def broken_and_whole(attacked):
        with preserved(attacked.model, names):
            for weight in attacked.model.parameters():
                weight.data.zero_()
            yield Level(name="broken")
        yield Level(name="whole")

    (attack,) = prepare_attacks(CASE, ERASED, ["bf16"], DECOYS)
    row = replace(attack, levels=broken_and_whole).measure(Attacked(loaded=model), CASE.policy)
    broken, whole = row.curve
    assert broken.greedy_facts.rate == broken.decoys.rate == 1
    assert (row.worst, row.greedy_facts) == ("whole", whole.greedy_facts)
