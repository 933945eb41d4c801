"""An audit: what a model leaks."""

from pathlib import Path
from typing import Any

from editor.api.requests import AuditRequest
from editor.api.running import Judging, close, describe_run, open_output, read_case, read_signer, show_stages
from editor.evidence.gather import EvidenceOptions
from editor.model.loading import check_model, load_model
from editor.pipeline import audit as audit_case
from editor.results.report import Report


def run_audit(request: AuditRequest) -> Report:
    """Measure what the model leaks, judge it by the policy and write the report where there is a folder for it."""
    judging, stages = Judging.of(request), show_stages(request)
    signer = read_signer(request)
    run = describe_run(request, "audit")
    sources = [str(source) for source in (request.model, request.baseline) if source]
    with open_output(request) as output:
        for source in sources:
            check_model(source, **_options(request))
        case = read_case(request, judging.judged_by, stages)
        with stages.stage("Loading the model"):
            loaded, *others = (load_model(source, **_options(request)) for source in sources)
        evidence = EvidenceOptions(
            baseline=others[0] if others else None,
            confirmed=request.confirm,
            open_texts=request.open_texts,
            candidates=request.candidates,
            membership=request.membership,
        )
        report = judging.judge(audit_case(case, loaded, run, stages, evidence), case)
        close(output, request, case, run, report, signer, Path(request.model))
    return report


def _options(request: AuditRequest) -> dict[str, Any]:
    """Return how the models of a request are loaded."""
    return {
        "device": request.device,
        "chat": request.chat,
        "system_prompt": request.system_prompt,
        "trust_remote_code": request.trust_remote_code,
    }
