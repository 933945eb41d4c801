import pytest

from detectors import Register
from policies import load_policy


@pytest.fixture(scope="session")
def gdpr():
    return load_policy("gdpr")


@pytest.fixture(scope="session")
def engine(gdpr):
    """One engine for all tests: importing Presidio takes seconds."""
    from detectors.engine import Engine

    return Engine(gdpr, Register())
