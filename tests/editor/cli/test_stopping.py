"""Being told to stop is Ctrl-C, whoever tells it, and what was ignored stays ignored."""

import signal

import pytest

from editor.cli.stopping import STOPPING, stopped_by_signals

NUMBERS = [getattr(signal, name) for name in STOPPING if hasattr(signal, name)]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_ends_the_block_and_means_afterwards_what_it_meant(number):
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt), stopped_by_signals():
        signal.raise_signal(number)
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("number", NUMBERS)
def test_a_signal_that_was_ignored_stays_so(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with stopped_by_signals():
            signal.raise_signal(number)
        assert signal.getsignal(number) == signal.SIG_IGN
    finally:
        signal.signal(number, before)
