"""A dry run of an audit: everything is checked and counted, and what it would take is measured on a sample."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from editor.api.audit import check_models, models_of
from editor.api.checking import check_inputs
from editor.api.planning.generation import audit_generates
from editor.api.planning.memory import batch_bytes, scoring_bytes
from editor.api.requests import AuditRequest
from editor.api.running import Judging, open_folder, read_case, read_key, read_signer, show_stages
from editor.case import Case
from editor.comparing.job import peak_mib
from editor.comparing.processes import free_bytes
from editor.evidence import confirmation
from editor.measuring.aggregate import score_probes
from editor.measuring.evaluation_data import prepare
from editor.measuring.own_forward import with_own_passes
from editor.model.generation import complete
from editor.model.loading import LoadedModel, load_model
from editor.questions.asking import encode_probes
from editor.questions.probes import Probe, sample
from editor.results.report import Scope

SAMPLED = 200
"""Questions that time is measured on, at the least: whole prompts, as questions that share one are asked together."""
GENERATED = 8
"""Tokens of the generation that time is measured on."""

Clock = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What an audit would ask, and about what it would take.

    Attributes:
        scope: what would be looked at.
        questions: number of questions by group of facts.
        steps: number of tokens generated one after another, for the confirmation, open text and free answers.
        sampled: number of questions that time was measured on.
        seconds: time of the questions and of generation; other evidence takes little beside them.
        memory_mib: most memory, in MiB: of the GPU where the model is on one, else of the process.
        free_mib: memory that is free now, in MiB, beside what this process has.
        incomplete: whether something was skipped, so that the audit would end with exit code 4.
    """

    scope: Scope
    questions: Mapping[str, int]
    steps: int
    sampled: int
    seconds: float
    memory_mib: float
    free_mib: float
    incomplete: bool


def foresee_audit(request: AuditRequest, *, clock: Clock = time.perf_counter) -> Forecast:
    """Check everything that an audit would, and say what it would ask and take; nothing is written.

    Args:
        request: the audit.
        clock: function that gives the time, in seconds.

    Raises:
        ExpungeError: the audit would be refused.
    """
    judging, stages = Judging.of(request), show_stages(request)
    read_signer(request)
    read_key(request)
    if request.output is not None:
        open_folder(request).check()
    check_models(request)
    check_inputs(request)
    case = read_case(request, judging.judged_by, stages)
    source, options = models_of(request)[0]
    with stages.stage("Loading the model"):
        loaded = load_model(source, batch_size=request.batch_size, **options)
    loaded = with_own_passes(case, loaded)
    with stages.stage("Measuring on a sample"):
        return _foresee(request, case, loaded, clock)


def _foresee(request: AuditRequest, case: Case, loaded: LoadedModel, clock: Clock) -> Forecast:
    probes = prepare(case, loaded, wide=True).measured
    erased = [probe for probe in probes if probe.is_erased]
    chosen = _whole_prompts(probes, case.seed)
    each = _seconds(lambda: score_probes(loaded, chosen, case.policy.decoding), clock) / max(1, len(chosen))
    asked = len(probes) + (len(erased) if request.baseline else 0)
    generates = audit_generates(case, loaded, probes, confirm=request.confirm, open_texts=request.open_texts)
    steps = sum(one.steps for one in generates)
    seconds = asked * each + (steps * _step_seconds(loaded, erased, clock) if steps else 0.0)
    weights = sum(weight.numel() * weight.element_size() for weight in loaded.model.parameters())
    more = scoring_bytes(batch_bytes(weights), len(probes)) + (weights if request.baseline else 0)
    return Forecast(
        scope=case.scope,
        questions=dict(Counter(probe.target.group for probe in probes)),
        steps=steps,
        sampled=len(chosen),
        seconds=seconds,
        memory_mib=peak_mib(loaded.device) + more / 2**20,
        free_mib=free_bytes() / 2**20,
        incomplete=case.incomplete,
    )


def _whole_prompts(probes: Sequence[Probe], seed: int) -> list[Probe]:
    """Return all questions of some prompts, `SAMPLED` questions at the least where there are as many."""
    by_prompt: dict[str, list[Probe]] = defaultdict(list)
    for probe in probes:
        by_prompt[probe.prompt].append(probe)
    chosen: list[Probe] = []
    for first in sample([mine[0] for mine in by_prompt.values()], len(by_prompt), seed):
        if len(chosen) >= SAMPLED:
            break
        chosen += by_prompt[first.prompt]
    return chosen


def _step_seconds(loaded: LoadedModel, erased: Sequence[Probe], clock: Clock) -> float:
    """Return the seconds that one more token of a batch of texts takes."""
    some = encode_probes(loaded, erased[: confirmation.PROMPTS_AT_A_TIME if loaded.passes.batched else 1])
    prompts = [one.ids[: one.marked.index(True)] for one in some]
    return _seconds(lambda: complete(loaded, prompts, GENERATED), clock) / GENERATED


def _seconds(work: Callable[[], object], clock: Clock) -> float:
    """Return how long some work takes the second time: the first one also prepares what is kept."""
    work()
    started = clock()
    work()
    return clock() - started
