"""`python -m tests.benchmarks.families`: what every family of transformers can be audited, erased from and reverted by.

Each model is tiny and random. The last column is the largest difference of ln p between the audit's passes and the
model's own forward on one text alone; more than `TOLERANCE` fails.
"""

import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

import expunge
from detectors import Fact, Source, write_facts
from editor.model.forward import logit_blocks
from editor.model.loading import LoadedModel, load_model, quiet
from editor.model.shared_prefix import answer_passes
from editor.model.stored import StoredWeights
from editor.model.tokens import TokenSequence, encode_answer
from policies.errors import ExpungeError
from tests.editor.every_family import FAMILIES, make_family
from tests.editor.tokenizing import make_tokenizer

TOLERANCE = 1e-4
"""Largest difference of ln p that is rounding, in nats."""
PEOPLE = ("Ada Quill", "Bruno Marsh")
POLICY = """
name: families
entities:
  PHONE_NUMBER:
    templates: ["The phone number of {subject} is"]
decoding: {budget_tries: 2}
"""


class Row(NamedTuple):
    """What was seen of one family."""

    family: str
    audit: str
    erase: str
    export: str
    revert: str
    difference: float
    unused: tuple[str, ...]
    refusal: str = ""

    @property
    def failed(self) -> bool:
        """Whether something other than a refusal by name went wrong."""
        said = (self.audit, self.erase, self.export, self.revert)
        return not self.difference <= TOLERANCE or any(text.startswith("FAILS") for text in said)


