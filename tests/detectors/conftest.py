import pytest

from detectors import Register
from detectors.languages.knowledge import knowledge_of, known_languages
from policies import load_policy


@pytest.fixture(scope="session")
def gdpr():
    return load_policy("gdpr")


@pytest.fixture(scope="session")
def engine(gdpr):
    """One engine for all tests: importing Presidio takes seconds."""
    from detectors.engine import Engine

    return Engine(gdpr, Register())


@pytest.fixture(scope="session")
def language_engine(gdpr):
    """Engines of the preset with other languages."""
    from detectors.engine import Engine

    return lambda language: Engine(gdpr.model_copy(update={"language": language}), Register())


@pytest.fixture(scope="session")
def everything():
    """What is known of all languages."""
    return knowledge_of(known_languages())
