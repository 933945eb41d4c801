"""The circuit study's code at toy size: every row has its columns, and no part moves what is not its own."""

from types import SimpleNamespace

import pytest
from family_models import family
from people import ASKED, people_problem

from editor.locators.blocks import block_weights
from editor.locators.circuit_parts import PARTS
from examples.studies.circuits import __main__ as study
from examples.studies.circuits.lab import Response


class Judge:
    def __init__(self):
        self.edits = []

    def respond(self, edit):
        self.edits.append(edit)
        return Response(facts=0.0, probes=0.0, others=1.0, same_subject=1.0, perplexity_rise=0.0)


@pytest.fixture
def setting():
    return SimpleNamespace(problem=people_problem(family("gpt2")), judge=Judge(), held_out=ASKED)


@pytest.mark.parametrize("locator", [study.NODES, study.MASK])
def test_rows_fit_their_columns(setting, locator):
    arguments = SimpleNamespace(densities=[0.5, 0.2], mask_steps=3)
    total = sum(weight.size for weight in block_weights(setting.problem.loaded.model))
    for density, masks in study._circuits(setting, locator, 0, arguments):
        rows = list(study._responses(setting, locator, 0, density, masks, 1))
        assert [row[3] for row in rows] == list(PARTS)
        assert all(len(row) == len(study.RESPONSES) for row in rows)
        circuit, complement, random = (row[4] for row in rows)
        assert circuit + complement == total
        assert random == circuit
        found = study._composition(setting, locator, 0, density, masks)
        assert all(len(row) == len(study.COMPOSITIONS) for row in found)
        assert sum(row[-1] for row in found) == pytest.approx(1.0)
    assert len(study._whole(setting, 0)) == len(study.RESPONSES)


def test_node_tables(setting):
    nodes, curve = study._node_rows(setting, 0)
    assert len(nodes) == 10
    assert curve[-1][-1] == pytest.approx(1.0, abs=1e-4)
    assert {len(row) for row in nodes} == {len(study.SCORES)}
    assert {len(row) for row in curve} == {len(study.CURVE)}


def test_seeds_are_summed_up_part_by_part():
    table = study.Table("t", ("seed", "part", "facts"), [(0, "a", 0.1), (1, "a", 0.3), (0, "b", 1.0)])
    found = study.over_seeds(table, ("part",), ("facts",))
    assert found.columns == ("part", "seeds", "facts", "facts least", "facts most")
    assert found.rows == [("a", 2, pytest.approx(0.2), 0.1, 0.3), ("b", 1, 1.0, 1.0, 1.0)]
