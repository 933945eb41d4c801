"""The original model, measured once on everything that verification will look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from editor.case import Case
from editor.kept_work import NOTHING_KEPT, KeptWork
from editor.measuring.aggregate import Scored
from editor.measuring.evaluation_data import PreparedModel, prepare, score_case
from editor.measuring.free_answers import free_answers, free_questions, with_free_answers
from editor.measuring.kept_measures import work_on
from editor.measuring.own_forward import with_own_passes
from editor.model.digests import model_digest, tensor_digests
from editor.model.loading import LoadedModel
from editor.processes import group
from editor.progress import Stages
from editor.questions.probes import Probe


@dataclass(frozen=True, kw_only=True)
class OriginalModel(PreparedModel):
    """Original model, measured once.

    Attributes:
        scored: questions with their scores.
        digests: `tensor_digests` of the model.
    """

    scored: Scored
    digests: Mapping[str, str]


def measure_original(
    case: Case, loaded: LoadedModel, stages: Stages, work: KeptWork = NOTHING_KEPT, *, wide: bool = False
) -> OriginalModel:
    """Score the original model on everything that verification will look at.

    Args:
        case: the case.
        loaded: the model.
        stages: display of progress.
        work: what the run keeps.
        wide: whether the facts in scope are looked for in more wordings.
    """
    loaded = with_own_passes(case, loaded)
    digests = tensor_digests(loaded)
    group().agree("model", model_digest(digests))
    work = work_on(work, loaded, case, digests)
    data = prepare(case, loaded, wide=wide)
    scored = score_case(case, loaded, data.measured, stages, "Auditing the original model", work)
    said = answer_freely(case, loaded, data.measured, stages)
    scored = with_free_answers(scored, loaded, said, said, case.policy.decoding)
    return OriginalModel(loaded=loaded, data=data, scored=scored, digests=digests, work=work)


def answer_freely(case: Case, loaded: LoadedModel, probes: Sequence[Probe], stages: Stages) -> list[Probe]:
    """Let a model that was taught conversations, or is a chat model, answer, and return the secrets that it says.

    That is done again by a run that is resumed: its answers hold secrets, and are not kept.
    """
    questions = free_questions(loaded, probes, case.seed)
    if not questions:
        return []
    targets = list(dict.fromkeys(probe.target for probe in probes if probe.must_not_leak))
    with stages.stage("Letting the model answer", len(questions)) as advance:
        return free_answers(loaded, questions, targets, advance)
