"""An erasure, start to report."""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

from editor.api.called import check_words
from editor.api.kept import about_to_end, is_ended, keep_work
from editor.api.planning.announcing import announce
from editor.api.planning.disk import check_disk, checkpoint_bytes
from editor.api.read_paths import read_paths
from editor.api.reference import read_reference
from editor.api.requests import EraseRequest, PlanRequest
from editor.api.running import (
    Judging,
    as_path,
    close,
    describe_run,
    load_original,
    open_output,
    read_case,
    read_signer,
    read_site,
    scanner_for,
    show_stages,
)
from editor.api.stacking import read_stack, with_unchecked
from editor.artefacts.output import OutputFolder
from editor.attacks import attacks_at
from editor.attestation.ledger import Ledger
from editor.casework.batch import Batch
from editor.dictionary_supply import supply_dictionaries
from editor.edits.companions import check_companions
from editor.edits.keeping import Keeping
from editor.edits.sealed import Lock
from editor.measuring.own_forward import editable
from editor.measuring.summaries import renderers, versions
from editor.methods import METHODS
from editor.methods.method import Method
from editor.methods.shared.searching import with_settings
from editor.model.digests import tensor_digests
from editor.pipeline import EraseOptions
from editor.pipeline import erase as erase_case
from editor.processes import group, in_processes
from editor.results.report import Report
from editor.tuning.search import StrengthSearch
from policies.errors import OutputError, RequestError


@in_processes
def run_erase(request: EraseRequest) -> Report:
    """Erase the data subjects, verify the checkpoint and write the report; the model is left as it is.

    What a run that was stopped has made lies in OUTPUT.unfinished, and is not made again.
    """
    options, judging, stages = read_erase_options(request), Judging.of(request), show_stages(request)
    options = replace(options, keeping=read_keeping(request))
    signer, ledger = read_signer(request), read_ledger(request)
    main = group().main
    run, site = describe_run(request, "erase"), read_site(request.site)
    batch = read_batch(request)
    work = keep_work(request, resume=request.resume and options.keeping.kept != "encrypted")
    asked, again = request, is_ended(request, work)
    request = request if batch is None else replace(request, request=batch.request, requests=None)
    with open_kept(request, again=again) as kept, open_output(request, again=again) as output:
        assert output is not None  # an erasure's request names one
        work.clear()
        options = replace(
            options,
            reference=read_reference(request, str(request.model)),
            kept_in=kept.path if kept else None,
        )
        with stages.stage("Loading the model"):
            loaded = load_original(request, request.model)
        if main:
            check_disk(output.destination, checkpoint_bytes(loaded))
        previous = read_stack(request, loaded, run.key)
        with batch.naming() if batch else nullcontext():
            case = read_case(request, judging.judged_by, stages)
        check_words(request, scanner_for(case, run.key), judging.policy)
        case = with_unchecked(case, loaded, previous)
        options = replace(options, previous=previous)
        check_companions(Path(loaded.source), scanner_for(case, run.key), code=loaded.trust_remote_code)
        loaded = editable(case, loaded, request.method)
        announce(request, case, loaded, stages, options)
        of_model = work.based_on(tensor_digests(loaded))
        supply = None
        if options.method.needs_dictionary:
            supply = supply_dictionaries(
                case, loaded, as_path(request.dictionary), output.path, stages, site=site, work=of_model
            )
        report = erase_case(case, loaded, supply, options, run, output.path, stages, of_model)
        report = judging.judge(report, case)
        report = batch.counted(report, run.key) if batch else report
        close(output, request, case, run, report, signer)
        if kept is not None:
            kept.scanner, kept.inputs, kept.seed = output.scanner, output.inputs, output.seed
        about_to_end(asked, work, output.path)
    if main and ledger is not None:
        ledger.append(output.destination, report)
    if main and batch is not None:
        batch.record(output.destination, run.key)
    if main:
        work.remove()
    return report


