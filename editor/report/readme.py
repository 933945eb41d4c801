"""The README of an edited checkpoint: a model card with front matter, as the Hugging Face hub reads it.

It is rendered from the report alone. It names neither who ran the job nor where anything lay.
"""

import math
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING

from editor.formatting import percent, plural
from editor.report import card, summary
from editor.report.markdown import plain
from editor.results.report import Report
from policies.errors import printable

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

TAGS = ("expunge", "machine-unlearning", "model-editing", "privacy")
TASK = "text-generation"
DATA = {
    "leakage": "Facts that were to be erased (private)",
    "utility": "What had to stay (private)",
    "integrity": "Files of the checkpoint",
}
"""What is measured on, by the kind of a criterion. The hub asks for a name; none of it is published."""
PAGE = "---\n{{ card_data }}\n---\n\n{{ body }}\n"


def render_readme(report: Report, *, base_model: str | None = None, adapter: bool = False) -> str:
    """Render the model card of the checkpoint that an erasure wrote, or of its adapter, read back and so checked.

    Args:
        report: what was measured.
        base_model: name on the hub of the model that was edited; None for the one that it was loaded by, if any.
        adapter: whether the card is that of the adapter.
    """
    from huggingface_hub import ModelCard

    data = _front_matter(report, base_model, adapter=adapter)
    made = ModelCard.from_template(data, template_str=PAGE, body="\n\n".join(_body(report, adapter=adapter)))
    return f"{made}".rstrip("\n") + "\n"


def _front_matter(report: Report, base_model: str | None, *, adapter: bool) -> "ModelCardData":
    from huggingface_hub import ModelCardData

    base = base_model or report.model_before.repository
    results = list(_results(report))
    method = [report.edit.method] if report.edit else []
    return ModelCardData(
        base_model=base,
        base_model_relation=("adapter" if adapter else "finetune") if base else None,
        library_name="peft" if adapter else "transformers",
        pipeline_tag=TASK,
        tags=[*TAGS, *method],
        metrics=list(dict.fromkeys(one.metric_type for one in results)) or None,
        model_name=_name(report) if results else None,
        eval_results=results or None,
    )


def _results(report: Report) -> "Iterator[EvalResult]":
    """Yield what was measured, as the hub's model index has it: the criteria, and perplexity on each text."""
    from huggingface_hub import EvalResult

    measured: list[tuple[str, str, str, float | None, dict[str, str]]] = [
        (row.kind, row.measure, summary.criterion_name(row), row.measured, {"limit": summary.limit_text(row)})
        for row in report.criteria
    ]
    measured += [
        ("utility", "perplexity", f"Perplexity, {text.text}", text.after, {"before": f"{text.before:.4g}"})
        for text in report.perplexities
    ]
    for kind, metric, name, value, beside in measured:
        if value is not None and math.isfinite(value):
            yield EvalResult(
                task_type=TASK,
                task_name="Text generation",
                dataset_type="private",
                dataset_name=DATA[kind],
                dataset_config=kind,
                metric_type=metric,
                metric_name=printable(name),
                metric_value=value,
                metric_args=beside,
            )


def _name(report: Report) -> str:
    """Return what the edited model is called: its last folder or its name, never where it lay."""
    return f"{_original(report)}, edited"


def _original(report: Report) -> str:
    before = report.model_before
    name = before.source if before.source == before.repository else PurePath(before.source).name
    return " ".join(printable(name or "model").split())


def _body(report: Report, *, adapter: bool) -> Iterator[str]:
    before, scope = report.model_before, report.scope
    yield f"# {plain(_name(report))}"
    yield f"**{summary.outcome(report)}.** {plain(summary.headline(report))}"
    version = report.versions.get("expunge", "")
    asked = f"{plural(scope.facts_in_scope, 'fact')} of {plural(scope.subjects_in_scope, 'data subject')}"
    yield plain(
        f"Expunge {version} edited the weights of {_original(report)} ({before.architecture}, sha256 "
        f"{before.digest[:16]}) to erase {asked} by the policy {report.policy.name}."
    )
    if adapter and report.edit and report.edit.adapter:
        made = report.edit.adapter
        yield (
            f"This is the edit as a LoRA adapter of rank {made.rank}. Applied to its base it gives the edited model, "
            f"but for {percent(made.left_out)} of the change. Whoever has the adapter and the edited checkpoint can "
            "compute the model before the edit."
        )
    yield from card.sections(report)
