"""A verification of a checkpoint that was edited before."""

from pathlib import Path

from editor.api.called import check_words
from editor.api.kept import about_to_end, is_ended, keep_work
from editor.api.planning.announcing import announce
from editor.api.reference import read_reference
from editor.api.requests import VerifyRequest
from editor.api.running import (
    Judging,
    checkpoint_of,
    close,
    describe_run,
    load_original,
    open_output,
    read_case,
    read_signer,
    scanner_for,
    show_stages,
)
from editor.attacks import attacks_at
from editor.edits.records import declared_parameters, has_record, read_record, record_folder
from editor.measuring.original import measure_original
from editor.model.loading import check_model
from editor.pipeline import verify as verify_case
from editor.processes import group, in_processes
from editor.results.report import Report


@in_processes
def run_verify(request: VerifyRequest) -> Report:
    """Measure the edited checkpoint against the original, and write the report where there is a folder for it.

    What a run that was stopped has measured lies in OUTPUT.unfinished, and is not measured again.
    """
    judging, stages = Judging.of(request), show_stages(request)
    signer = read_signer(request)
    run, edited = describe_run(request, "verify"), Path(request.edited)
    checkpoint = Path(checkpoint_of(edited))
    work = keep_work(request, resume=request.resume)
    with open_output(request, again=is_ended(request, work)) as output:
        work.clear()
        check_model(
            str(checkpoint),
            device=request.device,
            trust_remote_code=request.trust_remote_code,
            full_precision=True,
        )
        reference = read_reference(request, str(request.against), checkpoint)
        with stages.stage("Loading the original model"):
            loaded = load_original(request, request.against)
        case = read_case(request, judging.judged_by, stages)
        check_words(request, scanner_for(case, run.key), judging.policy)
        announce(request, case, loaded, stages)
        has_edit = has_record(edited)
        declared = declared_parameters(record_folder(edited)) if has_edit else None
        record, _ = read_record(record_folder(edited)) if has_edit else (None, ())
        before = measure_original(case, loaded, stages, work)
        report = verify_case(
            case,
            before,
            checkpoint,
            declared,
            run,
            stages,
            attacks=attacks_at(request.attacks),
            reference=reference,
            record=record,
        )
        report = judging.judge(report, case)
        close(output, request, case, run, report, signer, checkpoint)
        if output is not None:
            about_to_end(request, work, output.path)
    if group().main:
        work.remove()
    return report
