"""`compare`, top to bottom: dictionaries, every arm with every seed, and what follows from them."""

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from dictionaries import load_dictionaries
from dictionaries.model.sites import Site, writing_sites
from editor.artefacts.masking import CaseKey
from editor.attacks import attacks_at
from editor.case import Case
from editor.comparing.conclusion import draw_conclusion
from editor.comparing.evaluator import EditEvaluator, score_original
from editor.comparing.job import Finished, Job, prepared_model
from editor.comparing.processes import allowed_processes, threads_each
from editor.comparing.run import PARTS, REFERENCE, SUPPLIED, Ledger, digest, run_all
from editor.comparing.steps import STEPS
from editor.dictionary_supply import supply_dictionaries
from editor.kept_work import KeptWork
from editor.measuring.summaries import model_summary, policy_summary, renderers, versions
from editor.methods import METHODS
from editor.model.digests import tensor_digests
from editor.model.loading import LoadedModel
from editor.progress import Stages
from editor.results.comparison import Comparison, Cost


@dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """Options of a comparison: what to compare, and how.

    Attributes:
        arms: names in `METHODS`; the reference is always one.
        seeds: number of seeds, from the case's on.
        trials: number of search trials, for each arm and seed.
        dictionary: folder or hub name of dictionaries; None trains Gated SAEs on the corpus.
        site: site that the dictionaries read, where they do not say.
        processes: number of jobs at a time; None for as many as cores and memory allow. Threads of a job are the cores
            shared among so many, or where it is None among all jobs, whatever memory allows.
        device: device that jobs run on.
        attacks: names in `ATTACKS` of the attacks made on edits.
    """

    arms: tuple[str, ...] = tuple(METHODS)
    seeds: int = 3
    trials: int = 3
    dictionary: Path | None = None
    site: Site | None = None
    processes: int | None = None
    device: str = "auto"
    attacks: tuple[str, ...] = field(default_factory=lambda: attacks_at("quick"))

    @property
    def names(self) -> tuple[str, ...]:
        """The arms in the order of tables."""
        return tuple(name for name in METHODS if name in self.arms or name == REFERENCE)


def compare(
    case: Case,
    loaded: LoadedModel,
    options: CompareOptions,
    key: CaseKey,
    kept: Path,
    stages: Stages,
    *,
    command: str,
    resume: bool = False,
) -> tuple[Comparison, tuple[Cost, ...]]:
    """Run what is not finished and draw the conclusion.

    Args:
        case: the facts, the same for all.
        loaded: model; it is left as it was, and each job loads its own.
        options: what to compare.
        key: key that names facts in results.
        kept: folder of the arms that are finished, until the caller has written the result.
        stages: display of progress.
        command: command that runs it again, data subjects' names masked.
        resume: whether the run that `kept` holds is resumed.

    Raises:
        OutputError: `kept` holds a stopped run and `resume` is false, or one with other settings.
        DictionaryError: there is no usable dictionary for an arm that needs one; nothing was written.
    """
    if options.dictionary is not None:
        for site in load_dictionaries(options.dictionary, loaded.model, site=options.site):
            writing_sites(site)
    digests = tensor_digests(loaded)
    ledger = Ledger(folder=kept, settings=_settings(case, loaded, digests, options, key))
    work = parts_in(kept).based_on(digests)
    with ledger.opened(resume=resume):
        work.clear()
        key.store()  # a run that was stopped resumes with the same labels
        dictionary, trained_s = options.dictionary, 0.0
        if dictionary is None:
            dictionary, trained_s = _supplied(case, loaded, kept, stages)
        first = replace(_first_job(case, loaded, options, key, dictionary), work=work)
        seeds = tuple(range(case.seed, case.seed + options.seeds))
        cases = [replace(case, seed=seed) for seed in seeds]
        before = [prepared_model(one, loaded, work) for one in cases]
        with stages.stage("Measuring the original model", len(seeds)) as advance, _threads(first.threads):
            originals = {}
            for one, prepared in zip(cases, before, strict=True):
                originals[one.seed] = score_original(one, prepared)
                advance(1)
        first = replace(first, originals=originals)
        with stages.stage("Comparing arms", STEPS * len(options.names) * len(seeds)) as advance:
            finished = run_all(first, options.names, seeds, ledger, lambda _: None, advance)
    evaluator = EditEvaluator(case, before[0], originals[case.seed], key, attacks=())
    comparison = draw_conclusion(
        case=case.name,
        command=command,
        versions=versions(),
        policy=policy_summary(case),
        model=model_summary(loaded, digests),
        scope=case.scope,
        reference=REFERENCE,
        trials=options.trials,
        arms=[one.run for one in finished],
        original=evaluator.original(),
        seed=case.seed,
    )
    return comparison, _costs(finished, trained_s)


