"""`expunge detect`: find personal facts in a corpus and write them to a facts file."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.detect_score import score_detection
from editor.cli.json_output import json_wanted, print_result
from editor.cli.options import JSON, POLICY, PROCESSES, QUIET, REQUEST, SUBJECTS, build
from policies.errors import ExitCode

if TYPE_CHECKING:
    from detectors import Fact
    from detectors.quality import Split
    from editor.api.detect import Detected

PLACES_SHOWN = 10


@click.command()
@click.argument("corpus", type=click.Path(path_type=Path), required=False)
@POLICY
@REQUEST
@SUBJECTS
@click.option("--output", type=click.Path(path_type=Path), help="The facts file to write (.jsonl).")
@click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
@click.option(
    "--score",
    "labelled",
    type=click.Path(path_type=Path),
    help="Labelled texts: measure detection on them; --output takes the figures (.json).",
)
@click.option(
    "--split",
    type=click.Choice(("all", "development", "test")),
    help="Half of the labelled texts to use, by template.  [default: all]",
)
@PROCESSES
@click.option("--rank", type=click.IntRange(min=0), help="Search this part of the corpus alone, from 0.")
@click.option(
    "--world-size",
    type=click.IntRange(min=1),
    help="Number of parts that a scheduler's tasks search; without --rank, gather what they found.",
)
@QUIET
@JSON
@click.pass_context
def detect(
    ctx: click.Context,
    corpus: Path | None,
    policy: str,
    request: Path | None,
    subjects: tuple[str, ...],
    output: Path | None,
    overwrite: bool,
    labelled: Path | None,
    split: "Split | None",
    processes: int | None,
    rank: int | None,
    world_size: int | None,
    quiet: bool,
) -> None:
    """Find the personal facts in CORPUS and whom they are about.

    CORPUS is a file, a folder or a quoted pattern ("letters/*.txt"): .jsonl or .json of {"id", "text"[, "subjects":
    [names]]}, of records or of chats; .txt or .log with one document a line; .csv, .tsv, .parquet or .arrow with a
    document a row: its column `text`, or all columns as a record; .eml, .mbox, .html, .md. They may be packed (.gz,
    .bz2, .xz, .zst). What cannot be read is named, and the exit code is 4.
    The facts file holds the personal data itself and is readable by you alone (mode 0600). It also holds, about
    nobody, what could not be linked to a person: it is other people's. With --request or --subject, only the facts
    of those people are written.

    With --score, no facts are written: what the policy finds in labelled texts ({"text", "spans":
    [{"entity_type", "start", "end"}][, "template"]} a line, or a JSON list as presidio-research writes it)
    is compared with their labels.

    Where one machine is not enough, each of N tasks, on any machine, runs with --rank 0 to N-1 and --world-size N;
    what it finds is written beside --output. The same command without --rank then gathers the parts into --output.
    """
    if labelled is not None:
        if corpus is not None or request is not None or subjects:
            raise click.UsageError("--score takes labelled texts alone: no CORPUS, --request or --subject.")
        if output is not None:
            from editor.api.detect import check_file

            check_file(output, overwrite=overwrite, reads=[labelled, Path(policy)])
        from policies import load_policy

        complete = score_detection(labelled, load_policy(policy), split or "all", output, quiet=quiet)
        ctx.exit(ExitCode.MET if complete else ExitCode.INCOMPLETE)
    if split is not None:
        raise click.UsageError("--split needs --score.")
    if corpus is None or output is None:
        raise click.UsageError("Give CORPUS and --output, or --score.")
    from editor.api.detect import run_detect, run_part
    from editor.api.folder_requests import DetectRequest

    options = {
        "policy": policy,
        "request": request,
        "subjects": subjects,
        "processes": processes,
        "rank": rank,
        "world_size": world_size,
        "output": output,
        "overwrite": overwrite,
        "quiet": quiet,
    }
    asked = build(DetectRequest, corpus, options)
    if rank is not None:
        count = run_part(asked)
        if json_wanted():
            print_result(ExitCode.MET, part=rank, parts=world_size, documents=count)
            return
        click.echo(f"Part {rank} of {world_size} is complete; {count:,} documents searched now.")
        return
    detected = run_detect(asked)
    code = ExitCode.INCOMPLETE if detected.incomplete else ExitCode.MET
    if json_wanted():
        print_result(code, **_told(detected), output=output)
    else:
        _show(detected, output)
    ctx.exit(code)


def _told(detected: "Detected") -> dict[str, Any]:
    """Return what the table and the notes say, as values: counts only."""
    result, facts = detected.result, detected.facts
    return {
        "documents": result.documents,
        "facts": len(facts),
        "subjects": len({fact.subject for fact in facts}),
        "facts_by_type": Counter(fact.entity_type for fact in facts),
        "about_nobody_known": len(detected.unlinked),
        "skipped": len(result.skipped),
        "coverage": result.coverage,
        "not_found": detected.not_found,
    }


def _show(detected: "Detected", output: Path) -> None:
    """Print the closing table and notes: counts only, nobody's name and no secret."""
    from rich.console import Console
    from rich.table import Table

    from editor.cli.closing import show_not_found
    from editor.cli.fitting import fitted

    result, facts = detected.result, detected.facts
    console = Console(highlight=False)
    table = Table("Entity type", title="Personal facts")
    for title in ("Facts", "Subjects", "Documents"):
        table.add_column(title, justify="right")
    for entity_type in sorted({fact.entity_type for fact in facts}):
        table.add_row(*_row(entity_type, [fact for fact in facts if fact.entity_type == entity_type]))
    table.add_section()
    table.add_row(*_row("All", facts))
    console.print(fitted(table, console.width))
    if detected.unlinked:
        console.print(f"Facts about nobody known, taken for other people's: {len(detected.unlinked):,}")
    read = f"{result.documents:,} document{'' if result.documents == 1 else 's'}"
    console.print(f"{read} read, {len(result.skipped)} of them not completely scanned.")
    for line in _reasons(result.skipped):
        console.print(f"  {line}", markup=False)
    console.print("Coverage:")
    for note in result.coverage:
        console.print(f"  {note}", markup=False)
    if detected.nobodys:
        console.print(
            f"{result.unlinked.total():,} secrets were found, and nothing tells whose they are. Name the people with "
            "--subject or --request, in a column or field such as `name`, or in `subjects` of each document."
        )
    elif not facts:
        console.print(
            "No fact was found: check the policy, and that the corpus or the request names the people."
        )
    show_not_found(detected.not_found)
    console.print(f"Facts: {output} (personal data; readable by you alone)", markup=False, soft_wrap=True)


def _reasons(skipped: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield why documents were not completely scanned, how many for each reason, and where the first of them are."""
    places: dict[str, list[str]] = defaultdict(list)
    for place, reasons in skipped:
        for reason in reasons.split("; "):
            places[reason].append(place)
    for reason, where in sorted(places.items()):
        more = f" and {len(where) - PLACES_SHOWN} more" if len(where) > PLACES_SHOWN else ""
        yield f"{len(where)} {reason} ({', '.join(where[:PLACES_SHOWN])}{more})"


def _row(title: str, facts: "list[Fact] | tuple[Fact, ...]") -> tuple[str, str, str, str]:
    """Count facts, subjects and documents of some facts, as a row of the table."""
    subjects = {fact.subject for fact in facts}
    documents = {source.document for fact in facts for source in fact.sources}
    return title, str(len(facts)), str(len(subjects)), str(len(documents))
