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
    nodes, curve = study._node_tables(setting, 0)
    assert len(nodes.rows) == 10
    assert curve.rows[-1][-1] == pytest.approx(1.0, abs=1e-4)
    assert all(len(row) == len(table.columns) for table in (nodes, curve) for row in table.rows)