def family_row(name: str) -> Row:
    """Audit a family's model, erase a person from it, and take the edit back."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with quiet():
            make_family(name).save_pretrained(folder / "model")
        make_tokenizer().save_pretrained(folder / "model")
        (folder / "policy.yaml").write_text(POLICY)
        write_facts(folder / "facts.jsonl", [_fact(number, who) for number, who in enumerate(PEOPLE)])
        given = {"facts": folder / "facts.jsonl", "policy": folder / "policy.yaml", "device": "cpu"}
        light = {"open_texts": 0, "candidates": 1, "confirm": 4, "membership": False}
        audit, _ = _try(lambda: expunge.audit(folder / "model", subjects=PEOPLE[:1], **light, **given))
        method = {"method": "memit", "strength": "default", "controls": False, "subjects": PEOPLE[:1]}
        erase, refusal = _try(
            lambda: expunge.erase(folder / "model", output=folder / "out", keep_edit=True, **method, **given)
        )
        export = revert = "-"
        if erase == "yes":
            export = "yes" if _named_alone(folder) else "FAILS: other tensors differ"
            revert, _ = _try(lambda: expunge.revert(folder / "out", output=folder / "back"))
            if revert == "yes" and _differing(folder / "model", folder / "back"):
                revert = "FAILS: tensors differ"
        loaded = load_model(str(folder / "model"), device="cpu")
        loaded, difference = _difference(loaded)
        return Row(name, audit, erase, export, revert, difference, loaded.passes.unused, refusal)


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    refused: dict[str, list[str]] = {}
    for row in rows:
        if row.refusal:
            refused.setdefault(_cause(row.refusal), []).append(row.family)
    listed = [f"- {cause}: {', '.join(families)}." for cause, families in refused.items()]
    return "\n".join([*HEAD, *map(_line, rows), "", "Refused:", "", *listed])


def _cause(refusal: str) -> str:
    """Return why a model is refused, without its own name and those of its layers."""
    return NAMED_LAYER.sub("a layer", refusal.partition(" but not edited: ")[2] or refusal)


NAMED_LAYER = re.compile(r"layer \S+ \(\S+\)")


HEAD = (
    "| family | audit | erase | export | revert | difference, nats | passes not used |",
    "| --- | --- | --- | --- | --- | ---: | --- |",
)


def _line(row: Row) -> str:
    difference = f"{row.difference:.0e}{'' if row.difference <= TOLERANCE else ' FAILS'}"
    cells = (row.family, row.audit, row.erase, row.export, row.revert, difference, "; ".join(row.unused))
    return f"| {' | '.join(cells)} |"


def _fact(number: int, name: str) -> Fact:
    prefix, secret = f"{name} answers at ", f"{number + 2}15-555-01{number + 10}"
    end = len(prefix) + len(secret)
    source = Source(document=name, start=len(prefix), end=end, score=0.7, prefix=prefix)
    return Fact(subject=name, entity_type="PHONE_NUMBER", secret=secret, sources=(source,))


def _try(job: Callable[[], object]) -> tuple[str, str]:
    """Return whether a job is done, and the cause where it is refused."""
    try:
        job()
    except ExpungeError as error:
        return "refused", error.cause
    except Exception as error:  # what the table is to show
        return f"FAILS: {type(error).__name__}", ""
    return "yes", ""


def _tensors(folder: Path) -> dict[str, torch.Tensor]:
    stored = StoredWeights.find(folder)
    assert stored is not None
    return {name: stored.read(name) for name in stored.tensors}


def _differing(first: Path, second: Path) -> set[str]:
    mine, theirs = _tensors(first), _tensors(second)
    both = set(mine) & set(theirs)
    return (set(mine) ^ set(theirs)) | {name for name in both if not torch.equal(mine[name], theirs[name])}


def _named_alone(folder: Path) -> bool:
    """Whether the checkpoint written differs from the original, in tensors that the edit names alone."""
    from editor.edits.edit import Edit

    named = set(Edit.load(folder / "out.edit").deltas)
    differing = _differing(folder / "model", folder / "out" / "model")
    ends = {name.removeprefix("model.").removeprefix("language_model.") for name in named}
    return bool(differing) and all(any(name.endswith(end) for end in ends) for name in differing)


@torch.no_grad()
def _difference(loaded: LoadedModel) -> tuple[LoadedModel, float]:
    """Return the model with its passes, and the largest difference of ln p of answers from its own forward."""
    prompts = ("The phone number of Ada Quill is", "Ada Quill answers at", "Dial")
    pairs = [(prompt, answer) for prompt in prompts for answer in ("415-555-0132", "212-555-0188 in Dover")]
    texts = [encode_answer(loaded.tokenizer, *pair, i, 96) for i, pair in enumerate(pairs)]
    loaded = with_passes_of(loaded, texts)
    largest = 0.0
    for batch, hidden in answer_passes(loaded, texts):
        own = torch.cat([_own(loaded, texts[index]) for index in batch.indices])
        for place, logits in logit_blocks(loaded, hidden):
            log_p = logits.log_softmax(1).gather(1, batch.targets[place, None])[:, 0]
            largest = max(largest, float((log_p - own[place]).abs().nan_to_num(nan=torch.inf).max()))
    return loaded, largest


def with_passes_of(loaded: LoadedModel, texts: list[TokenSequence]) -> LoadedModel:
    """Return the model with the passes that an audit would take."""
    from dataclasses import replace

    from editor.model.own_forward import compare_passes

    return replace(loaded, passes=compare_passes(loaded, texts))


def _own(loaded: LoadedModel, text: TokenSequence) -> torch.Tensor:
    ids = torch.tensor([text.ids])
    log_p = loaded.model(input_ids=ids, use_cache=False).logits[0].float().log_softmax(1)
    return torch.stack([log_p[at - 1, text.ids[at]] for at in range(len(text.ids)) if text.marked[at]])


def main() -> None:
    """Print the table of the families named, of all by default; exit with 1 where one fails."""
    rows = []
    for name in sys.argv[1:] or FAMILIES:
        rows.append(family_row(name))
        sys.stderr.write(f"{_line(rows[-1])} {rows[-1].refusal}\n")
    sys.stdout.write(f"{table(rows)}\n")
    sys.exit(any(row.failed for row in rows))


if __name__ == "__main__":
    main()