@contextmanager
def open_kept(request: EraseRequest, *, again: bool) -> Iterator[OutputFolder | None]:
    """Open the folder that the edit is kept in, written whole or not at all, and after the output; None for none.

    Args:
        request: what was asked.
        again: whether a folder that stands there is the run's own, which was stopped after that: it is replaced.

    Raises:
        OutputError: it lies in the output folder or holds it, or cannot be written.
    """
    if request.edit_folder is None or not group().main:
        yield None
        return
    folder, output = request.edit_folder.resolve(), Path(request.output or "").resolve()
    if folder.is_relative_to(output) or output.is_relative_to(folder):
        raise OutputError(
            f"The edit would lie in {request.edit_folder}, and the output in {request.output}",
            "Keep the edit apart from the output: it leads back to the facts",
        )
    with OutputFolder(
        folder,
        overwrite=request.overwrite or again,
        versions=versions() | renderers(),
        seed=request.seed or 0,
        reads=read_paths(request),
        private=True,
    ) as kept:
        yield kept


def read_batch(request: EraseRequest) -> Batch | None:
    """Return the requests of a folder that the run erases; None where it is given others.

    Raises:
        OutputError: a request's record cannot be written, or lies where the output is to be.
        PolicyError: a request is damaged.
        RequestError: there is no such folder, or nothing in it to erase.
    """
    named = request.request if request.requests is None else request.requests
    if not isinstance(named, str | Path):
        return None
    path = Path(named)
    batch = Batch.of_file(path) if request.requests is None else Batch.of_folder(path)
    if batch is not None and path.resolve().is_relative_to(Path(request.output or "").resolve()):
        raise OutputError(f"{path} lies in the output folder", "Name an output apart from the requests")
    return batch


def read_keeping(request: EraseRequest) -> Keeping:
    """Return how the originals are kept.

    Raises:
        EditError: the key or the passphrase cannot be read, or what encrypts with it is not installed.
        OutputError: its file would lie in the output folder.
    """
    if request.edit_folder is None:
        return Keeping(wanted=False)
    files = [as_path(file) for file in (request.originals_key, request.originals_passphrase_file)]
    for file in files:
        if file is not None and file.resolve().is_relative_to(Path(request.output or "").resolve()):
            raise OutputError(f"{file} lies in the output folder", "Name a path apart from the output")
    return Keeping(lock=Lock.given(*files))


def read_ledger(request: EraseRequest) -> Ledger | None:
    """Return the ledger that the run is entered in; None where none was named.

    Raises:
        OutputError: it lies in the output folder, its chain is broken, or it cannot be written.
    """
    if request.ledger is None or request.output is None:
        return None
    ledger = Ledger(Path(request.ledger))
    if ledger.path.resolve().is_relative_to(Path(request.output).resolve()):
        raise OutputError(
            f"The ledger {ledger.path} lies in the output folder", "Keep it apart from the output"
        )
    ledger.check_writable()
    return ledger


def read_erase_options(request: EraseRequest | PlanRequest) -> EraseOptions:
    """Return the method with its settings and strength.

    Raises:
        RequestError: there is no such method or setting, a strength is neither "auto", "default" nor a number in the
            method's range, or a dictionary was named that the method has no use for.
    """
    method, attacks = _method(request), attacks_at(request.attacks)
    if request.dictionary is not None and not method.needs_dictionary:
        raise RequestError(
            f"A dictionary (--dictionary) has no meaning for the method {method.name}", "Leave it out"
        )
    if request.strength == "auto":
        search = StrengthSearch(trials=request.trials, start=method)
        return EraseOptions(method=method, search=search, controls=request.controls, attacks=attacks)
    if request.strength != "default":
        method = with_settings(method, {method.space.strength: _strength(request.strength, method)})
    return EraseOptions(method=method, search=None, controls=request.controls, attacks=attacks)


def _method(request: EraseRequest | PlanRequest) -> Method:
    if request.method not in METHODS:
        raise RequestError(f"There is no method {request.method!r}", f"Give one of {', '.join(METHODS)}")
    method = METHODS[request.method].make()
    try:
        return with_settings(method, request.settings) if request.settings else method
    except AttributeError as error:
        raise RequestError(str(error), "Give settings that the method has") from None


def _strength(given: str | float, method: Method) -> float:
    """Return a number that is the method's strength."""
    allowed = method.space.ranges[method.space.strength]
    try:
        value = int(given) if allowed.whole else float(given)
    except ValueError:
        value = math.nan
    if not allowed.low <= value <= allowed.high:
        what = "a whole number" if allowed.whole else "a number"
        raise RequestError(
            f"--strength is neither auto, default nor {what} from {allowed.low:g} to {allowed.high:g}",
            f"Give auto, default, or the {method.space.strength.replace('_', ' ')} of {method.name} as a number",
        )
    return value
