"""Settings that follow from a seed, or from a model's size."""

import pytest

from editor.methods import METHODS
from editor.methods.features.feature_edit import FeatureEdit
from editor.methods.shared.settings import LARGE, sized, with_seed
from editor.pipeline import EraseOptions


def test_a_large_model_gets_half_of_the_steps_and_no_controls():
    small, large = EraseOptions().sized(LARGE), EraseOptions().sized(LARGE + 1)
    assert small.method == FeatureEdit()
    assert small.controls is True
    assert large.method == FeatureEdit(steps=150, warm_start_steps=75)
    assert large.search.start == large.method
    assert large.controls is False


def test_what_was_asked_for_stays():
    method = FeatureEdit(steps=200)
    assert sized(method, 10**9) == method
    assert EraseOptions(method=method, controls=True).sized(10**9).controls is True
    assert EraseOptions(controls=False).sized(1).controls is False


@pytest.mark.parametrize("name", sorted(METHODS))
def test_every_method_may_be_sized_and_seeded(name):
    try:
        method = METHODS[name].make()
    except TypeError:
        pytest.skip("made of another method")
    assert type(sized(method, 10**9)) is type(method)
    assert type(with_seed(method, 3)) is type(method)
