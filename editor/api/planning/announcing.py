"""What a run is going to take, said on standard error before it computes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from editor.api.planning.asking import stage
from editor.api.planning.basis import Basis
from editor.api.planning.disk import REPORTS, free_disk, written_bytes
from editor.api.planning.erasing import counters
from editor.api.planning.machine import Machine
from editor.api.planning.memory import audit_bytes, batch_bytes, needs_of, peaks
from editor.api.planning.shape import Shape, shape_of
from editor.api.planning.values import ERASURE, TITLES, VERIFICATION, StageName, StagePlan
from editor.api.requests import AuditRequest, EraseRequest, VerifyRequest
from editor.api.stages import RichStages
from editor.attacks import attacks_at
from editor.case import Case
from editor.formatting import duration
from editor.model.loading import LoadedModel
from editor.model.mapping import is_mapped
from editor.model.tokens import BATCH_BYTES, Sizes, token_budget
from editor.pipeline import EraseOptions
from editor.processes import group
from editor.progress import Stages

LEAST_LIBRARIES = 2**28
"""Bytes that libraries take at the least, whatever a model in memory seems to leave of a process's."""


def announce(
    request: AuditRequest | EraseRequest | VerifyRequest,
    case: Case,
    loaded: LoadedModel,
    stages: Stages,
    options: EraseOptions | None = None,
) -> None:
    """Say what a run is going to take by stage, time, memory and disk, counted as `expunge plan` counts them.

    Nothing is said where nobody wants to read it, of several processes, and of a model whose weights are read from
    the disk while it runs, as neither time nor memory is planned for these.
    """
    away = any(weight.device.type == "meta" for weight in loaded.model.parameters()) or is_mapped(
        loaded.model
    )
    if not isinstance(stages, RichStages) or not request.estimate or group().count > 1 or away:
        return
    with stages.stage("Planning the run"):
        files = loaded.files
        folder = files.files[0].parent if files is not None else None
        shape = shape_of(loaded.model, folder, loaded.stored_dtype, loaded.model.dtype)
        machine = Machine.here(shape, loaded.device)
        basis = _basis(request, case, loaded, options or EraseOptions(), shape, machine)
        model = 0 if loaded.device.type == "cuda" else shape.bytes
        libraries = max(LEAST_LIBRARIES, machine.libraries - model) if model else 0
        disk = written_bytes(basis) if isinstance(request, EraseRequest) else {"reports": REPORTS}
        planned = _stages(request, basis, libraries, sum(disk.values()))
    free = machine.free + model + libraries  # what the process has already is part of what it takes
    _say(stages.console, planned, free, disk, request.output)


def _basis(
    request: AuditRequest | EraseRequest | VerifyRequest,
    case: Case,
    loaded: LoadedModel,
    options: EraseOptions,
    shape: Shape,
    machine: Machine,
) -> Basis:
    """Return what stages are counted from, of a model that is loaded."""
    if isinstance(request, VerifyRequest):
        options = replace(options, attacks=attacks_at(request.attacks))
    audit = request if isinstance(request, AuditRequest) else None
    return Basis(
        case=case,
        loaded=loaded,
        shape=shape,
        options=options.with_seed(case.seed).sized(shape.weights),
        speed=machine.speed,
        quick=machine.quick,
        confirm=audit.confirm if audit else 0,
        open_texts=audit.open_texts if audit else 0,
        given=isinstance(request, EraseRequest) and request.dictionary is not None,
    )


def _stages(
    request: AuditRequest | EraseRequest | VerifyRequest, basis: Basis, libraries: int, written: int
) -> list[StagePlan]:
    """Return the stages of a run, planned; of an audit nothing is counted that an edit alone needs of a model."""
    names: Sequence[StageName]
    if isinstance(request, AuditRequest):
        shape, names = basis.shape, ("audit",)
        sizes = Sizes.of(basis.loaded.model)
        token = (sizes.layers * sizes.keys_values + 2 * (sizes.width + sizes.hidden)) * sizes.item
        batch = min(batch_bytes(shape.bytes), max(BATCH_BYTES, token_budget(basis.loaded.model) * token))
        memory: Mapping[StageName, int] = {
            "audit": audit_bytes(shape, libraries, batch, len(basis.wide.measured))
        }
    else:
        names = VERIFICATION if isinstance(request, VerifyRequest) else ERASURE
        memory = peaks(needs_of(basis, libraries))
    count = counters(basis, written)
    return [stage(name, count[name](), memory[name]) for name in names]


def _say(
    console: Console,
    planned: Sequence[StagePlan],
    free: int,
    disk: Mapping[str, int],
    output: Path | str | None,
) -> None:
    """Print the whole first, then each stage that takes time."""
    low, high = (sum(getattr(one, name) for one in planned) for name in ("low_s", "high_s"))
    memory = max(one.memory_mib for one in planned)
    room = f", {free_disk(Path(output)) / 2**20:,.0f} free" if output is not None else ""
    written = f"; {sum(disk.values()) / 2**20:,.0f} MiB of disk{room}" if output is not None else ""
    console.print(
        f"Planned: {duration(low)} to {duration(high)}; {memory:,.0f} MiB of memory at most, "
        f"{free / 2**20:,.0f} free{written}",
        highlight=False,
    )
    for one in planned if len(planned) > 1 else ():
        if one.high_s:
            console.print(
                f"  {TITLES[one.name]:<26}{duration(one.low_s):>8} to {duration(one.high_s):<8}"
                f"{one.memory_mib:>8,.0f} MiB",
                highlight=False,
            )
    if memory * 2**20 > free:
        console.print(
            "  Memory may not be enough: `expunge plan` says what lowers it.", style="yellow", highlight=False
        )
