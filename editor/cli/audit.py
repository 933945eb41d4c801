"""`expunge audit`: measure what a model gives away."""

from typing import Any

import click

from editor.cli.options import case_options, evidence_options, fail_on, open_case_from, run_info, run_options
from editor.cli.stages import make_stages


@click.command()
@click.argument("model")
@case_options
@evidence_options
@run_options
@click.pass_context
def audit(ctx: click.Context, /, model: str, **options: Any) -> None:
    """Measure what MODEL gives away of personal facts in its training text.

    MODEL is a checkpoint folder, a hub name or a PEFT adapter folder. Without --subject or --request, everybody
    found is in scope.
    """
    from editor.cli.closing import close, open_output
    from editor.evidence import EvidenceOptions
    from editor.model.loading import load_model
    from editor.pipeline import audit as run_audit
    from policies import load_policy

    gate, policy = fail_on(options), load_policy(options["policy_name"])
    judged_by = gate.applied_to(policy)
    stages = make_stages(quiet=options["quiet"])
    with open_output(options) as output:
        case = open_case_from(options, judged_by, stages)
        with stages.stage("Loading the model"):
            asked = {name: options[name] for name in ("device", "chat", "system_prompt")}
            loaded = load_model(model, **asked)
            baseline = load_model(options["baseline"], **asked) if options["baseline"] else None
        evidence = EvidenceOptions(
            baseline=baseline,
            confirmed=options["confirm"],
            open_texts=options["open_texts"],
            candidates=options["candidates"],
            membership=options["membership"],
        )
        run = run_info(options)
        report = run_audit(case, loaded, run, stages, evidence)
        report = gate.judge(report, policy, incomplete=case.incomplete)
        close(output, case, run, report)
    ctx.exit(report.exit_code)
