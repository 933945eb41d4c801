"""What a run is called: its case, its command, its paths, who answers for it. Every report repeats these.

So no name, alias or secret of the case may stand in them. That is found out before the work, not by the scan of what
was written after it.
"""

from collections.abc import Iterable, Iterator

from editor.api.read_paths import read_paths
from editor.api.requests import CaseRequest
from editor.artefacts.scanner import SecretScanner
from policies import ErasureRequest, Policy
from policies.errors import OutputError


def check_called(request: CaseRequest, asked: Iterable[ErasureRequest], policy: Policy) -> None:
    """Refuse a run whose words hold a name or an alias of a data subject, as far as requests know them.

    Args:
        request: what was asked.
        asked: erasure requests of the run, earlier ones too.
        policy: policy of the run.

    Raises:
        OutputError: they do. The word is named by what it is, the person by number.
    """
    asked = tuple(asked)
    people = [(subject.name, *subject.aliases) for one in asked for subject in one.subjects]
    people += [(name,) for name in request.subjects]
    labels = {
        name: f"a name of data subject {number}"
        for number, names in enumerate(people, start=1)
        for name in names
    }
    check_words(request, SecretScanner(labels), policy, asked)


def check_words(
    request: CaseRequest, scanner: SecretScanner, policy: Policy, asked: Iterable[ErasureRequest] = ()
) -> None:
    """Refuse a run whose words hold anything that a scanner looks for.

    Args:
        request: what was asked.
        scanner: finds names, aliases and secrets.
        policy: policy of the run.
        asked: erasure requests of the run.

    Raises:
        OutputError: they do. What was found is named by its label.
    """
    for what, word in _words(request, policy, asked):
        label = scanner.find(word)
        if label is not None:
            raise OutputError(
                f"{what} holds {label}, and reports repeat it",
                "Call it something that says nothing of the person",
            )


def _words(
    request: CaseRequest, policy: Policy, asked: Iterable[ErasureRequest]
) -> Iterator[tuple[str, str]]:
    for one in asked:
        yield "The identifier of a request (`case`)", one.case
    yield "The name of the policy", policy.name
    yield "The description of the policy", policy.description
    yield "The command", request.command or request.call_text("")
    yield "The name of who answers for the run", getattr(request, "operator", None) or ""
    for path in read_paths(request):
        yield "A path that the run is given", str(path)