def parts_in(kept: Path) -> KeptWork:
    """Return where what is made of arms that are not finished lies, in the folder of those that are."""
    return KeptWork(folder=kept / PARTS, inputs=(versions() | renderers(),))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Set as many threads inside the block as jobs have: sums then have the same order."""
    usual = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(usual)


def _first_job(
    case: Case, loaded: LoadedModel, options: CompareOptions, key: CaseKey, dictionary: Path
) -> Job:
    """Return the reference arm with the first seed: what all jobs have in common.

    How many run at a time depends on free memory where it was not said; threads then follow from the cores and the
    number of jobs, so that the same command gives the same digits on one machine.
    """
    size = sum(parameter.numel() * parameter.element_size() for parameter in loaded.model.parameters())
    on_gpu = loaded.device.type == "cuda"
    at_most = options.processes or (1 if on_gpu else len(options.names) * options.seeds)
    return Job(
        arm=REFERENCE,
        seed=case.seed,
        case=case,
        model=loaded.source,
        device=options.device,
        dictionaries=str(dictionary),
        site=options.site,
        trials=options.trials,
        reference=None,
        key=key,
        processes=options.processes or allowed_processes(size, on_gpu=on_gpu),
        threads=threads_each(at_most),
        revision=loaded.revision,
        **loaded.alike,
        attacks=options.attacks,
    )


def _costs(finished: Sequence[Finished], trained_s: float) -> tuple[Cost, ...]:
    """Return what each arm took, the dictionaries that were trained for it included."""
    return tuple(
        one.cost.model_copy(update={"dictionaries_s": trained_s})
        if METHODS[one.cost.arm].make().needs_dictionary
        else one.cost
        for one in finished
    )


def _supplied(case: Case, loaded: LoadedModel, kept: Path, stages: Stages) -> tuple[Path, float]:
    """Train dictionaries on the corpus, once for all jobs and resumptions; return their folder and the seconds."""
    done = kept / f"{SUPPLIED}.json"
    if not done.exists():
        shutil.rmtree(kept / SUPPLIED, ignore_errors=True)  # of a run that was stopped while it wrote them
        started = time.perf_counter()
        supply_dictionaries(case, loaded, None, kept, stages)
        partial = done.with_suffix(".partial")
        partial.write_text(json.dumps(time.perf_counter() - started), encoding="utf-8")
        partial.replace(done)
    return kept / SUPPLIED, float(json.loads(done.read_text(encoding="utf-8")))


def _settings(
    case: Case, loaded: LoadedModel, digests: dict[str, str], options: CompareOptions, key: CaseKey
) -> dict[str, object]:
    """Return all that results depend on, with names that tell nothing of anybody."""
    return {
        "version": versions()["expunge"],
        "model": digest(sorted(digests.items())),
        "policy": case.policy.digest,
        "facts": digest(sorted(key.fact_label(fact) for fact in case.erased)),
        "questions": digest(
            [(probe.prompt, probe.answer, probe.split, probe.target.group) for probe in case.probes]
        ),
        "texts": digest([(document.id, document.text) for document in case.documents]),
        "dictionary": str(options.dictionary or f"trained with seed {case.seed}"),
        "site": str(options.site),
        "device": loaded.device.type,
        "dtype": loaded.dtype,
        "batch size": loaded.batch_size,
        "trials": options.trials,
        "attacks": list(options.attacks),
    }
