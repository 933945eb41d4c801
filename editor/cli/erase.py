"""`expunge erase`: the main job."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editor.cli.names import SiteName
from editor.cli.options import case_options, fail_on, open_case_from, run_info, run_options
from editor.cli.stages import make_stages
from editor.methods import METHODS

if TYPE_CHECKING:
    from editor.methods.method import Method
    from editor.pipeline import EraseOptions

OFFERED = tuple(name for name, entry in METHODS.items() if entry.family != "random")


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
@click.option("--method", type=click.Choice(OFFERED), default="feature-edit", show_default=True)
@click.option(
    "--strength",
    default="auto",
    show_default=True,
    help="auto searches the gentlest edit that meets the policy; default takes the method's settings as they are; a "
    "number is its strength in an edit without search: for feature-edit and the circuits how many nats below chance "
    "they push what identifies, for neurons and feature-literal how many units they take, for pisces the overshoot, "
    "for memit the most that the residual stream moves, over its norm, for grad-ascent and npo-lora the learning rate.",
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
        click.UsageError: a strength that is neither "auto", "default" nor a number in the method's range, or a
            dictionary that the method has no use for.
    """
    from editor.methods.shared.searching import with_settings
    from editor.pipeline import EraseOptions
    from editor.tuning.search import StrengthSearch

    method, strength, controls = METHODS[options["method"]].make(), options["strength"], options["controls"]
    if options["dictionary"] is not None and not method.needs_dictionary:
        raise click.UsageError(f"--dictionary has no meaning for --method {method.name}.")
    if "warm_start_rounds" in options:
        method = with_settings(method, {"warm_start_rounds": options["warm_start_rounds"]})
    if strength == "auto":
        search = StrengthSearch(trials=options["trials"], start=method)
        return EraseOptions(method=method, search=search, controls=controls)
    if strength != "default":
        method = with_settings(method, {method.space.strength: _strength(strength, method)})
    return EraseOptions(method=method, search=None, controls=controls)


def _strength(given: str, method: "Method") -> float:
    """A number that is the method's strength."""
    allowed = method.space.ranges[method.space.strength]
    try:
        value = int(given) if allowed.whole else float(given)
    except ValueError:
        value = math.nan
    if not allowed.low <= value <= allowed.high:
        what = "a whole number" if allowed.whole else "a number"
        raise click.UsageError(
            f"--strength is neither auto, default nor {what} from {allowed.low:g} to {allowed.high:g}, "
            f"the {method.space.strength.replace('_', ' ')} of {method.name}."
        )
    return value
