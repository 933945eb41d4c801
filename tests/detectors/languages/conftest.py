import pytest

from detectors import Register
from detectors.languages.knowledge import knowledge_of, known_languages


@pytest.fixture(scope="session")
def everything():
    return knowledge_of(known_languages())


@pytest.fixture(scope="session")
def language_engine(gdpr):
    """The preset with another language."""
    from detectors.engine import Engine

    return lambda language: Engine(gdpr.model_copy(update={"language": language}), Register())
