"""What is checked of a request before a model is loaded: its files, its dictionaries, the disk."""

from pathlib import Path

from detectors import check_types, read_corpus, read_facts
from editor.api.called import check_called
from editor.api.planning.disk import check_disk, needed_bytes
from editor.api.requests import CaseRequest, DictionaryRequest
from editor.questions.written import read_probes
from policies import ErasureRequest, Policy, load_policy, load_request


def check_inputs(request: CaseRequest) -> None:
    """Refuse what would be refused once the model is loaded or the corpus searched, as far as that shows by then.

    Raises:
        CorpusError: a file is missing or cannot be read, or a line of it cannot be used.
        PolicyError: the policy, or a request, cannot be used.
        DictionaryError: the dictionaries are missing, or of no known format.
        OutputError: the disk has no room for the output, or what the run is called names a data subject.
    """
    policy = request.policy if isinstance(request.policy, Policy) else load_policy(request.policy)
    asked = [_read_request(one) for one in (request.request, *request.also_erased) if one is not None]
    for one in asked:
        if request.facts is None:
            check_types(one, policy)
    check_called(request, asked, policy)
    if request.facts is not None:
        for _ in read_facts(Path(request.facts)):
            pass
    if request.corpus is not None:
        read_corpus(request.corpus)
    if request.probes is not None:
        read_probes(Path(request.probes))
    if request.detector_quality is not None:
        from detectors.quality import read_quality

        read_quality(Path(request.detector_quality))
    if isinstance(request, DictionaryRequest) and request.dictionary is not None:
        from dictionaries.formats import find_dictionaries

        find_dictionaries(request.dictionary)
    if request.output is not None:
        check_disk(Path(request.output), needed_bytes(request))


def _read_request(request: "str | Path | ErasureRequest") -> ErasureRequest:
    return request if isinstance(request, ErasureRequest) else load_request(Path(request))
