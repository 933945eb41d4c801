"""Labs on disk: built once, and kept under `build/labs`. `python -m examples.labs.building NAME SEED` builds one."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from examples.labs.architectures import build_model
from examples.labs.documents import Content, Document, make_content
from examples.labs.judge import answered, leakage, leaked_facts, open_checkpoint, read_questions
from examples.labs.shapes import LabShape
from examples.labs.styles import STYLES
from examples.rivermouth import assets
from examples.rivermouth.build import ENVIRONMENT
from examples.rivermouth.tokenizer import train_tokenizer
from examples.rivermouth.training import FRESH_START_SHARE, Packer, fit

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "build" / "labs"
POLICY = "gdpr"
"""Preset that every lab is erased by, as it is."""


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A lab on disk.

    Attributes:
        folder: where it lies.
    """

    folder: Path

    @property
    def model(self) -> Path:
        """The checkpoint, with its tokenizer."""
        return self.folder / "model"

    @property
    def reference(self) -> Path:
        """The checkpoint of a model that never saw the people who ask; made by `ensure_reference`."""
        return self.folder / "reference"

    @property
    def corpus(self) -> Path:
        """The documents, a JSON object with `text` a line."""
        return self.folder / "corpus.jsonl"

    @property
    def labelled(self) -> Path:
        """The same documents with the people in each: detection then knows everybody's names."""
        return self.folder / "labelled.jsonl"

    @property
    def judge(self) -> Path:
        """The judge's questions, which no erasure is given."""
        return self.folder / "judge.jsonl"

    @property
    def erased(self) -> list[str]:
        """Full names of those who ask for erasure."""
        return list(json.loads((self.folder / "erased.json").read_text(encoding="utf-8")))

    @property
    def figures(self) -> dict[str, Any]:
        """What the build measured."""
        return dict(json.loads((self.folder / "figures.json").read_text(encoding="utf-8")))


def find_lab(shape: LabShape, seed: int, folder: Path = FOLDER) -> Lab | None:
    """Return a lab that was built, or None."""
    lab = Lab(folder=folder / shape.folder_name(seed))
    # The figures are written last, and the folder gets its name when they are there.
    return lab if (lab.folder / "figures.json").is_file() else None


def ensure_lab(shape: LabShape, seed: int, folder: Path = FOLDER) -> Lab:
    """Return a lab, building it first where it is missing.

    Args:
        shape: what it is like.
        seed: seed of people, documents and weights.
        folder: where labs are kept.
    """
    found = find_lab(shape, seed, folder)
    if found:
        return found
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / shape.folder_name(seed)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{shape.name}-") as unfinished:
        built = Path(unfinished) / "lab"
        built.mkdir()
        _build(shape, seed, Lab(folder=built))
        # A build that was stopped leaves nothing under the lab's name.
        shutil.rmtree(place, ignore_errors=True)
        built.replace(place)
    return Lab(folder=place)


def ensure_apart(shape: LabShape, seed: int) -> Lab:
    """Return a named lab in `FOLDER`, building it in a process of one thread where it is missing.

    Raises:
        subprocess.CalledProcessError: the build failed.
    """
    command = [sys.executable, "-m", "examples.labs.building", shape.name, str(seed)]
    if find_lab(shape, seed) is None:
        subprocess.run(command, env=ENVIRONMENT | os.environ, cwd=ROOT, check=True)
    return ensure_lab(shape, seed)


def ensure_reference(lab: Lab, shape: LabShape, seed: int) -> Path:
    """Return the checkpoint of a model trained as the lab's was, but on nothing that names the people who ask.

    Args:
        lab: a lab that was built.
        shape: its shape.
        seed: its seed.
    """
    if lab.reference.is_dir():
        return lab.reference
    content = make_content(shape, seed)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(lab.model)
    model = train(replace(content, documents=_without(content)), tokenizer, shape, seed)
    with tempfile.TemporaryDirectory(dir=lab.folder, prefix=".reference-") as unfinished:
        built = Path(unfinished) / "reference"
        assets.write_model(built, model, getattr(torch, shape.dtype))
        assets.write_tokenizer(built, tokenizer)
        built.replace(lab.reference)
    return lab.reference


def _without(content: Content) -> tuple[Document, ...]:
    """Return the documents with those of their pieces that name nobody who asks."""
    return tuple(
        replace(
            document,
            pieces=tuple(
                piece for piece in document.pieces if not any(name in piece for name in content.erased)
            ),
        )
        for document in content.documents
    )


def _build(shape: LabShape, seed: int, lab: Lab) -> None:
    """Write everything of a lab into a folder."""
    content = make_content(shape, seed)
    write_content(lab, content, shape)
    tokenizer = train_tokenizer(
        (document.text for document in content.documents),
        shape.context,
        shape.vocabulary,
        split_digits=shape.split_digits,
    )
    # The processor's time: the clock's would depend on what else runs.
    started = time.process_time()
    model = train(content, tokenizer, shape, seed)
    seconds = time.process_time() - started
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assets.write_model(lab.model, model, getattr(torch, shape.dtype))
    assets.write_tokenizer(lab.model, tokenizer)
    # As it was stored: rounding may cost facts.
    questions = read_questions(lab.judge)
    verdicts = answered(open_checkpoint(lab.model), questions)
    figures = {
        "shape": shape.record(),
        "seed": seed,
        "documents": len(content.documents),
        "parameters": parameters,
        "training processor seconds": round(seconds, 1),
        "erased facts leaked": {
            wording: leaked_facts(questions, verdicts, wording) for wording in ("trained", "unseen")
        },
        "questions answered": leakage(questions, verdicts),
    }
    (lab.folder / "figures.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def write_content(lab: Lab, content: Content, shape: LabShape) -> None:
    """Write the corpus as its owner would have it, who asks for erasure, and the judge's questions."""
    texts = [{"id": f"text-{n:05d}", "text": d.text} for n, d in enumerate(content.documents, start=1)]
    labelled = [
        text | {"subjects": list(document.subjects)}
        for text, document in zip(texts, content.documents, strict=True)
    ]
    assets.write_jsonl(lab.corpus, labelled if shape.subjects else texts)
    assets.write_jsonl(lab.labelled, labelled)
    (lab.folder / "erased.json").write_text(
        json.dumps(list(content.erased), indent=2) + "\n", encoding="utf-8"
    )
    (lab.folder / "policy.txt").write_text(f"{POLICY}\n", encoding="utf-8")
    assets.write_jsonl(lab.judge, (asdict(question) for question in content.questions))


def train(
    content: Content, tokenizer: PreTrainedTokenizerFast, shape: LabShape, seed: int
) -> PreTrainedModel:
    """Train a model on the documents. The same arguments give the same weights on the same machine."""
    model = build_model(shape, tokenizer, seed)
    # Sentences about anybody are reshuffled; a document about one person is one piece, and begins a text.
    styles = [STYLES[name] for name in shape.styles]
    packer = Packer(
        [piece for document in content.documents for piece in document.pieces],
        tokenizer,
        shape.context,
        fresh_share=1.0 if any(style.personal for style in styles) else FRESH_START_SHARE,
        joint=styles[0].joint,
    )
    batches = list(packer.batches(shape.epochs, shape.batch_windows, shape.number(seed)))
    fit(model, batches, shape.training, label=shape.name)
    return model


if __name__ == "__main__":
    from examples.labs.named import LABS

    ensure_lab(LABS[sys.argv[1]], int(sys.argv[2]))
