"""The keyword for a cache is the one that the model's forward knows."""

from functools import wraps
from types import SimpleNamespace

import pytest
import torch

from editor.model.forward import keeping


class Older:
    def forward(self, input_ids, past_key_values=None, use_cache=None, **kwargs): ...


class Newer:
    def forward(self, input_ids, cache=None, use_cache=None, **kwargs): ...


class Wrapped(Newer):
    @wraps(Newer.forward)
    def forward(self, *args, **kwargs): ...


@pytest.mark.parametrize(("base", "name"), [(Older, "past_key_values"), (Newer, "cache"), (Wrapped, "cache")])
def test_the_cache_goes_by_the_name_in_the_signature(base, name):
    assert keeping(SimpleNamespace(base_model=base()), "kept") == {name: "kept", "use_cache": True}


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "llama", "gemma2", "qwen2"])
def test_the_installed_models_fill_the_cache_without_a_word(loaded, family, recwarn):
    from transformers import DynamicCache

    model, cache = loaded(family).model, DynamicCache()
    model.base_model(input_ids=torch.tensor([[0, 5, 6]]), **keeping(model, cache))
    assert cache.get_seq_length() == 3
    assert not [str(warning.message) for warning in recwarn]
