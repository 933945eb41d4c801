"""`expunge verify`: measure an edited checkpoint against the original."""

from pathlib import Path
from typing import Any

import click

from editor.cli.options import case_options, fail_on, open_case_from, run_info, run_options
from editor.cli.stages import make_stages


@click.command()
@click.argument("edited", type=click.Path(path_type=Path))
@click.option("--against", "original", required=True, help="The original model.")
@case_options
@run_options
@click.pass_context
def verify(ctx: click.Context, /, edited: Path, original: str, **options: Any) -> None:
    """Measure EDITED, a checkpoint folder or an output folder of `erase`, against the original model."""
    from editor.cli.closing import close, open_output
    from editor.edits.edit import Edit
    from editor.model.loading import load_model
    from editor.pipeline import measure_original
    from editor.pipeline import verify as run_verify
    from policies import load_policy

    gate, policy = fail_on(options), load_policy(options["policy_name"])
    judged_by = gate.applied_to(policy)
    stages = make_stages(quiet=options["quiet"])
    with open_output(options) as output:
        with stages.stage("Loading the original model"):
            loaded = load_model(original, device=options["device"])
        case = open_case_from(options, judged_by, stages)
        checkpoint = edited / "model" if (edited / "model").is_dir() else edited
        edit = Edit.load(edited / "edit") if (edited / "edit" / "edit.json").is_file() else None
        before = measure_original(case, loaded, stages)
        run = run_info(options)
        report = run_verify(case, before, checkpoint, edit, run, stages)
        report = gate.judge(report, policy, incomplete=case.incomplete)
        close(output, case, run, report)
    ctx.exit(report.exit_code)
