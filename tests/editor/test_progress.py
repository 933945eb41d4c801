"""The steps of a fit are told to whoever asks for them, and to nobody else."""

import pytest
from problems import make_problem

from editor.methods import METHODS
from editor.methods.shared.searching import steps_of, with_settings
from editor.progress import tell_step, told_steps


def test_steps_are_told_inside_the_block_alone():
    told = []
    tell_step()
    with told_steps(told.append):
        tell_step()
        tell_step()
    tell_step()
    assert told == [1, 1]


def test_a_block_inside_another_hears_its_own():
    outer, inner = [], []
    with told_steps(outer.append):
        with told_steps(inner.append):
            tell_step()
        tell_step()
    assert (outer, inner) == ([1], [1])


def test_a_fit_tells_as_many_steps_as_it_has(loaded):
    method = with_settings(METHODS["npo-lora"].make(), {"steps": 2})
    told = []
    with told_steps(told.append):
        method.fit(make_problem(loaded("gpt2")))
    assert sum(told) == steps_of(method, None) == 2


@pytest.mark.parametrize("name", ["memit", "neuron-kn", "feature-literal"])
def test_what_is_no_descent_tells_none(name):
    assert steps_of(METHODS[name].make(), None) is None


def test_a_fit_that_goes_on_has_fewer_steps():
    method = METHODS["feature-edit"].make()
    assert steps_of(method, object()) == method.warm_start_steps < method.steps == steps_of(method, None)
