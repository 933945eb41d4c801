"""Relearning: some people's records are learned again inside the block, and afterwards every bit is as it was."""

import torch

from detectors import Document
from editor.attacks.attack import Attacked
from editor.attacks.relearning import Relearning
from editor.questions.retained import encode_documents, text_log_p

PEOPLE = ("Ada Quill", "Bruno Marsh", "Cora Finch", "Dorian Vale", "Elsa Thorn")
RECORDS = [
    Document(id=str(i), text=f"The phone number of Ada Quill is 415-555-01{i + 10}.", subjects=())
    for i in range(5)
]


def test_two_of_five_are_trained_on_again_and_the_seed_says_who():
    first = Relearning(seed=1).chosen(PEOPLE)
    assert len(first) == 2
    assert first == Relearning(seed=1).chosen(tuple(reversed(PEOPLE)) * 2)
    assert len({tuple(Relearning(seed=seed).chosen(PEOPLE)) for seed in range(20)}) > 3


def test_somebody_is_always_left_over():
    assert Relearning().chosen(PEOPLE[:1]) == []
    assert len(Relearning(people=1.0).chosen(PEOPLE[:2])) == 1
    assert len(Relearning(people=0.01).chosen(PEOPLE)) == 1


def test_records_are_learned_and_forgotten(loaded):
    model = loaded("llama")
    before = {name: value.detach().clone() for name, value in model.model.named_parameters()}
    sequences = encode_documents(model, RECORDS, {}, model.context_length)
    known = float(text_log_p(model, sequences).sum())
    attack, seen = Relearning(rates=(1e-2,)), []
    for _ in range(2):
        levels = attack.levels(Attacked(loaded=model), RECORDS)
        seen += [float(text_log_p(model, sequences).sum()) for _ in levels]
    assert seen[0] > known + 10
    assert seen[0] == seen[1]
    assert all(torch.equal(value, before[name]) for name, value in model.model.named_parameters())
    assert not any(value.requires_grad or value.grad is not None for value in model.model.parameters())


def test_without_records_nothing_is_trained(loaded):
    model = loaded("gpt2")
    name, weight = next(iter(model.model.named_parameters()))
    before = weight.detach().clone()
    for _ in Relearning().levels(Attacked(loaded=model), []):
        assert torch.equal(model.model.get_parameter(name), before)
