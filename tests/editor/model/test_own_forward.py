"""The passes that scores are made by give what the model's own forward gives, whatever the model."""

from dataclasses import replace
from functools import wraps

import pytest
import torch
from every_family import FAMILIES, make_family
from family_models import CONFIGS, family, tokenizer
from transformers import BertConfig, BertLMHeadModel, LlamaConfig, LlamaForCausalLM

from dictionaries.model.sites import Site, capture, resolve
from editor.model.forward import backbone, logit_blocks, output_logits
from editor.model.generation import complete
from editor.model.loading import LoadedModel
from editor.model.own_forward import compare_passes
from editor.model.passes import Passes
from editor.model.shared_prefix import answer_passes
from editor.model.tokens import encode_answer, gradient_budget, token_budget

TOLERANCE = 1e-4
PROMPTS = (
    "The phone number of Ada Quill is",
    "Ada Quill answers at",
    "Dial",
    "The desk of Dover calls Ada on",
)
ANSWERS = ("415-555-0132", "212-555-0188 in Dover", "48", "48 Alder Lane")
RECURRENT = (
    "rwkv",
    "mamba",
    "mamba2",
    "falcon_mamba",
    "jamba",
    "bamba",
    "lfm2",
    "qwen3_next",
    "qwen3_5_text",
)


def sequences(answers=ANSWERS):
    pairs = [(prompt, answer) for prompt in PROMPTS for answer in answers]
    return [encode_answer(tokenizer(), prompt, answer, i, 96) for i, (prompt, answer) in enumerate(pairs)]


def compared(model, dtype=torch.float32):
    loaded = LoadedModel(model=model, tokenizer=tokenizer(), source="made", stored_dtype=dtype)
    return replace(loaded, passes=compare_passes(loaded, sequences()[::5]))


@torch.no_grad()
def plainly(loaded, text):
    """Logarithms of the probabilities of a text's marked tokens, by the model's own forward alone."""
    ids = torch.tensor([text.ids])
    log_p = loaded.model(input_ids=ids, use_cache=False).logits[0].float().log_softmax(1)
    return torch.tensor([log_p[at - 1, text.ids[at]] for at in range(len(text.ids)) if text.marked[at]])


@torch.no_grad()
def as_scored(loaded, texts):
    found = [[] for _ in texts]
    for batch, hidden in answer_passes(loaded, texts):
        for place, logits in logit_blocks(loaded, hidden):
            own = logits.log_softmax(1).gather(1, batch.targets[place, None])[:, 0]
            for row, value in zip(batch.rows[place].tolist(), own.tolist(), strict=True):
                found[batch.indices[row]].append(value)
    return [torch.tensor(values) for values in found]


def largest_difference(loaded, texts):
    pairs = zip(as_scored(loaded, texts), texts, strict=True)
    return max(float((scored - plainly(loaded, text)).abs().max()) for scored, text in pairs)


