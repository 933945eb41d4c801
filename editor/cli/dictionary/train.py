"""`expunge dictionary train`."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from editor.cli.dictionary.evaluate import evaluate_each, figures_of
from editor.cli.dictionary.inputs import (
    LOADING,
    check,
    hold_out_texts,
    load,
    make_batches,
    parse_layers,
    read_texts,
)
from editor.cli.dictionary.options import CONTEXT, CORPUS, MODEL
from editor.cli.dictionary.progress import showing
from editor.cli.dictionary.tables import print_evaluations, print_training
from editor.cli.json_output import json_wanted, print_result
from editor.cli.names import ARCHITECTURE_NAMES, NameIn
from editor.cli.options import JSON, OUTPUT, OVERWRITE, QUIET, loading_options
from policies.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from dictionaries import Evaluation, Site, TrainingConfig, TrainingReport, TrainingResult
    from dictionaries.training.log import LogEntry
    from editor.model.loading import LoadedModel


@click.command()
@MODEL
@CORPUS
@click.option(
    "--architecture", type=NameIn("architecture", ARCHITECTURE_NAMES), default="gated", show_default=True
)
@click.option("--layers", default="all", show_default=True, help="Layers such as 0,2,5-7, counted from 0.")
@click.option(
    "--stream",
    type=click.Choice(["mlp_out", "attn_out", "resid_post", "attn_heads", "mlp_hidden"]),
    default="mlp_out",
    show_default=True,
    help="Activations to read of each layer.",
)
@click.option(
    "--features", type=click.IntRange(min=1), help="Number of features.  [default: the architecture's]"
)
@click.option(
    "--steps", type=click.IntRange(min=1), help="Number of gradient steps.  [default: the architecture's]"
)
@click.option("--batch-size", type=click.IntRange(min=1), help="Tokens in a step.")
@click.option("--learning-rate", type=float, help="Learning rate of Adam, after the warm-up.")
@click.option("--sparsity", type=float, help="Weight of the sparsity term; entropy's for binary.")
@click.option(
    "--precision", type=click.Choice(["float32", "bfloat16"]), help="Precision of the products in training."
)
@click.option(
    "--k", type=click.IntRange(min=1), help="Features on per token, for architectures that keep the largest."
)
@click.option("--clip-norm", type=float, help="Largest norm of a step's gradient; try 1.")
@click.option("--resample-every", type=click.IntRange(min=0), help="Steps between revivals of dead features.")
@click.option("--covariance-weight", type=float, help="Weight of binary's covariance term.")
@click.option(
    "--estimator", type=click.Choice(["sigmoid", "straight_through"]), help="Gradient of binary's step."
)
@click.option(
    "--store-as",
    type=click.Choice(["float32", "bfloat16"]),
    default="float32",
    help="Precision of matrices on disk.",
)
@click.option(
    "--held-out",
    type=click.FloatRange(0, 0.5, max_open=True),
    default=0.1,
    show_default=True,
    help="Share of the documents kept for the closing table.",
)
@click.option(
    "--memory",
    type=float,
    default=2.0,
    show_default=True,
    help="GiB of memory for activations; the rest is read again.",
)
@click.option("--seed", type=int, default=0, show_default=True)
@OUTPUT
@OVERWRITE
@click.option(
    "--checkpoint-every",
    type=click.IntRange(min=1),
    help="Steps between saves of the training, in OUTPUT.checkpoint.",
)
@click.option(
    "--resume", is_flag=True, help="Resume from OUTPUT.checkpoint as if training had not been stopped."
)
@click.option(
    "--cache-activations",
    "cache",
    type=click.Path(path_type=Path),
    help="Folder that keeps activations for later runs.",
)
@click.option("--tensorboard", is_flag=True, help="Also write TensorBoard's events.")
@CONTEXT
@loading_options
@QUIET
@JSON
def train(output: Path, overwrite: bool, **options: Any) -> None:
    """Train one dictionary for each layer, all from the same model passes.

    OUTPUT gets a folder for each layer, and training.jsonl with the figures of every 50 steps. The closing table
    is measured on documents that were kept out of training.

    In several processes: accelerate launch --multi_gpu --num_processes 2 -m editor.cli dictionary train ..., also
    on a CPU. They share each batch and average their gradients.
    """
    job = _Job(output, **options)
    if job.processes.main:
        _train_and_write(job, overwrite=overwrite)
    else:
        job.train(lambda _: None)


class _Job:
    """A training run as the user asked for it."""

    def __init__(self, output: Path, **options: Any) -> None:
        from torch import cuda

        from dictionaries import ARCHITECTURES
        from dictionaries.training.checkpoint import Checkpoints
        from dictionaries.training.log import check_tensorboard
        from dictionaries.training.processes import join_processes
        from editor.api.stages import make_stages

        self.output = output
        self.source, self.corpus_path = options.pop("source"), options.pop("corpus_path")
        self.architecture = options.pop("architecture")
        self.layers, self.stream = options.pop("layers"), options.pop("stream")
        self.store_as, self.held_out = options.pop("store_as"), options.pop("held_out")
        self.budget_bytes = int(options.pop("memory") * 2**30)
        self.context = options.pop("context")
        self.loading = {name: options.pop(name) for name in LOADING}
        self.cache, self.tensorboard = options.pop("cache"), options.pop("tensorboard")
        if self.tensorboard:
            check_tensorboard()
        every, resume = options.pop("checkpoint_every"), options.pop("resume")
        saved = output.resolve().with_name(f"{output.resolve().name}.checkpoint")
        self.checkpoints = Checkpoints(folder=saved, every=every or 0, resume=resume)
        self.processes = join_processes(cpu=self.loading["device"] == "cpu" or not cuda.is_available())
        if self.processes.device is not None:
            self.loading["device"] = str(self.processes.device)
        self.stages = make_stages(quiet=options.pop("quiet") or not self.processes.main)
        given = {name: value for name, value in options.items() if value is not None}
        self.config: TrainingConfig = replace(ARCHITECTURES[self.architecture].defaults, **given)

    def train(self, log: "Callable[[LogEntry], None]") -> "_Trained":
        """Load the model and the corpus, and train. `log` is called with figures as they come."""
        from dictionaries import train_dictionaries

        check(self.corpus_path)
        loaded = load(self.source, self.stages, **self.loading)
        sites = parse_layers(self.layers, self.stream, loaded)
        seen, unseen = hold_out_texts(read_texts(self.corpus_path), self.held_out, self.config.seed)
        used = self.checkpoints.every or self.checkpoints.resume
        with showing(self.stages) as progress:

            def tell(moment: "LogEntry") -> None:
                progress.note(moment)
                log(moment)

            result = train_dictionaries(
                loaded.model,
                make_batches(seen, loaded, self.context),
                sites,
                self.architecture,
                self.config,
                model_name=Path(self.source).name,
                budget_bytes=self.budget_bytes,
                cache=self.cache,
                checkpoints=self.checkpoints if used else None,
                processes=self.processes,
                progress=progress,
                log=tell,
            )
        return _Trained(loaded, unseen, result)


class _Trained(NamedTuple):
    loaded: "LoadedModel"
    unseen: list[str]
    result: "TrainingResult"


def _train_and_write(job: _Job, *, overwrite: bool) -> None:
    from dictionaries import save_dictionaries
    from dictionaries.training.log import TrainingLog
    from editor.artefacts.output import OutputFolder

    inputs = {"model": job.source, "corpus": str(job.corpus_path)}
    made = OutputFolder(
        job.output,
        overwrite=overwrite,
        inputs=inputs,
        seed=job.config.seed,
        reads=(job.source, job.corpus_path),
    )
    with made as folder:
        events = folder.path / "tensorboard" if job.tensorboard else None
        with TrainingLog(folder.path / "training.jsonl", tensorboard=events) as log:
            loaded, unseen, (dictionaries, reports) = job.train(log)
        save_dictionaries(dictionaries, folder.path, dtype=job.store_as)
        batches = make_batches(unseen, loaded, job.context)
        evaluations = evaluate_each(loaded, batches, dictionaries, job.stages)
        _save_figures(folder, reports, evaluations)
    job.checkpoints.remove()
    if json_wanted():
        print_result(ExitCode.MET, dictionaries=_figures(reports, evaluations), output=job.output)
        return
    print_training(reports)
    print_evaluations({str(site): one for site, one in evaluations.items()})
    click.echo(f"Dictionaries: {job.output}")


def _save_figures(
    folder: Any, reports: "dict[Site, TrainingReport]", evaluations: "dict[Site, Evaluation]"
) -> None:
    import json

    figures = _figures(reports, evaluations)
    folder.write_text("figures.json", json.dumps(figures, indent=2, sort_keys=True) + "\n")


def _figures(
    reports: "dict[Site, TrainingReport]", evaluations: "dict[Site, Evaluation]"
) -> dict[str, dict[str, Any]]:
    return {
        str(site): {"training": asdict(report), "held_out": figures_of(evaluations[site])}
        for site, report in reports.items()
    }
