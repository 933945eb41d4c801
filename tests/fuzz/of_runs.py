"""Readers of what runs leave, with valid files: outputs, ledgers, requests, case keys, what a stopped run made."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from fuzz.reader import Reader


def evidence() -> Iterator[Reader]:
    from made_runs import made_report, write_run

    from editor.artefacts.masking import CaseKey
    from editor.artefacts.replacing import check_replaceable
    from editor.attestation.checking import check_folder
    from editor.attestation.ledger import Ledger
    from editor.casework.folder import RequestFolder
    from editor.results.report import Report

    key = CaseKey(bytes(range(32)))

    @cache
    def report() -> Report:
        return made_report([("Ada Quill", "PHONE_NUMBER", "415-555-0132")], key)

    def run(folder: Path) -> None:
        write_run(folder / "out", report())

    def ledger(folder: Path) -> None:
        run(folder)
        for _ in range(2):
            Ledger(folder / "ledger.jsonl").append(folder / "out", report())

    def requests(folder: Path) -> None:
        case = folder / "requests" / "R-1"
        case.mkdir(parents=True)
        (case / "request.yaml").write_text("case: R-1\nsubjects: [Ada Quill]\n")
        (case / "case.yaml").write_text("received: 2026-01-02\nextension: {day: 2026-01-03, reason: r}\n")

    yield Reader("output folder", run, lambda folder: check_folder(folder / "out"), ("out/*",), 0.1)
    yield Reader(
        "manifest, to replace",
        run,
        lambda folder: check_replaceable(folder / "out", folder / "out"),
        ("out/*",),
    )
    yield Reader(
        "ledger", ledger, lambda folder: Ledger(folder / "ledger.jsonl").entries(), ("ledger.jsonl",)
    )
    yield Reader(
        "folder of requests",
        requests,
        lambda folder: RequestFolder(folder / "requests").cases(),
        ("requests/**/*",),
    )
    yield Reader(
        "case key",
        lambda folder: CaseKey(bytes(range(32)), folder / "a.key").store(),
        lambda folder: CaseKey.load_or_generate(folder / "a.key"),
    )


def resumed() -> Iterator[Reader]:
    from made_arms import make_costs, runs_of

    from editor.comparing.job import Finished
    from editor.comparing.run import Ledger

    def ledger(folder: Path) -> Ledger:
        return Ledger(folder=folder / "out.arms", settings={"trials": 2})

    def write(folder: Path) -> None:
        book = ledger(folder)
        book.open(resume=False)
        run = runs_of("memit", [1.0, 0.5])
        book.keep(Finished(run=run, cost=make_costs([run])[0]))

    def read(folder: Path) -> None:
        book = ledger(folder)
        book.open(resume=True)
        for path in (folder / "out.arms").glob("*-*.json"):
            arm, _, seed = path.stem.rpartition("-")
            book.find(arm, int(seed))

    yield Reader("state of a stopped comparison", write, read, ("out.arms/*",))
