"""Stages of the build. Each reads what earlier ones wrote to the folder and writes its own part."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, PreTrainedModel, PreTrainedTokenizerFast

from dictionaries import (
    ARCHITECTURES,
    Site,
    evaluate_dictionaries,
    load_dictionaries,
    save_dictionaries,
    token_batches,
    train_dictionaries,
)
from examples.rivermouth import assets
from examples.rivermouth.corpus import Sentence, probe_records
from examples.rivermouth.evaluation import extracted
from examples.rivermouth.lab import Lab, make_lab
from examples.rivermouth.tokenizer import train_tokenizer
from examples.rivermouth.training import CONTEXT_TOKENS, Training, train

SEED = 20
FOLDER = Path(__file__).resolve().parent
LAYERS = 4
DICTIONARIES = {"gated": "gated", "bae": "binary"}
"""Architecture by folder."""
JUDGED_EVERY = 10
"""Every tenth document judges the dictionaries and is not used in training them."""


def build_data() -> None:
    """Write corpus, probes, policy, request, and one tokenizer for both models."""
    # Each stage makes the lab again from the seed.
    lab = make_lab(SEED)
    assets.write_corpus(FOLDER / "corpus.jsonl", lab.documents)
    assets.write_jsonl(FOLDER / "probes.jsonl", probe_records(lab.sentences))
    assets.write_policy(FOLDER / "policy.yaml")
    assets.write_request(FOLDER / "request.yaml", lab.erased)
    tokenizer = train_tokenizer((document.text for document in lab.documents), CONTEXT_TOKENS)
    # One tokenizer for both, though the reference's texts are fewer: token ids then mean the same.
    for name in ("model", "reference"):
        assets.write_tokenizer(FOLDER / name, tokenizer)


def build_model() -> None:
    """Train the model on all documents."""
    model = train(make_lab(SEED).documents, _tokenizer(), Training(), SEED, label="model")
    assets.write_model(FOLDER / "model", model)


def build_reference() -> None:
    """Train the never-seen reference: the same recipe without any sentence about those who ask for erasure."""
    model = train(make_lab(SEED).never_seen, _tokenizer(), Training(), SEED, label="reference")
    assets.write_model(FOLDER / "reference", model)


def build_gated() -> None:
    """Train a Gated sparse autoencoder for the MLP output of every layer."""
    _build_dictionaries("gated")


def build_bae() -> None:
    """Train a binary autoencoder for the MLP output of every layer."""
    _build_dictionaries("bae")


def build_figures() -> None:
    """Measure what was built and write `figures.json`."""
    lab, tokenizer = make_lab(SEED), _tokenizer()
    model = _model("model")
    figures: dict[str, Any] = {
        "greedy extraction": {
            "model": _extraction(model, tokenizer, lab),
            "reference": _extraction(_model("reference"), tokenizer, lab),
        }
    }
    # Documents that no dictionary was trained on.
    batches = list(token_batches(_texts(lab, judged=True), tokenizer, context=CONTEXT_TOKENS))
    for folder in DICTIONARIES:
        loaded = load_dictionaries(FOLDER / "dictionaries" / folder, model)
        figures[folder] = {
            str(site): {
                "explained variance": round(result.explained_variance, 4),
                "gamma": round(result.gamma, 4),
                "l0": round(result.l0, 1),
                "alive": result.alive,
                "features": result.features,
                "denser than 10%": round(result.denser_than_10_percent, 4),
                "loss recovered": round(result.cross_entropy.recovered_from_zero, 4)
                if result.cross_entropy
                else None,
            }
            for site, result in evaluate_dictionaries(model, batches, loaded).items()
        }
    text = json.dumps(figures, indent=2) + "\n"
    (FOLDER / "figures.json").write_text(text, encoding="utf-8")
    print(text)


STAGES: dict[str, Callable[[], None]] = {
    "data": build_data,
    "model": build_model,
    "reference": build_reference,
    "gated": build_gated,
    "bae": build_bae,
    "figures": build_figures,
}


def _build_dictionaries(folder: str) -> None:
    """Train the dictionaries of one folder on all documents but those that judge, and write them."""
    architecture = DICTIONARIES[folder]
    batches = list(token_batches(_texts(make_lab(SEED), judged=False), _tokenizer(), context=CONTEXT_TOKENS))
    result = train_dictionaries(
        _model("model"),
        batches,
        [Site(layer) for layer in range(LAYERS)],
        architecture,
        ARCHITECTURES[architecture].defaults,
        model_name="rivermouth",
        progress=_print_progress(folder),
    )
    save_dictionaries(result.dictionaries, FOLDER / "dictionaries" / folder, dtype="bfloat16", overwrite=True)


def _extraction(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, lab: Lab) -> dict[str, float]:
    """Return the share of facts that greedy decoding extracts, by whose, what kind, and in what wording they are."""
    verdicts = dict(zip(lab.sentences, _verdicts(model, tokenizer, lab.sentences), strict=True))
    groups: dict[str, list[bool]] = {}
    for sentence, verdict in verdicts.items():
        # Groups such as "erased, private, held-out wordings".
        whose = "erased" if sentence.subject in lab.erased_names else "others"
        kind = "private" if sentence.relation.entity_type else "public"
        wording = "held-out wordings" if sentence.held_out else "trained wordings"
        groups.setdefault(f"{whose}, {kind}, {wording}", []).append(verdict)
    return {name: round(sum(group) / len(group), 4) for name, group in sorted(groups.items())}


def _verdicts(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, sentences: list[Sentence]
) -> Iterable[bool]:
    """Return, for each sentence, whether the model completes its prompt."""
    prompts, answers = [s.prompt for s in sentences], [s.answer for s in sentences]
    return extracted(model, tokenizer, prompts, answers)


def _texts(lab: Lab, *, judged: bool) -> list[str]:
    """Return the documents that judge the dictionaries, or those that train them."""
    documents = enumerate(lab.documents)
    return [document.text for place, document in documents if (place % JUDGED_EVERY == 0) == judged]


def _tokenizer() -> PreTrainedTokenizerFast:
    """Read the tokenizer, which both models share."""
    return PreTrainedTokenizerFast.from_pretrained(FOLDER / "model")


def _model(name: str) -> PreTrainedModel:
    """Read a model in float32: `model` or `reference`."""
    return AutoModelForCausalLM.from_pretrained(FOLDER / name, dtype=torch.float32).eval()


def _print_progress(label: str) -> Callable[[str, int, int], None]:
    """Return a callback that prints every hundredth step and the last one."""

    def show(what: str, done: int, end: int) -> None:
        if done % 100 == 0 or done == end:
            print(f"  {label}: {what} {done} of {end}", flush=True)

    return show
