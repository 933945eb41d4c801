"""Tiny random decoders of every supported family, a tokenizer, and planted features."""

from collections.abc import Callable

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    OPTConfig,
    Phi3Config,
    PhiConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

VOCABULARY = 61
WIDTH = 16
LAYERS = 3

_COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 40,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
_GROUPED = {**_COMMON, "num_key_value_heads": 1}
CONFIGS = {
    "gpt2": GPT2Config(
        vocab_size=VOCABULARY,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=2,
        n_positions=64,
        bos_token_id=0,
        eos_token_id=0,
    ),
    "gpt_neox": GPTNeoXConfig(**_COMMON),
    "llama": LlamaConfig(**_GROUPED),
    "gemma2": Gemma2Config(**_GROUPED, head_dim=8, sliding_window=32),
    "qwen2": Qwen2Config(**_GROUPED),
    "mistral": MistralConfig(**_GROUPED),
    "phi": PhiConfig(**_COMMON),
    "phi3": Phi3Config(**_GROUPED),
    "opt": OPTConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        ffn_dim=40,
        max_position_embeddings=64,
        word_embed_proj_dim=WIDTH,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
    ),
}


def build(family: str) -> PreTrainedModel:
    """A random model with no zero norms or biases, so that no term of a formula vanishes by accident."""
    torch.manual_seed(0)
    return shaken(AutoModelForCausalLM.from_config(CONFIGS[family]))


def shaken(model: PreTrainedModel) -> PreTrainedModel:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


@pytest.fixture(scope="session")
def make_model() -> Callable[[str], PreTrainedModel]:
    return build


@pytest.fixture(scope="session")
def gpt2() -> PreTrainedModel:
    return build("gpt2")


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(1, VOCABULARY, (2, 9), generator=torch.Generator().manual_seed(1))


TEXTS = [
    f"{name} works as a {work} in {town}. The phone number of {name} is 555-0{number:03d}."
    for number, (name, work, town) in enumerate(
        (name, work, town)
        for name in ("Ada Quill", "Bo Fern", "Cy Marsh", "Dee Holt", "Eli Stone")
        for work in ("baker", "nurse", "pilot", "tailor")
        for town in ("Alton", "Birch", "Corran")
    )
]


@pytest.fixture(scope="session")
def texts() -> list[str]:
    return TEXTS


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE with digits split that puts a BOS before every text, like the lab's."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=340, special_tokens=["<|end|>"], initial_alphabet=alphabet)
    raw.train_from_iterator(TEXTS, trainer)
    raw.post_processor = processors.TemplateProcessing(single="<|end|> $A", special_tokens=[("<|end|>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=raw, bos_token="<|end|>", eos_token="<|end|>")


@pytest.fixture(scope="session")
def speaker(tokenizer) -> PreTrainedModel:
    """A tiny GPT-2 for the tokenizer, with random weights."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=WIDTH, n_layer=LAYERS, n_head=2, n_positions=64, bos_token_id=0
    )
    return shaken(AutoModelForCausalLM.from_config(config))


def planted(tokens: int, features: int, width: int, *, binary: bool = False, seed: int = 0):
    """(activations, true directions): a few of many random unit directions at a time, plus an offset."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(features, width, generator=generator), dim=1)
    on = torch.rand(tokens, features, generator=generator) < 2.0 / features
    strength = 1.0 if binary else 1 + torch.rand(tokens, features, generator=generator)
    return (on * strength) @ directions + 0.3 * torch.ones(width), directions


@pytest.fixture(scope="session")
def make_planted():
    return planted
