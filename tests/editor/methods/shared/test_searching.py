"""Search spaces: what a search varies is there in every method, and a step moves the strength."""

import pytest

from editor.methods import METHODS
from editor.methods.shared.searching import setting, with_settings


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_its_own_settings_searched(name):
    method = METHODS[name].make()
    space = METHODS[name].make().space
    for setting_name, value in space.values(method).items():
        allowed = space.ranges[setting_name]
        assert allowed.low <= value <= allowed.high
        assert setting(with_settings(method, {setting_name: allowed.low}), setting_name) == allowed.low
        assert with_settings(method, {setting_name: value}) == method


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("stronger", [True, False])
def test_a_step_moves_the_strength_and_nothing_else_and_stays_in_range(name, stronger):
    method = METHODS[name].make()
    space = METHODS[name].make().space
    moved = space.moved(method, stronger=stronger)
    before, after = space.values(method), space.values(moved)
    assert (after[space.strength] > before[space.strength]) is stronger
    assert {n: v for n, v in after.items() if n != space.strength} == {
        n: v for n, v in before.items() if n != space.strength
    }
    for _ in range(30):
        moved = space.moved(moved, stronger=stronger)
    allowed = space.ranges[space.strength]
    assert setting(moved, space.strength) == (allowed.high if stronger else allowed.low)


def test_what_a_method_lacks_is_named():
    with pytest.raises(AttributeError, match="nonsense"):
        with_settings(METHODS["npo-lora"].make(), {"nonsense": 1.0})
