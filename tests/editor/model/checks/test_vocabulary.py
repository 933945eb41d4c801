"""Tokens beyond the embedding: refused where they are the tokenizer's own or a text holds one, ignored else."""

import pytest
import torch
from family_models import configs
from tokenizing import VOCABULARY, make_tokenizer
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from editor.model.loading import check_model, load_model, quiet
from editor.questions.asking import encode_probes
from editor.questions.probes import Probe, Target
from policies.errors import ModelError


def save(folder, tokenizer, rows=None):
    config = configs(heads=2, groups=1)["llama"]
    config.vocab_size = rows or len(make_tokenizer())
    torch.manual_seed(0)
    with quiet():
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def with_added(**special):
    tokenizer: PreTrainedTokenizerFast = make_tokenizer()
    tokenizer.add_tokens(["<|extra|>"], special_tokens=True)
    if special:
        tokenizer.add_special_tokens(special)
    return tokenizer


def ask(text):
    target = Target(subject="Ada", relation="PHONE_NUMBER", answer="415", personal=True, group="erased")
    return Probe(target=target, prompt=text, wording="trained", split="locating")


def test_a_tokenizer_of_another_model(tmp_path):
    folder = save(tmp_path, make_tokenizer(), rows=len(make_tokenizer()) - 20)
    with pytest.raises(ModelError, match=r"has 20 tokens beyond the \d+ rows of the model's embedding"):
        check_model(folder, device="cpu")


def test_an_added_token_that_no_text_holds_does_not_matter(tmp_path):
    loaded = load_model(save(tmp_path, with_added()), device="cpu")
    assert loaded.usable_tokens == len(make_tokenizer()) <= VOCABULARY
    (sequence,) = encode_probes(loaded, [ask("The phone number of Ada is")])
    with torch.no_grad():
        loaded.model(input_ids=torch.tensor([sequence.ids]))


def test_a_question_with_such_a_token_is_refused(tmp_path):
    loaded = load_model(save(tmp_path, with_added()), device="cpu")
    with pytest.raises(ModelError, match="an added token of the tokenizer that lies beyond"):
        encode_probes(loaded, [ask("Ada"), ask("<|extra|> The phone number of Ada is")])


def test_any_other_text_with_such_a_token_is_refused_where_it_is_read(tmp_path):
    loaded = load_model(save(tmp_path, with_added()), device="cpu")
    ids = loaded.tokenizer("A text <|extra|>", return_tensors="pt")["input_ids"]
    with pytest.raises(ModelError, match="an added token of the tokenizer that lies beyond"):
        loaded.model(input_ids=ids)


def test_a_padding_token_beyond_is_given_up(tmp_path):
    loaded = load_model(save(tmp_path, with_added(pad_token="<|pad|>")), device="cpu")
    assert loaded.pad_id < loaded.usable_tokens


def test_a_model_whose_every_text_would_hold_one_is_refused(tmp_path):
    from tokenizers.processors import TemplateProcessing

    tokenizer = with_added()
    beyond = tokenizer.convert_tokens_to_ids("<|extra|>")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|extra|> $A", special_tokens=[("<|extra|>", beyond)]
    )
    with pytest.raises(ModelError, match="an added token of the tokenizer that lies beyond"):
        check_model(save(tmp_path, tokenizer), device="cpu")


def test_an_embedding_with_spare_rows_is_not_watched(tmp_path):
    loaded = load_model(save(tmp_path, with_added(), rows=VOCABULARY + 64), device="cpu")
    assert loaded.usable_tokens is None
