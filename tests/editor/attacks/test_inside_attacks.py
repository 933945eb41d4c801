"""Attacks that look inside: what they read, what they compare it with, and what their figures are."""

from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from attack_grounds import CASE, DECOYS, ERASED, FACTS, make_case
from tokenizing import VOCABULARY

from dictionaries.model.sites import Site
from editor.attacks import linear_probe
from editor.attacks.activation_patching import ActivationPatching
from editor.attacks.attack import Attacked
from editor.attacks.ground import Ground
from editor.attacks.half_relearning import HalfRelearning
from editor.attacks.invented_names import InventedNames
from editor.attacks.layers import NO_LAYERS, residual_sites
from editor.attacks.linear_probe import LinearProbe
from editor.attacks.logit_lens import LogitLens
from editor.attacks.paraphrase_relearning import ParaphraseRelearning
from editor.attacks.running import attack_rows, prepare_attacks
from editor.edits.edit import preserved
from editor.measuring.aggregate import score_probes
from editor.progress import Silent
from editor.questions.asking import encode_probes

GROUND = Ground(case=CASE, erased=tuple(ERASED))
LAST = {"llama": ("self_attn.o_proj", "mlp.down_proj"), "gpt2": ("attn.c_proj", "mlp.c_proj")}
"""What the layers of a family write to the residual stream with."""


@contextmanager
def changed(model, names, change):
    """Change parameters inside the block."""
    with preserved(model, set(names)):
        for name in names:
            weight = model.get_parameter(name)
            weight.copy_(change(weight))
        yield


@contextmanager
def edited(loaded):
    """Edit one weight of the first layer and one of the second; yield the model as an attack gets it."""
    model = loaded.model
    original = {name: value.detach().clone() for name, value in model.named_parameters()}
    noise = torch.Generator().manual_seed(5)
    names = [f"model.layers.{layer}.mlp.down_proj.weight" for layer in (0, 1)]
    with (
        torch.no_grad(),
        changed(model, names, lambda weight: weight + torch.randn(weight.shape, generator=noise)),
    ):
        yield Attacked(loaded=loaded, original=original.__getitem__)


def patched(attacked, **settings):
    """The row of activation patching."""
    prepared = replace(ActivationPatching(**settings).prepare("x", GROUND), decoys=tuple(DECOYS))
    return prepared.measure(attacked, CASE.policy)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_the_lens_says_what_a_model_without_the_later_layers_says(loaded, family):
    model = loaded(family)
    prefix = {"llama": "model.layers", "gpt2": "transformer.h"}[family]
    read = {}
    for level in LogitLens().levels(Attacked(loaded=model)):
        read[level.amount] = score_probes(model, ERASED, CASE.policy.decoding)
    (lens,) = read.values()
    assert list(read) == [0]
    writes = [
        name
        for name, _ in model.model.named_parameters()
        if name.startswith(f"{prefix}.1.") and any(part in name for part in LAST[family])
    ]
    with torch.no_grad(), changed(model.model, writes, torch.zeros_like):
        cut = score_probes(model, ERASED, CASE.policy.decoding)
    plain = score_probes(model, ERASED, CASE.policy.decoding)
    assert np.allclose(lens.scores.log_probability, cut.scores.log_probability, atol=1e-3)
    assert not np.allclose(lens.scores.log_probability, plain.scores.log_probability, atol=1e-1)


def test_layers_are_taken_at_even_distances_and_one_alone_is_no_earlier_one(loaded):
    model = loaded("llama").model
    assert residual_sites(model, last=True) == [Site(0, "resid_post"), Site(1, "resid_post")]
    assert residual_sites(model, last=False) == [Site(0, "resid_post")]
    assert residual_sites(model, 1, last=True) == [Site(1, "resid_post")]
    (row,) = attack_rows(
        CASE,
        SimpleNamespace(model=torch.nn.Linear(2, 2)),
        prepare_attacks(CASE, ERASED, ["logit-lens"]),
        Silent(),
    )
    assert row.untested == NO_LAYERS


