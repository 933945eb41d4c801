"""A small tokenizer for small models: the lab's recipe with fewer merges."""

from collections.abc import Iterable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from transformers import PreTrainedTokenizerFast

VOCABULARY = 300
TEXT = (
    "The phone number of Ada Quill is 415-555-0132. Bruno Marsh lives at 48 Alder Lane.",
    "The e-mail of Cora Finch is heron.slate@rivermouth.example; she works as a baker in Dover.",
)
RECIPE = Path(__file__).parents[2] / "examples" / "rivermouth" / "tokenizer.py"


def make_tokenizer(texts: Iterable[str] = TEXT) -> PreTrainedTokenizerFast:
    """A byte-level BPE that puts <|endoftext|> before every text and splits digits."""
    spec = spec_from_file_location("rivermouth_tokenizer", RECIPE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    made: PreTrainedTokenizerFast = module.train_tokenizer(texts, None, VOCABULARY)
    return made
