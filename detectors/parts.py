"""The search of a corpus in parts, by processes that share nothing but a folder: on any machines, in any order.

Each process reads the names of the whole corpus and searches every `world_size`-th document. What it finds goes into a
file of its own, which appears when it is complete. Gathered in the documents' order, the parts give what one process
gives, byte for byte.
"""

import hashlib
import heapq
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from detectors.corpus import Document
from detectors.engine import Engine
from detectors.extract import Collector, DetectionResult, read_names
from detectors.fact import Source, write_private
from detectors.people import Register
from detectors.search import Finding, Findings, search_document
from policies import ErasureRequest, Policy
from policies.errors import CorpusError

PART_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a corpus.

    Attributes:
        rank: number of the part, from 0.
        world_size: number of parts.
    """

    rank: int
    world_size: int

    def path(self, output: Path) -> Path:
        """Return the part's file beside the facts file that it is for."""
        return output.with_name(f"{output.name}.part-{self.rank:05}-of-{self.world_size:05}")


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search that several processes share. Equal arguments give equal results in each of them.

    Attributes:
        documents: a `Corpus`, or documents that can be iterated over several times.
        policy: the policy, with entity types, thresholds and patterns.
        request: a request whose names and aliases are looked for.
        output: the facts file beside which the parts are written.
    """

    documents: Iterable[Document]
    policy: Policy
    request: ErasureRequest | None
    output: Path

    def search(self, part: Part, on_document: Callable[[], None] | None = None) -> int:
        """Search a part and write its file; return the number of documents searched, 0 where it is there already.

        Raises:
            CorpusError: a damaged corpus.
            PolicyError: the installed Presidio or spaCy lacks what the policy asks for.
            OutputError: the file cannot be written.
        """
        names, count = read_names(self.documents, self.request)
        header, path = self._header(part, names, count), part.path(self.output)
        if _header_of(path) == header:
            return 0
        engine, searched = Engine(self.policy, names), 0

        def records() -> Iterator[dict[str, Any]]:
            nonlocal searched
            yield header
            for number in range(part.rank, count, part.world_size):
                document = next(documents)
                findings = search_document(document, engine, names)
                searched += 1
                if findings.problems or findings.subjects or findings.found:
                    yield _record(number, findings)
                if on_document is not None:
                    on_document()

        documents = islice(self.documents, part.rank, None, part.world_size)
        write_private(path, records(), "part of a facts file")
        return searched

    def gather(self, world_size: int) -> DetectionResult:
        """Return what all parts hold together, in the documents' order. The files stay.

        Raises:
            CorpusError: a part is missing, is damaged, or is of another corpus, policy or request.
        """
        names, count = read_names(self.documents, self.request)
        parts = [Part(rank=rank, world_size=world_size) for rank in range(world_size)]
        for part in parts:
            self._check(part, self._header(part, names, count))
        collector = Collector(Engine(self.policy, names), names, self.request, self.policy.seed)
        done = 0
        with ExitStack() as stack:
            streams = [stack.enter_context(part.path(self.output).open(encoding="utf-8")) for part in parts]
            read = [_findings(stream, part, self.output) for stream, part in zip(streams, parts, strict=True)]
            for number, findings in heapq.merge(*read, key=lambda pair: pair[0]):
                collector.pass_over(number - done)
                collector.add(findings)
                done = number + 1
        collector.pass_over(count - done)
        return collector.result()

    def remove(self, world_size: int) -> None:
        """Remove the files of all parts, which hold personal data."""
        for rank in range(world_size):
            Part(rank=rank, world_size=world_size).path(self.output).unlink(missing_ok=True)

    def _header(self, part: Part, names: Register, count: int) -> dict[str, Any]:
        digest = hashlib.sha256(self.policy.digest.encode())
        digest.update(self.request.model_dump_json().encode() if self.request else b"")
        for name in names.subjects:
            digest.update(name.encode() + b"\0")
        for document in self.documents:
            for text in (document.id, document.text):
                digest.update(len(text).to_bytes(8, "big") + text.encode(errors="surrogatepass"))
        return {"version": PART_VERSION, **asdict(part), "documents": count, "inputs": digest.hexdigest()}

    def _check(self, part: Part, header: dict[str, Any]) -> None:
        path, found = part.path(self.output), _header_of(part.path(self.output))
        command = f"Run `expunge detect` with --rank {part.rank} --world-size {part.world_size}"
        if not path.is_file():
            raise CorpusError(f"Part {part.rank} of {part.world_size} is missing: {path}", command)
        if found is None:
            raise CorpusError(f"{path} is no part of a facts file", command)
        if found != header:
            raise CorpusError(f"{path} is of another corpus, policy or request", command)


def _header_of(path: Path) -> dict[str, Any] | None:
    """Return the first record of a part's file; None where there is none."""
    try:
        with path.open(encoding="utf-8") as stream:
            header = json.loads(stream.readline())
    except (OSError, ValueError):
        return None
    return header if isinstance(header, dict) else None


def _record(number: int, findings: Findings) -> dict[str, Any]:
    found = [
        [entity_type, subject, secret, asdict(source)]
        for entity_type, subject, secret, source in findings.found
    ]
    return {
        "document": number,
        "place": findings.place,
        "problems": findings.problems,
        "subjects": findings.subjects,
        "found": found,
    }


def _findings(stream: TextIO, part: Part, output: Path) -> Iterator[tuple[int, Findings]]:
    """Yield the number of each document in which there is something, and what there is."""
    next(stream)
    for line, text in enumerate(stream, start=2):
        try:
            record = json.loads(text)
            found = tuple(
                Finding(entity_type, subject, secret, Source(**source))
                for entity_type, subject, secret, source in record["found"]
            )
            findings = Findings(record["place"], tuple(record["problems"]), tuple(record["subjects"]), found)
            number = int(record["document"])
        except (ValueError, TypeError, KeyError):
            raise CorpusError(
                f"Line {line} of {part.path(output)} is damaged",
                f"Remove it and run `expunge detect` with --rank {part.rank} --world-size {part.world_size}",
            ) from None
        yield number, findings
