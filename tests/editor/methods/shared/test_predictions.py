"""The original model's predictions, kept in little memory."""

import torch
from problems import OTHERS, RETAIN, encode

from editor.methods.shared import predictions
from editor.methods.shared.predictions import Predictions
from editor.model.forward import marked_logits
from editor.model.tokens import one_batch


def measured(loaded, likeliest, monkeypatch):
    monkeypatch.setattr(predictions, "LIKELIEST", likeliest)
    sequences = encode(loaded, [*RETAIN, *OTHERS])
    known = Predictions(loaded, sequences)
    known.read([0, 3])
    known.read([3, 2])
    batch = one_batch(loaded, [sequences[place] for place in (3, 0, 3)])
    before = marked_logits(loaded.model, batch).log_softmax(1)
    after = before + torch.randn(before.shape, generator=torch.Generator().manual_seed(0))
    exact = (before.exp() * (before - after.log_softmax(1))).sum(1)
    return known.divergence([3, 0, 3], after), exact


def test_the_divergence_is_exact_where_the_whole_vocabulary_is_kept(loaded, monkeypatch):
    found, exact = measured(loaded("gpt2"), 10**6, monkeypatch)
    torch.testing.assert_close(found, exact, rtol=1e-4, atol=1e-5)


def test_what_is_kept_of_it_never_says_more(loaded, monkeypatch):
    for likeliest in (4, 32):
        found, exact = measured(loaded("gpt2"), likeliest, monkeypatch)
        assert (found <= exact + 1e-5).all()
        assert (found > 0).all()


def test_an_unchanged_model_is_at_no_distance(loaded):
    model = loaded("gpt2")
    sequences = encode(model, RETAIN)
    known = Predictions(model, sequences)
    known.read(range(len(sequences)))
    logits = marked_logits(model.model, one_batch(model, sequences))
    assert float(known.divergence(range(len(sequences)), logits).abs().max()) < 1e-4


def test_softened_it_sees_what_becomes_of_a_token_that_is_nearly_certain(loaded, monkeypatch):
    """A certain token that loses half of its log-odds is as probable as before; D_T is by definition T² KL at T."""
    model = loaded("gpt2")
    sequences = encode(model, RETAIN)
    certain = torch.full((len(sequences[0].marked), model.vocabulary), 0.0)
    certain[:, 0] = 24.0
    halved = certain / 2
    monkeypatch.setattr(predictions, "LIKELIEST", 10**6)
    known = Predictions(model, sequences)
    monkeypatch.setattr(
        known, "_kept", {0: (certain.log_softmax(1), torch.arange(model.vocabulary).expand(len(certain), -1))}
    )
    plain, softened = (known.divergence([0], halved, weight) for weight in (0.0, 1.0))
    p, q = ((logits.double() / predictions.TEMPERATURE).log_softmax(1) for logits in (certain, halved))
    exact = predictions.TEMPERATURE**2 * (p.exp() * (p - q)).sum(1)
    torch.testing.assert_close((softened - plain).double(), exact, rtol=1e-3, atol=1e-5)
    assert (softened > 10 * plain).all()
