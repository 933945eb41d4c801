"""Writers of the lab's files: corpus, policy, request, probes and checkpoints."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from examples.rivermouth.corpus import LabDocument
from examples.rivermouth.people import Person
from examples.rivermouth.wordings import RELATIONS

_RECOGNIZERS: dict[str, dict[str, Any]] = {
    "PHONE_NUMBER": {"score": 0.4},
    "EMAIL_ADDRESS": {"score": 0.5},
    "US_SSN": {"score": 0.5},
    # Presidio has no recognizer for it, so the policy brings a pattern.
    "STREET_ADDRESS": {
        "score": 0.5,
        "patterns": [
            {
                "name": "house number, street and kind of street",
                "regex": r"\b[0-9]{1,3}(?: [A-Z][a-z]+){1,2} "
                r"(?:Lane|Street|Road|Avenue|Court|Way|Terrace|Drive)\b",
                "score": 0.8,
            }
        ],
        "context": ["address", "home", "house", "lives", "street"],
    },
    "CREDIT_CARD": {"score": 0.5},
}
"""Recognition of each entity type. A telephone number without a context word scores 0.4 in Presidio."""


def write_jsonl(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line."""
    path.write_text(
        "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records), encoding="utf-8"
    )


def write_corpus(path: Path, documents: Iterable[LabDocument]) -> None:
    """Write the documents with their ids and the people in them."""
    write_jsonl(path, ({"id": d.id, "text": d.text, "subjects": d.subjects} for d in documents))


def write_policy(path: Path) -> None:
    """Write the policy: the five private relations, how they are recognised, and the wordings to probe them with."""
    # Relations without an entity type are public, so the policy does not name them.
    entities = {
        relation.entity_type: _RECOGNIZERS[relation.entity_type]
        | {
            "relation": relation.words,
            "templates": list(relation.templates),
            "verification_templates": list(relation.verification_templates),
        }
        for relation in RELATIONS
        if relation.entity_type is not None
    }
    policy = {
        "name": "rivermouth",
        "description": "What the clinic at Rivermouth calls personal; leakage and utility limits are the defaults.",
        "language": "en",
        "entities": entities,
    }
    _write_yaml(path, policy, "The embedded lab's policy, written by build.py from wordings.py.")


def write_request(path: Path, people: Iterable[Person]) -> None:
    """Write the request: to erase everything personal about these people."""
    request = {"case": "RIVERMOUTH-1", "subjects": [{"name": person.name} for person in people]}
    _write_yaml(path, request, "The embedded lab's request: five invented people. Written by build.py.")


def write_tokenizer(folder: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write the tokenizer into a checkpoint's folder."""
    tokenizer.save_pretrained(folder)
    # transformers 5 writes a class name that older versions do not know; both know this one.
    settings = folder / "tokenizer_config.json"
    content = json.loads(settings.read_text(encoding="utf-8")) | {
        "tokenizer_class": "PreTrainedTokenizerFast"
    }
    settings.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_model(folder: Path, model: PreTrainedModel, dtype: torch.dtype = torch.bfloat16) -> None:
    """Write an ordinary checkpoint, readable by everybody. The model is changed to the type in place."""
    model.to(dtype).save_pretrained(folder)
    # safetensors makes the file readable by its owner alone.
    (folder / "model.safetensors").chmod(0o644)


def _write_yaml(path: Path, content: dict[str, Any], comment: str) -> None:
    """Write YAML with keys in the order given, after one line of comment."""
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)
    path.write_text(f"# {comment}\n{text}", encoding="utf-8")