def naive_losses(attacked, probe, name):
    """Δ of the edited model's states and of the control's, by layer, with plain hooks on one text at a time."""
    loaded, model = attacked.loaded, attacked.loaded.model
    (own,) = encode_probes(loaded, [probe])
    (other,) = encode_probes(
        loaded, [replace(probe, prompt=probe.prompt.replace(probe.target.subject, name))]
    )
    tokens = sum(own.marked)

    def run(sequence, hook=None, layer=0):
        handle = model.model.layers[layer].register_forward_hook(hook) if hook else None
        found = model(input_ids=torch.tensor([sequence.ids]))
        if handle:
            handle.remove()
        log_p = found.logits[0, -tokens - 1 : -1].log_softmax(-1)
        targets = torch.tensor(sequence.ids[-tokens:])
        return found, float(log_p.gather(1, targets[:, None]).mean())

    def states(sequence):
        """After each layer, where the answer's tokens are predicted."""
        taken = []
        handles = [
            layer.register_forward_hook(lambda _, __, output: taken.append(_first(output).clone()))
            for layer in model.model.layers
        ]
        run(sequence)
        for handle in handles:
            handle.remove()
        return [one[0, -tokens - 1 : -1] for one in taken]

    def put(rows):
        def hook(_, __, output):
            stream = _first(output).clone()
            stream[0, -tokens - 1 : -1] = rows
            return (stream, *output[1:]) if isinstance(output, tuple) else stream

        return hook

    with torch.no_grad():
        from_edited = states(own)
        original = {name: attacked.original(name) for name, _ in model.named_parameters()}
        with preserved(model, set(original)):
            for parameter, value in original.items():
                model.get_parameter(parameter).copy_(value)
            from_nobody, (_, before) = states(other), run(own)
            return [
                [before - run(own, put(rows), layer)[1] for layer, rows in enumerate(source)]
                for source in (from_edited, from_nobody)
            ]


def _first(output):
    return output[0] if isinstance(output, tuple) else output


def test_depth_is_the_published_formula(loaded):
    """By plain hooks, text by text: the formula of arXiv:2605.24614, control's states those of an invented person."""
    model = loaded("llama")
    names = InventedNames(0).instead_of(sorted(GROUND.people), GROUND.people)
    with edited(model) as attacked:
        row = patched(attacked)
        scores, shares, at_first = {}, [], []
        with torch.no_grad():
            original = {name: attacked.original(name) for name, _ in model.model.named_parameters()}
            with preserved(model.model, set(original)):
                for name, value in original.items():
                    model.model.get_parameter(name).copy_(value)
                said = score_probes(model, ERASED, CASE.policy.decoding).scores.log_probability
        for probe, log_p in zip(ERASED, said, strict=True):
            if log_p > scores.get(probe.target, (-np.inf, None))[0]:
                scores[probe.target] = (log_p, probe)
        for _, probe in scores.values():
            lost, control = naive_losses(attacked, probe, names[probe.target.subject])
            carried = [layer for layer, loss in enumerate(control) if loss > 0.05]
            if carried:
                erased = sum(min(max(lost[layer], 0), control[layer]) for layer in carried)
                shares.append(erased / sum(control[layer] for layer in carried))
            if control[0] > 0.05:
                at_first.append(min(max(lost[0] / control[0], 0), 1))
    assert shares
    assert row.depth == pytest.approx(np.mean(shares), abs=1e-3)
    assert 0 < row.depth < 1
    first, second, together = row.curve
    assert (first.level, second.level, together.level, row.worst) == (
        "layer 0",
        "layer 1",
        *["all layers"] * 2,
    )
    assert first.depth == (pytest.approx(np.mean(at_first), abs=1e-3) if at_first else None)
    assert together.depth == row.depth


def test_what_is_not_edited_has_no_depth_and_what_equals_the_reference_has_all(loaded):
    model = loaded("llama")
    original = dict(model.model.named_parameters()).__getitem__
    whole = patched(Attacked(loaded=model, original=original))
    assert whole.depth == pytest.approx(0, abs=1e-3)
    with edited(model) as attacked:
        reference = replace(model, model=deepcopy(model.model))
        gone = patched(replace(attacked, reference=reference))
    assert gone.depth == pytest.approx(1, abs=1e-3)
    assert gone.greedy_facts.hits == gone.exposed.hits == 0