@torch.no_grad()
def greedily(loaded, prompt, length):
    """The likeliest continuation, a whole forward pass for each token."""
    ids = list(prompt)
    for _ in range(length):
        ids.append(int(loaded.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_is_scored_and_completed_as_by_its_own_forward(name):
    loaded, texts = compared(make_family(name)), sequences(ANSWERS[:2])
    assert largest_difference(loaded, texts) <= TOLERANCE
    prompts = [text.ids[: text.marked.index(True)] for text in texts[::2]]
    assert complete(loaded, prompts, 3) == [greedily(loaded, prompt, 3) for prompt in prompts]


@pytest.mark.parametrize("name", RECURRENT)
def test_what_recurrent_models_begin_with_is_not_shared(name):
    loaded = compared(make_family(name))
    assert not loaded.passes.shared
    assert loaded.passes.head
    assert "what prompts begin with run once" in loaded.passes.unused


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_nothing_is_lost_where_all_passes_are_right(name, dtype):
    passes = compared(family(name, dtype).model, dtype).passes
    assert passes == Passes(compared=True)
    assert passes.unused == ()


@pytest.mark.parametrize("name", ["rwkv", "mamba2"])
def test_a_wrong_pass_is_told_from_rounding_in_half_precision(name):
    assert not compared(make_family(name).to(torch.bfloat16), torch.bfloat16).passes.shared


class Multiplied(LlamaForCausalLM):
    """Its logits depend on where a text ends: they are no function of one final hidden state."""

    def forward(self, input_ids=None, **kwargs):
        output = super().forward(input_ids=input_ids, **kwargs)
        places = torch.arange(1, output.logits.shape[1] + 1)[:, None]
        output.logits = output.logits * places.clamp(max=7) / 3
        return output


class Forgetful(LlamaForCausalLM):
    """It takes a cache, and reads nothing of it."""

    def forward(self, input_ids=None, **kwargs):
        return super().forward(
            input_ids=input_ids, **kwargs | {"past_key_values": None, "position_ids": None}
        )


class ForgetfulBackbone(LlamaForCausalLM):
    """The same below the head, where prefixes are shared."""

    def __init__(self, config):
        super().__init__(config)
        own = self.model.forward

        @wraps(own)
        def forward(*args, **kwargs):
            return own(*args, **kwargs | {"past_key_values": None, "position_ids": None})

        self.model.forward = forward


class Disturbed(LlamaForCausalLM):
    """Padding anywhere in a batch moves all its logits."""

    def forward(self, input_ids=None, attention_mask=None, **kwargs):
        output = super().forward(input_ids=input_ids, attention_mask=attention_mask, **kwargs)
        if attention_mask is not None:
            output.logits = output.logits * (1 + (attention_mask == 0).float().mean())
        return output


class DisturbedBackbone(LlamaForCausalLM):
    """It leaves the mask out, and a text's last token is read by all of them where there is padding."""

    def __init__(self, config):
        super().__init__(config)
        own = self.model.forward

        def forward(*args, attention_mask=None, **kwargs):
            output = own(*args, attention_mask=attention_mask, **kwargs)
            if attention_mask is not None and bool((attention_mask == 0).any()):
                output.last_hidden_state = output.last_hidden_state.roll(1, dims=-1)
            return output

        self.model.forward = forward


class Averaged(LlamaForCausalLM):
    """A batch's texts are read together."""

    def forward(self, input_ids=None, **kwargs):
        output = super().forward(input_ids=input_ids, **kwargs)
        output.logits = output.logits + output.logits.mean(0, keepdim=True)
        return output


def small(kind):
    config = LlamaConfig(
        vocab_size=300,
        hidden_size=24,
        intermediate_size=40,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=128,
    )
    torch.manual_seed(1)
    model = kind(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    return model.eval().requires_grad_(requires_grad=False)


@pytest.mark.parametrize(
    ("kind", "unused"),
    [
        (Multiplied, {"head"}),
        (Forgetful, {"cached"}),
        (ForgetfulBackbone, {"shared", "cached"}),
        (DisturbedBackbone, {"padded", "mixed"}),
    ],
)
def test_made_up_models_whose_passes_are_wrong_are_run_by_their_own_forward(kind, unused):
    loaded, texts = compared(small(kind)), sequences()
    assert unused <= {name for name in vars(Passes()) if not getattr(loaded.passes, name)}
    assert largest_difference(loaded, texts) <= TOLERANCE
    assert largest_difference(replace(loaded, passes=Passes()), texts) > 1e-2 or unused == {"cached"}
    prompts = [text.ids[: text.marked.index(True)] for text in texts[:: len(ANSWERS)]]
    assert complete(loaded, prompts, 4) == [greedily(loaded, prompt, 4) for prompt in prompts]


@pytest.mark.parametrize("kind", [Disturbed, Averaged])
def test_what_the_whole_forward_adds_to_a_batch_is_found_where_the_head_is_its_own(kind):
    """The head by itself sees neither padding nor neighbours, so that scores are those of one text alone."""
    loaded, texts = compared(small(kind)), sequences()
    assert largest_difference(loaded, texts) <= TOLERANCE


def test_a_model_that_sees_what_follows_is_refused_by_name():
    from policies.errors import ModelError

    config = BertConfig(
        vocab_size=300, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64
    )
    torch.manual_seed(0)
    model = BertLMHeadModel(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5)
    with pytest.raises(ModelError, match="BertLMHeadModel predicts a token from those after it"):
        compared(model)


@pytest.mark.parametrize("name", ["llama", "gemma3", "hyperclovax", "falcon_h1", "recurrent_gemma", "cohere"])
def test_gradients_pass_the_head_and_the_backbone_is_back_whatever_happens(name, monkeypatch):
    model = make_family(name)
    own = backbone(model)
    hidden = torch.randn(3, own.get_input_embeddings().weight.shape[1], requires_grad=True)
    output_logits(model, hidden).square().sum().backward()
    assert bool(hidden.grad.abs().sum() > 0)

    def fail(*_, **__):
        raise RuntimeError

    monkeypatch.setattr(model.get_output_embeddings(), "forward", fail)
    with pytest.raises(RuntimeError):
        output_logits(model, hidden)
    assert backbone(model) is own


@pytest.mark.parametrize("name", ["rwkv", "mamba", "lfm2", "gemma3", "llama4_text", "nemotron_h"])
def test_memory_is_known_of_configurations_without_heads_or_nested_ones(name):
    model = make_family(name)
    assert token_budget(model) >= 256
    assert gradient_budget(model) >= 256


def test_a_checkpoints_own_generation_settings_change_nothing():
    loaded = compared(make_family("llama"))
    prompts = [text.ids[: text.marked.index(True)] for text in sequences()[:: len(ANSWERS)]]
    plain = [greedily(loaded, prompt, 12) for prompt in prompts]
    settings = loaded.model.generation_config
    settings.repetition_penalty, settings.no_repeat_ngram_size = 9.0, 1
    settings.eos_token_id = sorted({token for tokens in plain for token in tokens})
    assert complete(loaded, prompts, 12) == plain
    assert loaded.model.generation_config is settings


@pytest.mark.parametrize("name", ["falcon", "falcon (new decoder)", "falcon (alibi)", "llama"])
@pytest.mark.parametrize("grad", [False, True])
def test_what_a_layer_writes_is_recorded_as_written_where_the_layer_adds_to_it_in_place(name, grad):
    model, ids, written = make_family(name), torch.tensor([[0, 5, 9, 7]]), []
    site = Site(0)
    handle = resolve(model, site).projection.register_forward_hook(
        lambda *given: written.append(given[2].detach().clone())
    )
    with capture(model, [site], grad=grad) as taken:
        model(input_ids=ids, use_cache=False).logits.square().sum().backward() if grad else model(ids)
    handle.remove()
    torch.testing.assert_close(taken.outputs[site].detach(), written[0])
    assert not grad or bool(taken.outputs[site].grad.abs().sum() > 0)
