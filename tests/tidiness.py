"""Every test begins alike and leaves nothing behind: what it leaves fails that test, and no other.

A file, a pipe or a process that nobody closed is told by Python once it is collected as garbage, which may be in
any later test. So garbage is collected after each test, and again when a file's own fixtures are gone. What was
there before the file, and what imports have made, is set aside, so that this takes little time.
"""

import gc
import logging
import os
import random
import signal
import socket
import sys
from pathlib import Path

import pytest

LOCAL = {None, "", "localhost", "127.0.0.1", "::1", socket.gethostname()}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """The same random numbers, whatever ran before."""
    random.seed(0)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(autouse=True, scope="module")
def _garbage_of_the_file():
    gc.freeze()
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def _garbage(_garbage_of_the_file):
    known = len(sys.modules)
    yield
    gc.collect()
    if len(sys.modules) > known:
        gc.freeze()


@pytest.fixture(autouse=True)
def _shared_state(_garbage):
    """What all tests of a process share is as it was. Libraries may add variables when they are imported."""
    before, variables = shared_state(), dict(os.environ)
    yield
    after = shared_state()
    assert not [name for name in before if after[name] != before[name]], "left changed"
    names = variables.keys() - {"PYTEST_CURRENT_TEST"}
    assert not [name for name in names if os.environ.get(name) != variables[name]], "variables left changed"


def shared_state():
    state = {
        "folder": Path.cwd(),
        "search path": list(sys.path),
        "signals": {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)},
        "level of logging": logging.getLogger().level,
        "logging is off": logging.root.manager.disable,
    }
    if torch := sys.modules.get("torch"):
        state |= {
            "threads": torch.get_num_threads(),
            "type of numbers": torch.get_default_dtype(),
            "gradients": torch.is_grad_enabled(),
            "determinism": torch.are_deterministic_algorithms_enabled(),
        }
    return state


@pytest.fixture(autouse=True)
def _no_network(_garbage):
    """Nobody is asked but this machine: whether others answer, and when, is chance."""
    asked = []
    look_up = socket.getaddrinfo

    def refuse(host, *arguments, **options):
        if host in LOCAL:
            return look_up(host, *arguments, **options)
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "tests have no network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", refuse)
        yield
    assert not asked
