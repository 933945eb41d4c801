"""A model that never saw the facts, asked the questions that the edited model was asked."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from editor.case import Case
from editor.kept_work import NOTHING_KEPT, KeptWork
from editor.measuring.aggregate import Scored
from editor.measuring.evaluation_data import score_case
from editor.measuring.kept_measures import work_on
from editor.measuring.own_forward import with_own_passes
from editor.model.digests import model_digest, tensor_digests
from editor.model.loading import LoadedModel, load_model
from editor.progress import Stages
from editor.questions.probes import Probe
from editor.results.forgetting import Reference


@dataclass(frozen=True, kw_only=True)
class MeasuredReference:
    """A never-seen reference.

    Attributes:
        scored: Facts in scope and their decoys, scored on it.
        named: What it is.
    """

    scored: Scored = field(repr=False)
    named: Reference


def load_reference(case: Case, source: str, like: LoadedModel) -> LoadedModel:
    """Load a reference model.

    Args:
        case: the case.
        source: checkpoint folder, hub name or adapter folder, which was checked before.
        like: original model, whose device and whose trust in a model's own code it shares.

    Raises:
        ModelError: it cannot be loaded.
    """
    device, trusted = str(like.device), like.trust_remote_code
    loaded = load_model(source, device=device, trust_remote_code=trusted, full_precision=True)
    return with_own_passes(case, loaded)


def measure_reference(
    case: Case,
    loaded: LoadedModel,
    probes: Iterable[Probe],
    stages: Stages,
    work: KeptWork = NOTHING_KEPT,
) -> MeasuredReference:
    """Ask a reference model about the facts in scope and their decoys.

    Args:
        case: the case.
        loaded: the reference.
        probes: what the edited model was asked.
        stages: display of progress.
        work: what the run keeps.
    """
    asked = [probe for probe in probes if probe.target.group in ("erased", "decoys")]
    kept = work_on(work, loaded, case)
    scored = score_case(case, loaded, asked, stages, "Asking the never-seen reference", kept)
    return MeasuredReference(
        scored=scored, named=Reference(source=loaded.source, digest=model_digest(tensor_digests(loaded)))
    )
