"""Named entities from a Hugging Face token classification model. Importing this module imports transformers."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from presidio_analyzer import RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts
from presidio_analyzer.predefined_recognizers.ner import huggingface_ner_recognizer

from policies.errors import PolicyError

if (
    huggingface_ner_recognizer.hf_pipeline is None
):  # Presidio was imported without it: see detectors/presidio/imports.py
    importlib.reload(huggingface_ner_recognizer)

_LABELS = {
    **huggingface_ner_recognizer.HuggingFaceNerRecognizer.DEFAULT_LABEL_MAPPING,
    "FAC": "LOCATION",
    "GPE": "LOCATION",
    "NORP": "NRP",
    "NRP": "NRP",
}


@contextmanager
def _nobody_asked() -> Iterator[None]:
    """Have code that comes with a model refused, where transformers would ask on the terminal whether to run it."""
    pipeline = huggingface_ner_recognizer.hf_pipeline
    huggingface_ner_recognizer.hf_pipeline = partial(pipeline, trust_remote_code=False)
    try:
        yield
    finally:
        huggingface_ner_recognizer.hf_pipeline = pipeline


class LocalHuggingFaceRecognizer(huggingface_ner_recognizer.HuggingFaceNerRecognizer):  # type: ignore[misc]
    """Presidio's recognizer on a model folder of this machine, on the CPU; nothing is downloaded.

    A failure of the model is raised, and so reported with the document; Presidio only logs it.

    Args:
        folder: folder of a checkpoint with a tokenizer, as `save_pretrained` writes them.
        language: two-letter code of the language.
        entity_types: entity types that the recognizer may report.

    Raises:
        PolicyError: no such folder, or no token classification model in it.
    """

    def __init__(self, folder: str, language: str, entity_types: list[str]) -> None:
        if not Path(folder).is_dir():
            raise PolicyError(
                f"`ner`: there is no model folder {folder}", "Give the path of a downloaded checkpoint"
            )
        self._failure: Exception | None = None
        try:
            super().__init__(
                supported_entities=entity_types,
                supported_language=language,
                model_name=folder,
                label_mapping=_LABELS,
                device="cpu",
            )
            with _nobody_asked():
                self.load()
        except (OSError, ValueError, RuntimeError, ImportError, KeyError) as error:
            if "trust_remote_code" in str(error):
                raise PolicyError(
                    f"`ner`: {folder} needs Python code that comes with it, and such code is not run",
                    "Give a checkpoint of a model type that transformers has",
                ) from None
            raise PolicyError(
                f"`ner`: {folder} cannot be loaded for token classification ({type(error).__name__})",
                "Give a checkpoint with a token classification head and its tokenizer",
            ) from None
        self._model: Any = self.ner_pipeline
        self.ner_pipeline: Any = self._run_model

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """Return the named entities of a text, of the asked types alone.

        Raises:
            RuntimeError: the model failed; its own error is the cause.
        """
        self._failure = None
        results = super().analyze(text, entities, nlp_artifacts)
        if self._failure is not None:
            raise RuntimeError from self._failure
        return [result for result in results if result.entity_type in entities]

    def _run_model(self, text: str) -> Any:
        try:
            return self._model(text)
        except Exception as error:  # raised again by `analyze`
            self._failure = error
            return []
