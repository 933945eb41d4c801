"""An audit: what a model leaks."""

from editor.api.requests import AuditRequest
from editor.api.running import Judging, close, describe_run, open_output, read_case, show_stages
from editor.evidence.gather import EvidenceOptions
from editor.model.loading import LoadedModel, load_model
from editor.pipeline import audit as audit_case
from editor.results.report import Report


def run_audit(request: AuditRequest) -> Report:
    """Measure what the model leaks, judge it by the policy and write the report where there is a folder for it."""
    judging, stages = Judging.of(request), show_stages(request)
    run = describe_run(request, "audit")
    with open_output(request) as output:
        case = read_case(request, judging.judged_by, stages)
        with stages.stage("Loading the model"):
            loaded = _load(request, str(request.model))
            baseline = _load(request, str(request.baseline)) if request.baseline else None
        evidence = EvidenceOptions(
            baseline=baseline,
            confirmed=request.confirm,
            open_texts=request.open_texts,
            candidates=request.candidates,
            membership=request.membership,
        )
        report = judging.judge(audit_case(case, loaded, run, stages, evidence), case)
        close(output, case, run, report)
    return report


def _load(request: AuditRequest, source: str) -> LoadedModel:
    return load_model(source, device=request.device, chat=request.chat, system_prompt=request.system_prompt)
