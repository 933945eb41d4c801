"""Dictionary features, knowledge neurons and privacy neurons: scores, and how complete they are."""

from dataclasses import asdict

from editor.locators.features import Attribution
from editor.locators.finding import Finding
from editor.locators.knowledge_neurons import KnowledgeNeurons
from editor.locators.privacy_neurons import PrivacyNeurons
from editor.locators.problem import EditProblem
from editor.locators.settings import flattened


def find_features(problem: EditProblem, seed: int) -> Finding:  # noqa: ARG001
    """Tell what the problem's dictionaries were attributed."""
    found = problem.attribution
    return Finding(attribution=found, settings={}, sentences=(say_completeness(found),))


def find_knowledge_neurons(problem: EditProblem, seed: int) -> Finding:  # noqa: ARG001
    """Locate knowledge neurons (Dai et al. 2022)."""
    return _find(problem, KnowledgeNeurons())


def find_privacy_neurons(problem: EditProblem, seed: int) -> Finding:  # noqa: ARG001
    """Locate privacy neurons (DEPN, Wu et al. 2023)."""
    return _find(problem, PrivacyNeurons())


def say_completeness(attribution: Attribution) -> str:
    """Say how much of the effect the scores explain together."""
    return f"Completeness {attribution.completeness:.2f}: all scores together over what zeroing changes; 1 is complete."


def _find(problem: EditProblem, locator: KnowledgeNeurons | PrivacyNeurons) -> Finding:
    found = problem.located(locator)
    return Finding(
        attribution=found, settings=flattened(asdict(locator)), sentences=(say_completeness(found),)
    )
