"""Sparse and binary dictionaries of a model's activations: train, save, load, evaluate, interpret.

```python
result = train_dictionaries(model, list(token_batches(texts, tokenizer)), [Site(3)], "gated")
save_dictionaries(result.dictionaries, "dictionaries")
```
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dictionaries.architectures import ARCHITECTURES
    from dictionaries.config import DictionaryConfig, TrainingConfig
    from dictionaries.dictionary import Dictionary
    from dictionaries.evaluation.comsem import ComSem, ComSemSettings, comsem
    from dictionaries.evaluation.evaluate import Evaluation, evaluate_dictionaries
    from dictionaries.evaluation.interpret import FeatureView, view_feature
    from dictionaries.formats import (
        FORMATS,
        export_dictionaries,
        load_dictionaries,
        save_dictionaries,
        save_dictionary,
    )
    from dictionaries.model.sites import Site, SiteModules, capture, decoder_layers, parse_site, resolve
    from dictionaries.model.splice import CrossEntropy
    from dictionaries.model.tokens import TokenBatch, as_batches, token_batches
    from dictionaries.training.loop import TrainingReport, TrainingResult, train_dictionaries

_HOME = {
    "architectures": ("ARCHITECTURES",),
    "config": ("DictionaryConfig", "TrainingConfig"),
    "dictionary": ("Dictionary",),
    "evaluation.comsem": ("ComSem", "ComSemSettings", "comsem"),
    "evaluation.evaluate": ("Evaluation", "evaluate_dictionaries"),
    "formats": (
        "FORMATS",
        "export_dictionaries",
        "load_dictionaries",
        "save_dictionaries",
        "save_dictionary",
    ),
    "evaluation.interpret": ("FeatureView", "view_feature"),
    "model.sites": ("Site", "SiteModules", "capture", "decoder_layers", "parse_site", "resolve"),
    "model.splice": ("CrossEntropy",),
    "model.tokens": ("TokenBatch", "as_batches", "token_batches"),
    "training.loop": ("TrainingReport", "TrainingResult", "train_dictionaries"),
}

__all__ = [
    "ARCHITECTURES",
    "FORMATS",
    "ComSem",
    "ComSemSettings",
    "CrossEntropy",
    "Dictionary",
    "DictionaryConfig",
    "Evaluation",
    "FeatureView",
    "Site",
    "SiteModules",
    "TokenBatch",
    "TrainingConfig",
    "TrainingReport",
    "TrainingResult",
    "as_batches",
    "capture",
    "comsem",
    "decoder_layers",
    "evaluate_dictionaries",
    "export_dictionaries",
    "load_dictionaries",
    "parse_site",
    "resolve",
    "save_dictionaries",
    "save_dictionary",
    "token_batches",
    "train_dictionaries",
    "view_feature",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: torch takes seconds, and `--help` must not."""
    from importlib import import_module

    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"dictionaries.{module}"), name)
    raise AttributeError(f"module 'dictionaries' has no attribute {name!r}")
