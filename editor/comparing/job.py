"""One job of a comparison: one arm with one seed, in a process of its own."""

import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict

from dictionaries import Site, load_dictionaries
from editor.artefacts.masking import CaseKey
from editor.attacks import attacks_at
from editor.case import Case
from editor.comparing.editing_map import editing_map
from editor.comparing.evaluator import EditEvaluator, Original
from editor.comparing.points import OperatingPointEdit, OperatingTarget, Tuner
from editor.comparing.steps import StepFile
from editor.kept_work import NOTHING_KEPT, KeptWork
from editor.locators.features import FeatureAttribution
from editor.measuring.evaluation_data import PreparedModel, prepare
from editor.measuring.kept_measures import work_on
from editor.methods import METHODS
from editor.methods.shared.settings import with_seed
from editor.model.loading import LoadedModel, load_model
from editor.progress import Silent
from editor.results.comparison import ArmRun, Cost, Point
from editor.tuning.build_problem import build_problem, trials, with_features

LOOK_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Job:
    """Task of one process: an arm with a seed.

    Attributes:
        arm: name in `METHODS`.
        seed: seed of everything random.
        case: case with facts, questions and retained text.
        model: checkpoint folder or hub name.
        device: device to run on.
        dictionaries: folder or hub name of dictionaries.
        site: site that the dictionaries read, where they do not say.
        trials: number of search trials.
        reference: file that tells what the reference arm costs, which may not be there yet; None for the
            reference itself.
        key: key that names facts in results.
        processes: number of jobs that run at a time.
        threads: number of this job's threads.
        originals: seed -> what verification finds of the original model.
        trust_remote_code: whether Python code that comes with the model may run.
        revision: branch, tag or commit of the model on the hub; None for its main branch.
        dtype: dtype to compute in.
        batch_size: most tokens in a batch; None for as many as memory is meant for.
        steps: file that tells how far the job is; None for nobody who looks.
        attribution: locator of features.
        attacks: names in `ATTACKS` of the attacks made on edits.
        work: what the comparison keeps until it has ended: parts of arms that are not finished.
    """

    arm: str
    seed: int
    case: Case = field(repr=False)
    model: str
    device: str
    dictionaries: str
    site: Site | None
    trials: int
    reference: Path | None
    key: CaseKey
    processes: int
    threads: int
    originals: Mapping[int, Original] = field(default_factory=dict, repr=False)
    trust_remote_code: bool = False
    revision: str | None = None
    dtype: str = "auto"
    batch_size: int | None = None
    steps: Path | None = None
    attribution: FeatureAttribution = field(default_factory=FeatureAttribution)
    attacks: tuple[str, ...] = field(default_factory=lambda: attacks_at("quick"))
    work: KeptWork = field(default=NOTHING_KEPT, repr=False)


class Finished(BaseModel):
    """Result of a job, as it is kept until the comparison is whole."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    run: ArmRun
    cost: Cost

    @property
    def target(self) -> OperatingTarget:
        """What the arm costs where it is tuned to the policy."""
        tuned = next(point for point in self.run.points if point.point == "policy")
        return OperatingTarget(norm=tuned.norm, collateral=tuned.collateral)


def run_job(job: Job) -> Finished:
    """Tune an arm, bring it to its operating points and measure it there."""
    steps = StepFile(job.steps)
    torch.set_num_threads(job.threads)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    method = with_seed(METHODS[job.arm].make(), job.seed)
    loaded = load_model(
        job.model,
        device=job.device,
        trust_remote_code=job.trust_remote_code,
        revision=job.revision,
        dtype=job.dtype,
        batch_size=job.batch_size,
    )
    case = replace(job.case, seed=job.seed)
    before = prepared_model(case, loaded, job.work)
    problem = build_problem(case, before, {}, job.attribution, Silent(), job.work)
    feature_s = 0.0
    if method.needs_dictionary:
        found = load_dictionaries(Path(job.dictionaries), loaded.model, site=job.site)
        held = {site: dictionary.to(loaded.device).eval() for site, dictionary in found.items()}
        started = time.perf_counter()
        problem = with_features(problem, held, job.attribution, Silent(), job.work)
        feature_s = time.perf_counter() - started
    inner, judge = trials(case, before, problem, job.work)
    steps.done()
    tuner = Tuner(method, problem, inner, judge, trials=job.trials, seed=job.seed)
    steps.done()
    operated = []
    for point in tuner.operated(target_in(job.reference) if job.reference else None):
        operated.append(point)
        steps.done()
    started = time.perf_counter()
    evaluator = EditEvaluator(case, before, job.originals[job.seed], job.key, job.attacks)
    points = _measure_points(evaluator, operated, steps)
    measuring_s = time.perf_counter() - started
    run = ArmRun(
        arm=job.arm,
        family=METHODS[job.arm].family,
        seed=job.seed,
        trials=tuner.tuning.rows(),
        points=points,
        editing=editing_map(problem, operated[0].method, operated[0].edit),
    )
    cost = Cost(
        arm=job.arm,
        seed=job.seed,
        processes=job.processes,
        threads=job.threads,
        device=_device_name(loaded.device),
        locating_s=feature_s + tuner.locating_s,
        dictionaries_s=0.0,
        tuning_s=tuner.tuning_s,
        fitting_s=tuner.fitting_s,
        measuring_s=measuring_s,
        peak_mib=peak_mib(loaded.device),
    )
    return Finished(run=run, cost=cost)


def prepared_model(case: Case, loaded: LoadedModel, work: KeptWork) -> PreparedModel:
    """Return a model and what is asked of it, with what the comparison keeps of measuring it."""
    return PreparedModel(loaded=loaded, data=prepare(case, loaded), work=work_on(work, loaded, case))


def target_in(reference: Path) -> OperatingTarget:
    """Return what the reference arm costs, as soon as its job is finished; where that fails, this process is ended."""
    while not reference.exists():
        time.sleep(LOOK_S)
    return Finished.model_validate_json(reference.read_text(encoding="utf-8")).target


def _measure_points(
    evaluator: EditEvaluator, operated: list[OperatingPointEdit], steps: StepFile
) -> tuple[Point, ...]:
    """Measure each point; an edit that stands at several is measured once."""
    known: dict[int, Point] = {}
    points = []
    for one in operated:
        measured = known.get(id(one.edit))
        if measured is None:
            measured = known[id(one.edit)] = evaluator.measure(one)
        points.append(measured.model_copy(update={"point": one.point}))
        steps.done()
    return tuple(points)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def peak_mib(device: torch.device) -> float:
    """Return the most memory this process has held, in MiB: of the GPU where it runs on one, else resident."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
