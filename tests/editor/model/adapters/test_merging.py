"""A merged model is the one that PEFT runs unmerged, for every kind of adapter; what cannot be merged is refused."""

import copy

import peft
import pytest
import torch
from adapters_made import lora, reconfigured, save_adapter_of
from tokenizing import VOCABULARY
from transformers import AutoModelForCausalLM

from editor.edits.export import save_model
from editor.model.adapters import merging
from editor.model.adapters.reading import read_adapter
from editor.model.digests import tensor_digests
from editor.model.loading import load_model, quiet
from policies.errors import ModelError

TARGETS = {"task_type": "CAUSAL_LM", "target_modules": ["q_proj", "down_proj"]}
ADDED = 3
KINDS = {
    "lora": lora(),
    "rslora": lora(use_rslora=True),
    "dora": lora(use_dora=True),
    "pissa": lora(init_lora_weights="pissa"),
    "bias": lora(bias="all"),
    "one-layer": lora(layers_to_transform=[1]),
    "patterns": lora(rank_pattern={"q_proj": 2}, alpha_pattern={"q_proj": 5}),
    "all-linear": lora(target_modules="all-linear"),
    "ia3": peft.IA3Config(**TARGETS, feedforward_modules=["down_proj"]),
    "loha": peft.LoHaConfig(**TARGETS, r=4),
    "lokr": peft.LoKrConfig(**TARGETS, r=4),
    "adalora": peft.AdaLoraConfig(**TARGETS, total_step=10, init_r=4),
    "vera": peft.VeraConfig(**TARGETS),
    "oft": peft.OFTConfig(**TARGETS, oft_block_size=4),
    "norms": peft.LNTuningConfig(task_type="CAUSAL_LM", target_modules=["input_layernorm"]),
}
"""Configurations of adapters that can be merged, by a name."""
OF_EMBEDDINGS = {
    "embedding": {"target_modules": ["embed_tokens"]},
    "head": {"target_modules": ["lm_head"]},
    "both": {"target_modules": ["embed_tokens", "lm_head"]},
    "both-tied": {"target_modules": ["embed_tokens", "lm_head"], "ensure_weight_tying": True},
    "embedding-tied": {"target_modules": ["embed_tokens"], "ensure_weight_tying": True},
    "whole-embedding": {"modules_to_save": ["embed_tokens"]},
    "whole-embedding-tied": {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
    "whole-head": {"modules_to_save": ["lm_head"]},
    "whole-both": {"modules_to_save": ["embed_tokens", "lm_head"]},
    "some-tokens": {"trainable_token_indices": [3, 4]},
}
"""LoRA settings that change the embedding or the head."""
STAY_TIED = {"both-tied", "embedding-tied", "whole-embedding-tied", "some-tokens"}


@pytest.fixture(scope="module")
def bases(checkpoint, tmp_path_factory):
    """A small Qwen 2, with biases; tied or not."""

    def base(tied):
        folder = tmp_path_factory.getbasetemp() / f"qwen2-tied-{tied}"
        if not folder.exists():
            model = AutoModelForCausalLM.from_pretrained(checkpoint("qwen2"))
            if tied:
                model.config.tie_word_embeddings = True
                model.tie_weights()
            with quiet():
                model.save_pretrained(folder)
            load_model(str(checkpoint("qwen2"))).tokenizer.save_pretrained(folder)
        return folder

    return base


def logits(model, size=VOCABULARY):
    tokens = torch.randint(size, (2, 24), generator=torch.Generator().manual_seed(7))
    tokens[0, :6] = torch.tensor([3, 4, 5, size - 3, size - 2, size - 1])
    with torch.no_grad():
        return model.eval()(input_ids=tokens).logits.float()


def are_close(found, wanted):
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_that_can_be_merged_gives_the_unmerged_model(bases, tmp_path, kind):
    adapted = save_adapter_of(bases(False), copy.deepcopy(KINDS[kind]), tmp_path / "a")
    merged = load_model(str(tmp_path / "a"), device="cpu")
    are_close(logits(merged.model), logits(adapted))
    base = load_model(str(bases(False)), device="cpu").model
    assert (logits(merged.model) - logits(base)).abs().max() > 0.01
    assert not any("lora" in name for name, _ in merged.model.named_parameters())


@pytest.mark.parametrize("family", ["gpt2", "gpt_neox", "phi3"])
def test_layers_of_other_families_are_merged(checkpoint, tmp_path, family):
    adapted = save_adapter_of(checkpoint(family), lora(target_modules="all-linear"), tmp_path / "a")
    are_close(logits(load_model(str(tmp_path / "a"), device="cpu").model), logits(adapted))


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("kind", OF_EMBEDDINGS)
def test_embedding_and_head_are_as_peft_runs_them_also_when_written(bases, tmp_path, kind, tied):
    adapted = save_adapter_of(bases(tied), lora(**copy.deepcopy(OF_EMBEDDINGS[kind])), tmp_path / "a")
    merged = load_model(str(tmp_path / "a"), device="cpu")
    are_close(logits(merged.model), logits(adapted))
    stays = tied and kind in STAY_TIED
    assert merged.model.config.tie_word_embeddings == stays
    assert (merged.model.lm_head.weight is merged.model.model.embed_tokens.weight) == stays
    save_model(merged, tmp_path / "written")
    with quiet():
        written = AutoModelForCausalLM.from_pretrained(tmp_path / "written")
    assert torch.equal(logits(written), logits(merged.model))
    assert written.config.tie_word_embeddings == stays


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize(
    "settings",
    [
        {"modules_to_save": ["embed_tokens", "lm_head"]},
        {"modules_to_save": ["embed_tokens"]},
        {"trainable_token_indices": [VOCABULARY, VOCABULARY + 1, VOCABULARY + 2]},
        {"target_modules": ["embed_tokens", "lm_head"]},
        {},
    ],
    ids=["whole-both", "whole-embedding", "new-tokens", "low-rank", "saved-by-peft"],
)
def test_added_tokens_are_there_as_trained(bases, tmp_path, settings, tied):
    adapted = save_adapter_of(bases(tied), lora(**copy.deepcopy(settings)), tmp_path / "a", added=ADDED)
    merged = load_model(str(tmp_path / "a"), device="cpu")
    assert len(merged.tokenizer) == merged.model.config.vocab_size == VOCABULARY + ADDED
    found, wanted = (logits(model, VOCABULARY + ADDED) for model in (merged.model, adapted))
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)  # rows that no file holds are drawn


