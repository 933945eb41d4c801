"""`plan`: what an audit and an erasure take by stage, no weights read."""

from dataclasses import replace

import torch

from editor.api.checking import check_inputs
from editor.api.erase import read_erase_options
from editor.api.planning.asking import stage
from editor.api.planning.basis import Basis, open_unloaded
from editor.api.planning.disk import written_bytes
from editor.api.planning.erasing import counters
from editor.api.planning.machine import Machine
from editor.api.planning.memory import (
    Needs,
    in_batches,
    in_dtype,
    needs_of,
    peaks,
    without_attacks,
)
from editor.api.planning.rough_tokenizer import RoughTokenizer
from editor.api.planning.values import ERASURE, Plan, Remedy, StagePlan
from editor.api.requests import PlanRequest
from editor.api.running import read_case, read_policy, show_stages
from editor.edits.keeping import Keeping
from editor.model.checks.dtypes import dtype_name
from editor.model.tokens import token_budget

SMALL_BATCH = 256
"""Tokens of a batch that is as small as it pays to make one."""


def run_plan(request: PlanRequest, machine: Machine | None = None) -> Plan:
    """Say what an audit and an erasure would take, from the model's configuration and the corpus; nothing is written.

    The machine is timed for a second: a plan is for the machine that it is made on.
    """
    stages = show_stages(request)
    options = replace(read_erase_options(request), keeping=Keeping(wanted=request.keep_edit))
    policy = read_policy(request.policy)
    loaded, shape, device = open_unloaded(
        str(request.model),
        device=request.device,
        dtype=request.dtype,
        revision=request.revision,
        trust_remote_code=request.trust_remote_code,
        batch_size=request.batch_size,
    )
    check_inputs(request)
    case = read_case(request, policy, stages)
    with stages.stage("Timing this machine"):
        machine = machine or Machine.here(shape, device)
    basis = Basis(
        case=case,
        loaded=loaded,
        shape=shape,
        options=options.with_seed(case.seed).sized(shape.weights),
        speed=machine.speed,
        quick=machine.quick,
        confirm=request.confirm,
        open_texts=request.open_texts,
        given=request.dictionary is not None,
    )
    with stages.stage("Counting questions and batches"):
        return plan_of(basis, machine, device)


def plan_of(basis: Basis, machine: Machine, device: torch.device) -> Plan:
    """Return the plan that is counted from a basis."""
    needs, disk = needs_of(basis, machine.libraries), written_bytes(basis)
    memory = peaks(needs)
    count = counters(basis, sum(disk.values()))
    found = tuple(stage(name, count[name](), memory[name]) for name in memory)
    return Plan(
        architecture=basis.shape.architecture,
        weights=basis.shape.weights,
        model_mib=basis.shape.bytes / 2**20,
        dtype=dtype_name(basis.shape.dtype),
        device=str(device),
        method=basis.options.method.name,
        scope=basis.case.scope,
        tokenizer="rough" if isinstance(basis.loaded.tokenizer, RoughTokenizer) else "own",
        stages=found,
        disk=disk,
        free_mib=machine.free / 2**20,
        free_disk_mib=machine.free_disk / 2**20,
        remedies=_remedies(basis, needs, found, device),
        incomplete=basis.case.incomplete,
    )


def _remedies(
    basis: Basis, needs: Needs, stages: tuple[StagePlan, ...], device: torch.device
) -> tuple[Remedy, ...]:
    """Return what lowers the most memory of an erasure, each by itself and all together."""
    most = _most(needs)
    found: list[tuple[str, Needs, float]] = []
    everything = needs
    if basis.shape.item > 2:
        everything = in_dtype(everything, torch.bfloat16, device)
        found.append(("--dtype bfloat16", everything, 0.0))
    if needs.attacks:
        attacks = next(stage for stage in stages if stage.name == "attacks")
        found.append(("--attacks none", without_attacks(needs), attacks.low_s))
        everything = without_attacks(everything)
    if token_budget(basis.loaded.model) > SMALL_BATCH:
        found.append((f"--batch-size {SMALL_BATCH}", in_batches(needs, basis, SMALL_BATCH), 0.0))
        everything = in_batches(everything, basis, SMALL_BATCH)
    if len(found) > 1:
        saved = sum(one[2] for one in found)
        found.append((" ".join(one[0] for one in found), everything, saved))
    return tuple(
        Remedy(option=option, memory_mib=_most(changed) / 2**20, saved_s=saved)
        for option, changed, saved in found
        if _most(changed) < most
    )


def _most(needs: Needs) -> int:
    return max(size for name, size in peaks(needs).items() if name in ERASURE)
