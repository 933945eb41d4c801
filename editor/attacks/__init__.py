"""What an adversary or a deployment does to an edited checkpoint: a new attack is a file and a line in `ATTACKS`.

Importing this imports no attack and no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from editor.entries import load_object

if TYPE_CHECKING:
    from editor.attacks.attack import Attack

AttackSet = Literal["quick", "full", "none"]
"""Attacks that a run makes: those that are cheap, those that train for long too, or none."""
ATTACK_SETS: tuple[AttackSet, ...] = ("quick", "full", "none")


@dataclass(frozen=True, kw_only=True)
class AttackEntry:
    """One attack.

    Attributes:
        name: Name in reports and comparisons.
        path: Module and class, as `module:Class`.
        settings: Settings that the class is made with.
        column: Heading of its column in tables.
        explained: What its figure counts, for the pages of reports and comparisons.
        level: `quick` where it is cheap, so that it is made by default; `full` where it asks or trains for long.
        untested: What a report says of the residual risk where the attack was not tested; empty where naming it is
            enough.
    """

    name: str
    path: str
    column: str
    explained: str
    level: Literal["quick", "full"] = "quick"
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    untested: str = ""

    def make(self, **settings: Any) -> "Attack":
        """Import the class and return the attack, with other settings where they are given."""
        attack: Attack = load_object(self.path)(**{**self.settings, **settings})
        return attack


ATTACKS: Mapping[str, AttackEntry] = {
    entry.name: entry
    for entry in (
        AttackEntry(
            name="bf16",
            path="editor.attacks.bfloat:Bfloat16",
            column="bf16",
            explained="facts that leak once the weights are rounded to bfloat16",
        ),
        AttackEntry(
            name="8-bit",
            path="editor.attacks.quantising:Quantising",
            column="8-bit",
            explained="facts that leak once the weights are rounded to 8 bits",
            settings={"bits": 8},
        ),
        AttackEntry(
            name="4-bit",
            path="editor.attacks.quantising:Quantising",
            column="4-bit",
            explained="facts that leak once the weights are rounded to 4 bits",
            settings={"bits": 4},
        ),
        AttackEntry(
            name="nf4",
            path="editor.attacks.normal_float:NormalFloat",
            column="NF4",
            explained="facts that leak once the weights are rounded to 4-bit NormalFloat, as bitsandbytes does",
        ),
        AttackEntry(
            name="pruning",
            path="editor.attacks.pruning:Pruning",
            column="Pruned",
            explained="facts that leak once the smallest weights are set to zero",
        ),
        AttackEntry(
            name="merging",
            path="editor.attacks.merging:Merging",
            column="Merged",
            explained="facts that leak once the weights are moved part of the way back to the original's",
        ),
        AttackEntry(
            name="true-prefix",
            path="editor.attacks.true_prefix:TruePrefix",
            column="True prefix",
            explained="facts that leak after the beginning of a true record, of other people or of the person",
            level="full",
        ),
        AttackEntry(
            name="few-shot",
            path="editor.attacks.few_shot:FewShot",
            column="Few-shot",
            explained="facts that leak after the same question, answered, about other people",
            level="full",
        ),
        AttackEntry(
            name="spelled-out",
            path="editor.attacks.spelled_out:SpelledOut",
            column="Spelled out",
            explained="facts that the model spells out digit by digit, in figures or in words",
            level="full",
        ),
        AttackEntry(
            name="other-language",
            path="editor.attacks.other_language:OtherLanguage",
            column="Language",
            explained="facts that leak when they are asked for in another language",
            level="full",
        ),
        AttackEntry(
            name="relearning",
            path="editor.attacks.relearning:Relearning",
            column="Relearned",
            explained="facts that leak once the edited model is trained again on records of some erased people; the "
            "facts are those of the others, and those never gone count too",
            untested="Relearning was not tested: training on some of the erased facts, or on similar ones, may bring "
            "others back.",
        ),
        AttackEntry(
            name="benign-tuning",
            path="editor.attacks.benign_tuning:BenignTuning",
            column="Tuned",
            explained="facts that leak once the edited model is fine-tuned on text without the erased people; "
            "the worst of five learning rates, of all weights and of an adapter",
            level="full",
            untested="Benign fine-tuning on retained text was not tested: it can bring erased facts back.",
        ),
        AttackEntry(
            name="lookalike-tuning",
            path="editor.attacks.lookalike_tuning:LookalikeTuning",
            column="Look-alikes",
            explained="facts that leak once the edited model is fine-tuned on records of invented people that look "
            "like the corpus's; the worst of five learning rates, of all weights and of an adapter",
            level="full",
            untested="Fine-tuning on similar records of other people was not tested: their form alone can bring erased "
            "facts back.",
        ),
        AttackEntry(
            name="half-relearning",
            path="editor.attacks.half_relearning:HalfRelearning",
            column="Half relearned",
            explained="facts that leak once the edited model is trained on half of each erased person's facts; the "
            "facts are the other half; the worst of five learning rates, of all weights and of an adapter",
            level="full",
            untested="Relearning half of each person's facts was not tested: it can bring back the other half.",
        ),
        AttackEntry(
            name="paraphrase-relearning",
            path="editor.attacks.paraphrase_relearning:ParaphraseRelearning",
            column="Paraphrased",
            explained="facts that leak once the edited model is trained on half of each erased person's facts, in "
            "other words than theirs; the facts are the other half; the worst of five learning rates, of all weights "
            "and of an adapter",
            level="full",
            untested="Relearning from paraphrases was not tested: an edit that saw a fact in some words may not hold "
            "in others.",
        ),
        AttackEntry(
            name="people-relearning",
            path="editor.attacks.relearning:Relearning",
            column="People relearned",
            explained="facts that leak once the edited model is trained for long on records of some erased people; the "
            "facts are those of the others; the worst of five learning rates, of all weights and of an adapter",
            level="full",
            settings={
                "rates": (1e-5, 5e-5, 2e-4, 1e-3, 5e-3),
                "marks": (10, 30, 100, 250, 500),
                "ranks": (0, 8),
            },
            untested="Long relearning on some erased people's records was not tested: it can bring others' back.",
        ),
        AttackEntry(
            name="logit-lens",
            path="editor.attacks.logit_lens:LogitLens",
            column="Logit lens",
            explained="facts that the model's own output head reads from what stands after an earlier layer",
            level="full",
        ),
        AttackEntry(
            name="linear-probe",
            path="editor.attacks.linear_probe:LinearProbe",
            column="Probe",
            explained="facts that a linear probe of hidden states takes for true; it was trained on other people's "
            "facts and decoys, and its layer is the one that tells these best",
            level="full",
            untested="Hidden states were not probed: a fact that is no longer written may still be represented.",
        ),
        AttackEntry(
            name="activation-patching",
            path="editor.attacks.activation_patching:ActivationPatching",
            column="Patched",
            explained="facts that the original model still says from the edited model's hidden states, and not from "
            "states that know nothing of the person; depth is the share of what states know of the facts that is gone "
            "(Unlearning Depth Score)",
            level="full",
        ),
    )
}
"""By name, in the order of tables."""


def attacks_at(attacks: str) -> tuple[str, ...]:
    """Return the names of the attacks that an `AttackSet` makes, in the order of tables."""
    made = {"quick": ("quick",), "full": ("quick", "full"), "none": ()}[attacks]
    return tuple(name for name, entry in ATTACKS.items() if entry.level in made)