def test_patching_needs_the_original_and_names_to_exchange(loaded):
    row = patched(Attacked(loaded=loaded("llama")))
    assert row.untested == "the original model's weights are not at hand"
    nameless = [replace(probe, prompt="The number is") for probe in ERASED]
    prepared = ActivationPatching().prepare("x", Ground(case=CASE, erased=tuple(nameless)))
    assert (prepared.asked, prepared.reason) == ((), "no question names its subject")
    few = ActivationPatching(facts=2).prepare("x", GROUND)
    assert len({probe.target for probe in few.asked}) == 2


def read_planted(known, layers=(1,)):
    """A stand-in for the reading of states: of `layers` they say what comes next in what is known, else nothing."""

    def read(_, sequences, sites):
        noise = np.random.default_rng(len(sequences))
        for site in sites:
            rows = []
            for one in sequences:
                for token in (token for token, marked in zip(one.ids, one.marked, strict=True) if marked):
                    rows.append(0.02 * noise.standard_normal(VOCABULARY))
                    rows[-1][token] += site.layer in layers and one.ids in known
            yield {site: np.array(rows, dtype=np.float32)}

    return read


@pytest.mark.parametrize("still_there", [True, False])
def test_a_probe_finds_what_states_still_know(loaded, monkeypatch, still_there):
    model = loaded("llama")
    probes = [one for one in CASE.probes if not one.is_erased or still_there]
    known = {sequence.ids for sequence in encode_probes(model, probes)}
    monkeypatch.setattr(linear_probe, "read_neurons", read_planted(known))
    prepared = replace(LinearProbe().prepare("x", GROUND), decoys=tuple(DECOYS))
    row = prepared.measure(Attacked(loaded=model), CASE.policy)
    assert row.greedy_facts.total == row.decoys.total == FACTS
    assert row.decoys.hits <= 1  # few decoys draw the line, and a share of them may lie above it
    if still_there:
        assert row.greedy_facts.hits == row.exposed.hits == FACTS
    else:
        assert row.greedy_facts.hits < FACTS / 2
    assert row.worst.startswith("layer 1 (tells 100%")
    assert row.worst_case_bits_median is None
    assert [level.amount for level in row.curve] == [0, 1]


def test_a_probe_is_trained_on_nothing_of_the_erased_people():
    lessons = LinearProbe().lessons(GROUND)
    erased = {probe.target.answer for probe in ERASED}
    assert {probe.target.group for probe in lessons} == {"others", "decoys"}
    assert not {probe.target.answer for probe in lessons} & erased
    assert not {probe.target.subject for probe in lessons} & GROUND.people


def test_both_forms_of_a_probe_are_the_same_map():
    x, y = (np.random.default_rng(0).standard_normal((9, width)) for width in (5, 3))
    wide = np.concatenate([x, np.zeros((9, 20))], axis=1)
    assert np.allclose(linear_probe._ridge(x, y), linear_probe._ridge(wide, y)[:5])


def test_a_probe_needs_two_people_to_train_on():
    alone = make_case(kept={})
    prepared = LinearProbe().prepare("x", Ground(case=alone, erased=tuple(ERASED)))
    assert prepared.asked == ()
    assert "two other people" in prepared.reason


def test_paraphrases_are_of_half_of_the_facts_in_words_that_they_were_not_asked_in():
    settings = {"seed": 1, "ranks": (0,), "rates": (1e-3,), "marks": (1,)}
    half, other = (one(**settings).prepare("x", GROUND) for one in (HalfRelearning, ParaphraseRelearning))
    assert other.asked == half.asked
    taught, asked = ParaphraseRelearning(**settings).halves(ERASED)
    lessons = ParaphraseRelearning(**settings).lessons(GROUND, taught)
    assert {probe.target for probe in lessons} == taught
    assert not {probe.prompt for probe in lessons} & {probe.prompt for probe in ERASED}
    secrets = {target.answer for target in asked}
    assert not [one for one in lessons if one.target.answer in secrets or secrets & set(one.prompt.split())]
    assert all(probe.target.subject in probe.prompt for probe in lessons)
    assert len(lessons) > 2 * len(taught)
