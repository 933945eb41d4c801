"""`expunge erase`: the main job."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.names import SiteName
from editor.cli.options import case_options, fail_on, open_case_from, run_info, run_options
from editor.cli.stages import make_stages

if TYPE_CHECKING:
    from editor.pipeline import EraseOptions

METHODS = (
    "feature-edit",
    "feature-literal",
    "neuron-kn",
    "neuron-depn",
    "neuron-probe",
    "circuit-node",
    "circuit-mask",
    "circuit-mlp",
    "grad-ascent",
    "npo-lora",
)


@click.command()
@click.argument("model")
@case_options
@click.option(
    "--dictionary",
    type=click.Path(path_type=Path),
    help="For feature methods: of the model's mlp_out, attn_out or resid_post, in any format that is read, or a hub "
    "name.  [default: Gated SAEs of mlp_out, trained on the corpus and kept in the output]",
)
@click.option(
    "--site",
    type=SiteName(),
    help="Such as mlp_out.3, where --dictionary does not say; of several, the one to use.",
)
@click.option("--method", type=click.Choice(METHODS), default="feature-edit", show_default=True)
@click.option(
    "--strength",
    default="auto",
    show_default=True,
    help="Of feature-edit: auto searches the gentlest edit that meets the policy; a number is how many nats below "
    "chance an edit without search pushes what identifies.",
)
@click.option(
    "--trials", type=click.IntRange(1, 1000), default=8, show_default=True, help="Of the search, at most."
)
@click.option("--controls/--no-controls", default=True, help="Measure control edits of the same size too.")
@run_options
@click.pass_context
def erase(ctx: click.Context, /, model: str, **options: Any) -> None:
    """Erase data subjects from MODEL, verify the checkpoint written, and report.

    Writes model/ (a plain checkpoint), edit/, report.json, report.html, features.html and manifest.json into the
    output folder.
    """
    ctx.exit(run_erase(model, options))


def run_erase(model: str, options: dict[str, Any]) -> int:
    """Do what the command says, and return the exit code."""
    from editor.cli.closing import close, open_output
    from editor.dictionary_supply import supply_dictionaries
    from editor.model.loading import load_model
    from editor.pipeline import erase as erase_case
    from policies import load_policy

    settings = erase_options(options)
    gate, policy = fail_on(options), load_policy(options["policy_name"])
    judged_by = gate.applied_to(policy)
    stages = make_stages(quiet=options["quiet"])
    with open_output(options) as output:
        with stages.stage("Loading the model"):
            loaded = load_model(model, device=options["device"])
        case = open_case_from(options, judged_by, stages)
        supply = None
        if settings.method.needs_dictionary:
            chosen, site = options["dictionary"], options.get("site")
            supply = supply_dictionaries(case, loaded, chosen, output.path, stages, site=site)
        run = run_info(options)
        report = erase_case(case, loaded, supply, settings, run, output.path, stages)
        report = gate.judge(report, policy, incomplete=case.incomplete)
        close(output, case, run, report)
    return report.exit_code


def erase_options(options: dict[str, Any]) -> "EraseOptions":
    """Method and strength from the command line.

    Raises:
        click.UsageError: a strength that is neither "auto" nor a number from 0 to 100, or an option that the method
            has no use for.
    """
    from editor.editing.tune import StrengthSearch
    from editor.methods import METHODS, FeatureEdit
    from editor.pipeline import EraseOptions

    if options["dictionary"] is not None and not METHODS[options["method"]].needs_dictionary:
        raise click.UsageError(f"--dictionary has no meaning for --method {options['method']}.")
    if options["method"] != FeatureEdit.name:
        if options["strength"] != "auto":
            raise click.UsageError(f"--strength has no meaning for --method {options['method']}.")
        return EraseOptions(method=METHODS[options["method"]](), search=None, controls=options["controls"])
    if options["strength"] == "auto":
        start = FeatureEdit(continued_rounds=options.get("continued_rounds", FeatureEdit.continued_rounds))
        search = StrengthSearch(trials=options["trials"], seed=options["seed"] or 0, start=start)
        return EraseOptions(search=search, controls=options["controls"])
    try:
        margin = float(options["strength"])
    except ValueError:
        margin = -1.0
    if not 0 <= margin <= 100:
        raise click.UsageError("--strength is neither auto nor a number of nats from 0 to 100.")
    return EraseOptions(method=FeatureEdit(margin_nats=margin), search=None, controls=options["controls"])
