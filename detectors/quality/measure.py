"""The measurement of a policy's detection: what it finds of what people marked, and how much of it is right."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from detectors.quality.labelled import Label, LabelledText, Split, split_by_template
from detectors.quality.record import Quality, detection_digest
from detectors.quality.scores import score_types
from policies import Policy
from policies.errors import CorpusError

if TYPE_CHECKING:
    from spacy.language import Language


def measure_quality(
    texts: Sequence[LabelledText],
    policy: Policy,
    *,
    source: str,
    split: Split = "all",
    pipeline: "Language | None" = None,
    on_text: Callable[[], None] | None = None,
) -> Quality:
    """Detect in labelled texts, with an empty register of names, and compare with the labels.

    Args:
        texts: all labelled texts, before they are split.
        policy: the policy whose detection is measured.
        source: name of the texts.
        split: the half to read: `development` to improve patterns, `test` for figures, or `all`.
        pipeline: a spaCy pipeline to use instead of the policy's.
        on_text: callback after each text, for progress.

    Raises:
        CorpusError: the split is empty.
        PolicyError: the installed Presidio or spaCy lacks what the policy asks for.
    """
    from detectors.engine import Engine
    from detectors.people.register import Register

    chosen = split_by_template(texts, split)
    if not chosen:
        raise CorpusError(f"The {split} half of {source} is empty", "Give texts of more templates")
    engine = Engine(policy, Register(), pipeline)
    found: list[tuple[Label, ...]] = []
    incomplete = 0
    for text in chosen:
        scan = engine.scan(text.text)
        incomplete += bool(scan.problems)
        found.append(tuple(Label(start=s.start, end=s.end, entity_type=s.entity_type) for s in scan.spans))
        if on_text is not None:
            on_text()
    labelled = Counter(label.entity_type for text in chosen for label in text.labels)
    return Quality(
        policy=policy.name,
        digest=detection_digest(policy),
        source=source,
        split=split,
        texts=len(chosen),
        templates=len({text.template for text in chosen}),
        incomplete=incomplete,
        model=engine.model,
        types=tuple(score_types(chosen, found, sorted(set(policy.entities) & set(labelled)))),
        uncovered={name: labelled[name] for name in sorted(set(labelled) - set(policy.entities))},
        unlabelled=tuple(sorted(set(policy.entities) - set(labelled))),
    )