def test_rows_that_no_file_holds_are_the_same_every_time(bases, tmp_path):
    save_adapter_of(bases(True), lora(), tmp_path / "a")
    tokenizer = load_model(str(bases(True))).tokenizer
    tokenizer.add_tokens(["<new>"])
    tokenizer.save_pretrained(tmp_path / "a")
    state = torch.random.get_rng_state()
    first, second = (load_model(str(tmp_path / "a"), device="cpu") for _ in range(2))
    assert first.adapter.factors is None  # an adapter of the base would lack the new rows
    assert first.model.config.vocab_size == VOCABULARY + 1
    assert tensor_digests(first) == tensor_digests(second)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_vocabulary_without_its_tokenizer_is_refused(bases, tmp_path):
    save_adapter_of(bases(True), lora(modules_to_save=["embed_tokens"]), tmp_path / "a", added=ADDED)
    for path in (tmp_path / "a").glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ModelError, match=r"misshapes .* 303×24 for 300×24.* with its tokenizer"):
        load_model(str(tmp_path / "a"))


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("kind", ["lora", "dora", "both"])
def test_rounding_of_short_dtypes_is_no_difference(bases, tmp_path, dtype, kind):
    config = lora(**OF_EMBEDDINGS["both"]) if kind == "both" else copy.deepcopy(KINDS[kind])
    save_adapter_of(bases(True), config, tmp_path / "a")
    assert load_model(str(tmp_path / "a"), device="cpu", dtype=dtype).model.dtype == getattr(torch, dtype)


@pytest.mark.parametrize(
    ("config", "cause"),
    [
        (
            lora(alora_invocation_tokens=[3, 4]),
            r"type LORA, which cannot be merged",
        ),
        (lora(layer_replication=[[0, 2], [1, 2]]), "repeats layers of its base"),
    ],
    ids=["activated", "replicated"],
)
def test_what_peft_cannot_merge_is_refused(bases, tmp_path, config, cause):
    save_adapter_of(bases(False), copy.deepcopy(config), tmp_path / "a")
    with pytest.raises(ModelError, match=cause):
        load_model(str(tmp_path / "a"))


@pytest.mark.parametrize("fault", ["scaled", "tied"])
def test_a_merge_that_gives_another_model_is_refused(bases, tmp_path, monkeypatch, fault):
    if fault == "tied":
        monkeypatch.setattr(merging, "_separate", lambda *_: None)
    else:
        whole = peft.tuners.lora.layer.Linear.get_delta_weight
        monkeypatch.setattr(
            peft.tuners.lora.layer.Linear, "get_delta_weight", lambda *given: 0.9 * whole(*given)
        )
    save_adapter_of(bases(True), lora(target_modules=["embed_tokens", "q_proj"]), tmp_path / "a")
    with pytest.raises(ModelError, match="gives another model than PEFT runs unmerged"):
        load_model(str(tmp_path / "a"))


def test_tensors_that_peft_drops_are_noticed(bases, tmp_path, monkeypatch):
    save_adapter_of(bases(False), lora(), tmp_path / "a")
    monkeypatch.setattr(peft, "set_peft_model_state_dict", lambda *_, **__: None)
    with pytest.raises(ModelError, match="was not loaded as it is in the file"):
        load_model(str(tmp_path / "a"))


@pytest.mark.parametrize(
    ("kind", "are_there"),
    [("lora", True), ("rslora", True), ("dora", False), ("pissa", False), ("bias", False)],
)
def test_factors_of_plain_lora_are_what_merging_added(bases, tmp_path, kind, are_there):
    save_adapter_of(bases(False), copy.deepcopy(KINDS[kind]), tmp_path / "a")
    merged, base = (load_model(str(folder), device="cpu") for folder in (tmp_path / "a", bases(False)))
    assert base.adapter is None
    assert merged.adapter.base == str(bases(False)) == read_adapter(str(tmp_path / "a")).base
    factors = merged.adapter.factors
    assert (factors is not None) == are_there
    for name, own in (factors or {}).items():
        change = merged.model.get_parameter(name) - base.model.get_parameter(name)
        torch.testing.assert_close(own.left @ own.right, change, rtol=1e-4, atol=1e-5)


def test_a_model_that_lies_on_a_disk_is_refused(bases, tmp_path):
    save_adapter_of(bases(False), lora(), tmp_path / "a")
    model = load_model(str(bases(False))).model.to("meta")
    with pytest.raises(ModelError, match="does not fit into the GPUs' memory"):
        merging.merge_adapter(read_adapter(str(tmp_path / "a")), model, None)


def test_a_scale_in_the_configuration_counts(bases, tmp_path):
    save_adapter_of(bases(False), lora(), tmp_path / "a")
    one, two = (
        load_model(str(reconfigured(tmp_path / "a", tmp_path / f"by-{alpha}", lora_alpha=alpha)))
        for alpha in (4, 8)
    )
    assert tensor_digests(one) != tensor_digests(two)
