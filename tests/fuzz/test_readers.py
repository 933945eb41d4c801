"""No reader crashes on mutated input, hangs, or writes elsewhere: a few inputs of each, the same in every run.

`make fuzz` tries many more.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.reader import copied
from fuzz.readers import readers
from fuzz.trying import Tally, Watch, try_input

EXAMPLES = 6
HEALTHY = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large)


@pytest.fixture(scope="module")
def watch():
    return Watch()


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    return tmp_path_factory.mktemp("seeds")


@pytest.mark.parametrize("reader", readers(), ids=lambda reader: reader.name)
def test_mutated_input_is_read_or_refused(reader, seeds, watch, tmp_path):
    assert copied(reader, seeds, tmp_path / "whole")
    reader.read(tmp_path / "whole")

    @settings(
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=max(1, round(EXAMPLES * reader.weight)),
        suppress_health_check=HEALTHY,
    )
    @given(chance=st.randoms(use_true_random=False))
    def tried(chance):
        tally = Tally()
        try_input(reader, 0, seeds, tmp_path, chance, tally, watch)
        assert not tally.crashes
        assert not tally.hangs
        assert not tally.outside

    tried()
