"""Perplexity of checkpoints on text that none of them was taught: `python -m examples.smollm2.judge FOLDER ...`."""

import argparse
import json
from pathlib import Path

from editor.model.loading import load_model
from editor.questions.retained import encode_documents, perplexity


def main() -> None:
    """Print a line for each checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="+", metavar="FOLDER", help="checkpoints")
    parser.add_argument("--texts", type=Path, default=Path("build/smollm2/judge.jsonl"), help="what judges")
    arguments = parser.parse_args()
    for folder in arguments.folders:
        tokens, value = judged(folder, arguments.texts)
        print(f"{folder}: perplexity {value:.2f} on {tokens:,} tokens")


def judged(folder: str, texts: Path) -> tuple[int, float]:
    """Return the number of tokens and a checkpoint's perplexity on a file of texts."""
    from detectors import Document

    lines = (json.loads(line) for line in texts.read_text(encoding="utf-8").splitlines())
    documents = [Document(id=line["id"], text=line["text"], subjects=()) for line in lines]
    loaded = load_model(folder, device="cpu")
    return perplexity(loaded, encode_documents(loaded, documents, {}, min(1024, loaded.context_length)))


if __name__ == "__main__":
    main()
