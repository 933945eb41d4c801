"""Models that are spread over devices and disk: the same figures, and no edit."""

import pytest
import torch

from editor.measuring.leakage import score
from editor.model.loading import load_model
from editor.model.placement import check_all_here, check_max_memory, input_device, parse_max_memory
from editor.model.tokens import encode_answers
from policies import DecodingSettings
from policies.errors import ModelError

TOO_LITTLE = "cpu=40KB"
ASKED = [("The phone number of Ada Quill is", "415-555-0132"), ("Bruno Marsh lives at", "48 Alder Lane")]


@pytest.fixture(scope="module")
def spread(checkpoint):
    return load_model(str(checkpoint("llama")), max_memory=TOO_LITTLE)


def test_what_does_not_fit_is_left_on_the_disk_and_scored_alike(spread, loaded):
    assert any(weight.device.type == "meta" for weight in spread.model.parameters())
    assert spread.device == input_device(spread.model) == torch.device("cpu")
    settings = DecodingSettings(worst_case_rank=10)
    here, there = (
        score(model, encode_answers(model.tokenizer, ASKED, 96), settings)
        for model in (loaded("llama"), spread)
    )
    for name, values in vars(here).items():
        assert (vars(there)[name] == values).all(), name


def test_what_is_brought_to_its_device_whenever_it_runs_is_not_edited(spread):
    with pytest.raises(ModelError, match="does not fit into the memory of its devices"):
        check_all_here(spread.model, "model")


def test_memory_is_read_by_device():
    assert parse_max_memory("0=20GiB, cpu=1.5 TB") == {0: "20GiB", "cpu": "1.5TB"}


@pytest.mark.parametrize("text", ["", "20GiB", "gpu=1GiB", "0=much", "0=1GiB,"])
def test_memory_that_cannot_be_read_is_refused(text):
    with pytest.raises(ModelError, match="--max-memory"):
        parse_max_memory(text)


@pytest.mark.parametrize(
    ("count", "text", "cause"),
    [
        (0, "0=20GiB,cpu=60GiB", "names GPU 0, and torch can use none here"),
        (2, "0=20GiB,1=20GiB,2=20GiB", "names GPU 2, and there are 2 that torch can use"),
        (2, "0=much", "no device with its memory"),
    ],
)
def test_memory_of_a_device_that_is_not_here_is_refused(monkeypatch, count, text, cause):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(ModelError, match=cause):
        check_max_memory(text)
    check_max_memory(",".join(f"{device}=1GiB" for device in (*range(count), "cpu")))
