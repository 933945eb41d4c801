"""The facts that an erasure request is about."""

from detectors.extract import DetectionResult
from detectors.fact import Fact
from policies import ErasureRequest, Policy
from policies.errors import PolicyError, SubjectError


def facts_in_scope(
    result: DetectionResult, request: ErasureRequest | None, policy: Policy
) -> tuple[Fact, ...]:
    """Return the facts of the request's subjects and entity types; all people's where there is no request.

    What nothing links to anybody is in nobody's scope.

    Args:
        result: result of `detect_facts` with the same request, so that aliases are known.
        request: the request that says whose data must go, or None.
        policy: the policy that detection used.

    Raises:
        SubjectError: a subject of the request is nowhere in the corpus; named by number, not by name.
        PolicyError: the request asks for an entity type that the policy does not cover.
    """
    if request is None:
        return result.facts
    missing = [
        str(number)
        for number, subject in enumerate(request.subjects, start=1)
        if not result.mentions.get(subject.name)
    ]
    if missing:
        raise SubjectError(
            f"Nothing in the corpus is about data subject {' and '.join(missing)} "
            f"of the {len(request.subjects)} in request {request.case}",
            "Check the spelling of the name, or add the form that the corpus uses as an alias",
        )
    check_types(request, policy)
    names = {subject.name for subject in request.subjects}
    types = set(request.entity_types or policy.entities)
    return tuple(fact for fact in result.facts if fact.subject in names and fact.entity_type in types)


def check_types(request: ErasureRequest, policy: Policy) -> None:
    """Refuse a request for entity types that the policy does not look for.

    Raises:
        PolicyError: it asks for one.
    """
    uncovered = sorted({*(request.entity_types or ()), *request.secret_types} - set(policy.entities))
    if uncovered:
        raise PolicyError(
            f"Request {request.case} asks for {', '.join(uncovered)}, not covered by policy {policy.name}",
            "Add the entity type to the policy, or remove it from the request",
        )
