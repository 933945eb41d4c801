"""Node attribution: equal to finite differences, complete over the inputs, confirmed by exact patching."""

from dataclasses import replace

import pytest
import torch
from family_models import FAMILIES, family
from people import ASKED, OTHERS

from dictionaries.model.sites import capture, intercepted
from editor.locators.blocks import Node, all_nodes
from editor.locators.faithfulness import Faithfulness, faithfulness
from editor.locators.features import objective
from editor.locators.nodes import NodeAttribution, NodeScores, exact_effects, patched_values
from editor.locators.pairs import PromptPair, make_pairs
from editor.model.tokens import collate, encode_answer
from policies.errors import CorpusError


def pair(loaded, index=0):
    """The same answer after two prompts of the same length."""
    prompts = ("The phone number of Ada Quill is", "The phone number of Ada Finch is")
    clean, corrupt = (encode_answer(loaded.tokenizer, p, "415-555-0132", index, 96) for p in prompts)
    assert len(clean.ids) == len(corrupt.ids)
    assert clean.marked == corrupt.marked
    return PromptPair(clean=clean, corrupt=corrupt)


@pytest.mark.parametrize("name", FAMILIES)
def test_scores_equal_central_finite_differences(name):
    """Every node moved along (clean - corrupt) at each point of the path, one by one, in float64."""
    loaded = family(name, torch.float64)
    found = NodeAttribution(steps=2, confirm=0).fit(loaded, [pair(loaded)])
    numeric = {node: numeric_score(loaded, pair(loaded), node, steps=2) for node in all_nodes(loaded.model)}
    for node, value in numeric.items():
        assert found.raw[node] == pytest.approx(value, rel=1e-3), str(node)


def numeric_score(loaded, one, node, steps, step=1e-3):
    """The score of one node as its definition reads, by moving its output."""
    model = loaded.model
    clean, corrupt = (collate([s], pad=0, device=loaded.device) for s in (one.clean, one.corrupt))
    taken = []
    for batch in (clean, corrupt):
        with torch.no_grad(), capture(model, [node.site], keys=False) as found:
            model(**batch.inputs)
        taken.append(found.outputs[node.site].clone())
    change = (taken[0] - taken[1]).unflatten(-1, (1 if node.is_mlp else 4, -1))
    push = torch.zeros_like(change)
    push[..., node.unit, :] = change[..., node.unit, :]
    push = push.flatten(-2)
    embed = model.get_input_embeddings()
    ends = [embed(batch.inputs["input_ids"]) for batch in (corrupt, clean)]
    total = 0.0
    for point in range(steps):
        value = torch.lerp(*ends, (point + 0.5) / steps)
        handle = embed.register_forward_hook(lambda *_, value=value: value)
        try:
            with torch.no_grad():
                sides = []
                for sign in (1, -1):
                    with intercepted(model, node.site, lambda out, sign=sign: out + sign * step * push):
                        sides.append(float(objective(model, clean)))
        finally:
            handle.remove()
        total += (sides[0] - sides[1]) / (2 * step)
    return total / steps


@pytest.mark.parametrize("name", FAMILIES)
def test_the_embeddings_scores_are_complete(name):
    loaded = family(name)
    steps = 64 if name == "gemma2" else 32
    found = NodeAttribution(steps=steps, confirm=0).fit(loaded, [pair(loaded)])
    assert found.completeness == pytest.approx(1.0, abs=0.02)
    assert found.attribution().completeness == pytest.approx(found.completeness, rel=1e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_patching_everything_gives_the_corrupt_objective_and_nothing_the_clean(name):
    loaded = family(name)
    found = NodeAttribution(steps=1, confirm=0).fit(loaded, [pair(loaded)])
    clean, corrupt = patched_values(loaded, [pair(loaded)], [(), all_nodes(loaded.model)])
    assert clean - corrupt == pytest.approx(found.total_effect, rel=1e-4)


@pytest.mark.parametrize("name", ["gpt2", "phi3"])
def test_the_best_nodes_are_patched_exactly_and_refuted_ones_fall(name):
    loaded = family(name)
    pairs = [pair(loaded, 0), replace(pair(loaded, 1), corrupt=pair(loaded, 1).clean)]
    found = NodeAttribution(confirm=0.5).fit(loaded, pairs)
    assert len(found.exact) == 5
    assert found.exact == exact_effects(loaded, pairs, list(found.exact))
    for node, effect in found.exact.items():
        with torch.no_grad():
            clean, value = patched_values(loaded, pairs, [(), (node,)])
        assert effect == pytest.approx(clean - value, abs=1e-5)
        assert found.scores[node] == (found.raw[node] if effect > 0 else effect)
    refuted = NodeScores(
        raw={Node(0, 0): 2.0, Node(0): 1.0}, exact={Node(0, 0): -0.1}, embedding=0.0, total_effect=1.0
    )
    assert refuted.ranking() == [Node(0), Node(0, 0)]
    assert refuted.circuit(0.01) == [Node(0)]


def test_pairs_ask_the_same_of_others_in_as_many_tokens():
    loaded = family("llama")
    pairs = make_pairs(loaded, ASKED, OTHERS)
    prompts = {p.prompt for p in OTHERS if p.target.relation == "PHONE_NUMBER"}
    for one in pairs:
        assert len(one.clean.ids) == len(one.corrupt.ids)
        first = one.clean.marked.index(True)
        assert one.clean.ids[first:] == one.corrupt.ids[first:]
        assert loaded.tokenizer.decode(one.corrupt.ids[1:first]).rstrip() in prompts
    assert [one.clean.index for one in pairs] == list(range(len(pairs)))
    assert make_pairs(loaded, ASKED, OTHERS) == pairs
    assert len(make_pairs(loaded, ASKED, OTHERS, count=1)) == 1
    with pytest.raises(CorpusError, match="as long as"):
        make_pairs(loaded, ASKED, OTHERS[3:])


def test_a_circuit_of_everything_is_faithful_and_the_areas_are_those_of_the_curve():
    loaded = family("gpt2")
    ranking = NodeAttribution().fit(loaded, [pair(loaded)]).ranking()
    curve = faithfulness(loaded, [pair(loaded)], ranking, sizes=(0.1, 0.5, 1.0))
    assert curve.nodes == (1, 5, 10)
    assert curve.values[-1] == pytest.approx(1.0, abs=1e-4)
    flat = Faithfulness(sizes=(0.5, 1.0), nodes=(1, 2), values=(1.0, 1.0))
    assert (flat.cpr, flat.cmd) == (0.75, 0.25)
    above = Faithfulness(sizes=(0.5, 1.0), nodes=(1, 2), values=(1.5, 1.0))
    assert (above.cpr, above.cmd) == (1.0, 0.5)


def test_nothing_is_left_behind():
    model = family("gemma2").model
    NodeAttribution().fit(family("gemma2"), [pair(family("gemma2"))])
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
