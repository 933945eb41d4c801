"""Detection: the personal facts in a corpus."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from detectors import DetectionResult, Fact, detect_facts, facts_in_scope, read_corpus, write_facts
from detectors.parts import Part, Search
from editor.api.folder_requests import DetectRequest
from editor.api.read_paths import read_paths
from editor.api.running import read_policy, read_request, show_stages
from editor.questions.requested import not_found
from policies.errors import OutputError, RequestError


@dataclass(frozen=True, kw_only=True)
class Detected:
    """What detection found.

    Attributes:
        facts: Facts in scope; their secrets are masked in every repr.
        everybody: Whether everybody's facts are in scope.
        result: All that was found, with the coverage and what was not wholly scanned.
        not_found: What the request asks for and was not found, in sentences.
    """

    facts: tuple[Fact, ...] = field(repr=False)
    everybody: bool
    result: DetectionResult = field(repr=False)
    not_found: tuple[str, ...] = ()

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
    """Find the facts of everybody, or of the people in scope, and write them where a file was named.

    With `world_size`, they are gathered from the parts that other processes searched (`run_part`).
    """
    output = None if request.output is None else Path(request.output)
    if output is not None:
        check_file(output, overwrite=request.overwrite, reads=read_paths(request))
    policy, whom = read_policy(request.policy), read_request(request.request, tuple(request.subjects))
    documents, stages = read_corpus(Path(request.corpus)), show_stages(request)
    search = None
    if output is not None and request.world_size is not None:
        search = Search(documents=documents, policy=policy, request=whom, output=output)
        with stages.stage("Gathering the parts"):
            result = search.gather(request.world_size)
    else:
        with stages.stage("Reading the corpus") as advance:
            total = 0
            for _ in documents:
                total += 1
                advance(1)
        with stages.stage("Finding personal facts", total) as advance:
            result = detect_facts(
                documents, policy, whom, processes=request.processes, on_document=lambda: advance(1)
            )
    detected = Detected(
        facts=facts_in_scope(result, whom, policy),
        everybody=whom is None,
        result=result,
        not_found=tuple(not_found(whom, policy, result.facts, ())),
    )
    if output is not None:
        check_file(output, overwrite=request.overwrite, reads=read_paths(request))
        write_facts(output, (*detected.facts, *detected.unlinked))
    if search is not None and request.world_size is not None:
        search.remove(request.world_size)
    return detected


def run_part(request: DetectRequest) -> int:
    """Search one part of a corpus and write it beside the facts file; return the number of documents searched.

    A part that is there already, of the same corpus, policy and request, is not searched again: 0.

    Raises:
        RequestError: no rank, or no output.
    """
    if request.rank is None or request.world_size is None or request.output is None:
        raise RequestError("No part was named", "Give a rank, a world size and an output")
    policy, whom = read_policy(request.policy), read_request(request.request, tuple(request.subjects))
    search = Search(
        documents=read_corpus(Path(request.corpus)), policy=policy, request=whom, output=Path(request.output)
    )
    part = Part(rank=request.rank, world_size=request.world_size)
    with show_stages(request).stage(
        f"Finding personal facts, part {part.rank} of {part.world_size}"
    ) as advance:
        return search.search(part, on_document=lambda: advance(1))


class DetectStep:
    """A step of a datatrove pipeline, whose executors run tasks on one machine, under Slurm or on Ray.

    Task `rank` of `world_size` searches its part of the corpus, whatever the pipeline hands on. Afterwards
    `run_detect` with the same request and `world_size` gathers the parts.

    It is no dataclass, because executors write the fields of those into their logs. For tasks of other machines they
    write it as a whole: name the people there in a request file, and give its path.

    Args:
        request: The search, without rank and world size.
    """

    def __init__(self, request: DetectRequest) -> None:
        self._request = request

    def __repr__(self) -> str:
        """Show the corpus alone."""
        return f"DetectStep({str(self._request.corpus)!r})"

    def __call__(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Any:
        """Search the part of a task, and hand the pipeline's documents on."""
        run_part(replace(self._request, rank=rank, world_size=world_size))
        return data


def check_file(output: Path, *, overwrite: bool, reads: Iterable[Path] = ()) -> None:
    """Refuse before the work begins what could not be written after it.

    Args:
        output: the file.
        overwrite: whether it is replaced where it exists.
        reads: paths of what the run reads; none of them is replaced.

    Raises:
        OutputError: a folder, a file that exists, what the run reads, or a place in no folder.
    """
    if output.is_dir():
        raise OutputError(f"The output {output} is a folder", "Give the path of a file, such as facts.jsonl")
    if any(path.exists() and output.exists() and path.samefile(output) for path in reads):
        raise OutputError(f"The output {output} is what the run reads", "Give another path")
    if output.exists() and not overwrite:
        raise OutputError(f"The file {output} exists already", "Give another path, or add --overwrite")
    if not output.parent.is_dir():
        raise OutputError(f"There is no folder {output.parent}", "Create it, or give another path")
