"""Detection: the personal facts in a corpus."""

from dataclasses import dataclass, field
from pathlib import Path

from detectors import DetectionResult, Fact, detect_facts, facts_in_scope, read_corpus, write_facts
from editor.api.requests import DetectRequest
from editor.api.running import read_policy, read_request, show_stages
from policies.errors import OutputError


@dataclass(frozen=True, kw_only=True)
class Detected:
    """What detection found.

    Attributes:
        facts: Facts in scope; their secrets are masked in every repr.
        everybody: Whether everybody's facts are in scope.
        result: All that was found, with the coverage and what was not wholly scanned.
    """

    facts: tuple[Fact, ...] = field(repr=False)
    everybody: bool
    result: DetectionResult = field(repr=False)

    @property
    def unlinked(self) -> tuple[Fact, ...]:
        """Facts about people who are not named, written where everybody's are."""
        return self.result.unlinked_facts if self.everybody else ()

    @property
    def nobodys(self) -> bool:
        """Whether secrets were found and not one of them could be linked to a person."""
        return not self.result.facts and bool(self.result.unlinked)

    @property
    def incomplete(self) -> bool:
        """Whether something was skipped, or all that was found is nobody's."""
        return bool(self.result.skipped) or self.nobodys


def run_detect(request: DetectRequest) -> Detected:
    """Find the facts of everybody, or of the people in scope, and write them where a file was named."""
    output = None if request.output is None else Path(request.output)
    if output is not None:
        check_file(output, overwrite=request.overwrite)
    policy, whom = read_policy(request.policy), read_request(request.request, tuple(request.subjects))
    documents, stages = read_corpus(Path(request.corpus)), show_stages(request)
    with stages.stage("Reading the corpus") as advance:
        total = 0
        for _ in documents:
            total += 1
            advance(1)
    with stages.stage("Finding personal facts", total) as advance:
        result = detect_facts(
            documents, policy, whom, processes=request.processes, on_document=lambda: advance(1)
        )
    detected = Detected(facts=facts_in_scope(result, whom, policy), everybody=whom is None, result=result)
    if output is not None:
        check_file(output, overwrite=request.overwrite)
        write_facts(output, (*detected.facts, *detected.unlinked))
    return detected


def check_file(output: Path, *, overwrite: bool) -> None:
    """Refuse before the work begins what could not be written after it.

    Raises:
        OutputError: a folder, a file that exists, or a place in no folder.
    """
    if output.is_dir():
        raise OutputError(f"The output {output} is a folder", "Give the path of a file, such as facts.jsonl")
    if output.exists() and not overwrite:
        raise OutputError(f"The file {output} exists already", "Give another path, or add --overwrite")
    if not output.parent.is_dir():
        raise OutputError(f"There is no folder {output.parent}", "Create it, or give another path")
