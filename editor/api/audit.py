"""An audit: what a model leaks."""

from pathlib import Path
from typing import Any

from editor.api.called import check_words
from editor.api.checking import check_inputs
from editor.api.kept import about_to_end, is_ended, keep_work
from editor.api.planning.announcing import announce
from editor.api.requests import AuditRequest
from editor.api.running import (
    Judging,
    close,
    describe_run,
    open_output,
    read_case,
    read_signer,
    scanner_for,
    show_stages,
)
from editor.evidence.gather import EvidenceOptions
from editor.model.loading import check_model, load_model
from editor.model.placement import check_max_memory
from editor.pipeline import audit as audit_case
from editor.processes import group, in_processes
from editor.results.report import Report


@in_processes
def run_audit(request: AuditRequest) -> Report:
    """Measure what the model leaks, judge it by the policy and write the report where there is a folder for it.

    What a run that was stopped has measured lies in OUTPUT.unfinished, and is not measured again.
    """
    judging, stages = Judging.of(request), show_stages(request)
    signer = read_signer(request)
    run = describe_run(request, "audit")
    work = keep_work(request, resume=request.resume)
    with open_output(request, again=is_ended(request, work)) as output:
        work.clear()
        check_models(request)
        check_inputs(request)
        case = read_case(request, judging.judged_by, stages)
        check_words(request, scanner_for(case, run.key), judging.policy)
        with stages.stage("Loading the model"):
            loaded, *others = (
                load_model(source, batch_size=request.batch_size, max_memory=request.max_memory, **options)
                for source, options in models_of(request)
            )
        announce(request, case, loaded, stages)
        evidence = EvidenceOptions(
            baseline=others[0] if others else None,
            confirmed=request.confirm,
            open_texts=request.open_texts,
            candidates=request.candidates,
            membership=request.membership,
        )
        report = judging.judge(audit_case(case, loaded, run, stages, evidence, work), case)
        close(output, request, case, run, report, signer, Path(request.model))
        if output is not None:
            about_to_end(request, work, output.path)
    if group().main:
        work.remove()
    return report


def check_models(request: AuditRequest) -> None:
    """Check the model and its baseline as far as that shows without their weights.

    Raises:
        ModelError: one of them cannot be loaded.
    """
    if request.max_memory is not None:
        check_max_memory(request.max_memory)
    for source, options in models_of(request):
        check_model(source, **options)


def models_of(request: AuditRequest) -> list[tuple[str, dict[str, Any]]]:
    """Return the model and its baseline, each with how it is loaded."""
    options = {
        "device": request.device,
        "dtype": request.dtype,
        "chat": request.chat,
        "system_prompt": request.system_prompt,
        "trust_remote_code": request.trust_remote_code,
    }
    found = [(str(request.model), options | {"revision": request.revision})]
    return [*found, (str(request.baseline), options)] if request.baseline else found
