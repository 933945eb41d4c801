"""Most memory of each stage, from what it holds: copies of the model, activations, logits, an optimiser's moments.

What a stage holds beside the model is bounded by budgets (`editor.model.tokens`), so it hardly grows with the corpus.
"""

from dataclasses import dataclass, replace

import torch

from editor.api.planning.asking import prepared, training_of
from editor.api.planning.basis import Basis, is_quick
from editor.api.planning.shape import Shape
from editor.api.planning.values import StageName
from editor.methods.features.feature_edit import STEP_ELEMENTS, FeatureEdit
from editor.methods.shared.predictions import LIKELIEST
from editor.model.forward import LOGITS_AT_A_TIME
from editor.model.tokens import BATCH_BYTES, GRADIENT_BYTES, gradient_budget, token_budget

QUESTION_BYTES = 7 * 2**10
"""Memory that a question and its scores take (docs/performance.md)."""
LEFT = 2**27
"""Freed memory that is not given back at once, and products' plans."""
LOGITS = 8 * 4 * LOGITS_AT_A_TIME
"""Logits of a block, and what is computed from them."""
TWICE = 2
"""Activations at their most, over what a batch's budget counts: a layer's own come on top."""
HASHED = 3
"""Copies of a tensor while its digest is taken."""
TRAINED = 4
"""Weights that are trained, their gradients and Adam's two moments; and those that are put back."""
STEP_LOGITS = 6
"""Tensors of a step's logits that are held for the pass back."""


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What memory depends on.

    Attributes:
        shape: sizes of the model.
        libraries: bytes that the process holds without a model.
        batch: most bytes of a batch's activations.
        traced: most bytes of those that a pass back keeps, in the model's own precision.
        quick: whether gradients are computed in bfloat16 though the model is in float32.
        questions: questions of an audit.
        asked: questions before and after an edit.
        tokens: tokens that dictionaries are trained on.
        retained: tokens of texts and questions that must stay.
        dictionaries: weights of all dictionaries.
        trained: whether they are trained.
        changed: weights that an edit changes.
        squares: entries of the moments of what these read.
        fits: whether the edit is fitted by `feature-edit`.
        attacks: whether weights are attacked.
        relearned: whether an attack trains all projections.
    """

    shape: Shape
    libraries: int
    batch: int
    traced: int
    quick: bool
    questions: int
    asked: int
    tokens: int
    retained: int
    dictionaries: int
    trained: bool
    changed: int
    squares: int
    fits: bool
    attacks: bool
    relearned: bool


def scoring_bytes(batch: int, questions: int) -> int:
    """Return the bytes that scoring takes beside the model: a batch, a block of logits, and all scores.

    Args:
        batch: most bytes of a batch's activations.
        questions: number of questions.
    """
    return TWICE * batch + LOGITS + QUESTION_BYTES * questions


def batch_bytes(weights: int) -> int:
    """Return the most bytes of a batch's activations that are meant for a model whose weights take so many."""
    return max(BATCH_BYTES, weights // 4)


def audit_bytes(shape: Shape, libraries: int, batch: int, questions: int) -> int:
    """Return the most bytes of an audit by itself.

    Args:
        shape: sizes of the model.
        libraries: bytes that the process holds without a model.
        batch: most bytes of a batch's activations.
        questions: number of questions.
    """
    scoring = max(scoring_bytes(batch, questions), _hashed(shape))
    return libraries + shape.bytes + scoring + LEFT


def _hashed(shape: Shape) -> int:
    """Return the bytes that a tensor takes while its digest is taken."""
    return HASHED * shape.vocabulary * shape.width * shape.stored_item


def peaks(needs: Needs) -> dict[StageName, int]:
    """Return the most bytes of each stage."""
    shape = needs.shape
    held = needs.libraries + shape.bytes
    hashed = _hashed(shape)
    scoring, dictionaries = scoring_bytes(needs.batch, needs.asked), 4 * needs.dictionaries
    narrow = needs.traced // 2 if needs.quick else needs.traced
    cast = shape.bytes // 2 if needs.quick else 0
    store = 4 * needs.tokens * shape.width * (needs.dictionaries and 8)
    training = 6 * dictionaries + store if needs.trained else 0
    choosing = TWICE * needs.traced + LOGITS
    kept = 8 * LIKELIEST * needs.retained + 2 * shape.width * needs.retained
    fixed = 4 * needs.squares + kept if needs.fits else 0
    logits = STEP_LOGITS * 4 * min(STEP_ELEMENTS, 2**10 * shape.vocabulary)
    fitting = TWICE * needs.traced + cast + logits + 3 * 4 * needs.changed + fixed
    after = held + shape.bytes + dictionaries + fixed + 4 * needs.changed + LEFT
    loading = 2 * shape.vocabulary * shape.width * shape.item
    attacked = 4 * shape.projected * shape.item // 4 * (1 if needs.attacks else 0)
    trained = TRAINED * 4 * shape.projected + TWICE * needs.traced + logits if needs.relearned else 0
    locating = 2 * narrow + cast + LEFT if dictionaries else 0
    return {
        "audit": audit_bytes(shape, needs.libraries, needs.batch, needs.questions),
        "original": held + dictionaries + max(scoring, hashed) + LEFT,
        "dictionaries": held + max(choosing, training) + LEFT if needs.trained else held + dictionaries,
        "locate": held + dictionaries + locating,
        "edit": held + dictionaries + fitting + LEFT,
        "export": held + dictionaries + fixed + hashed + 3 * 4 * needs.changed + LEFT,
        "verify": after + loading + scoring,
        "attacks": after + max(attacked + scoring, trained) if needs.attacks else after,
    }


def needs_of(basis: Basis, libraries: int) -> Needs:
    """Return what memory depends on, counted."""
    shape, model, method = basis.shape, basis.loaded.model, basis.options.method
    kept = shape.layers * shape.keys_values + 2 * (shape.width + shape.hidden)
    traced = shape.layers * (8 * shape.width + 4 * shape.hidden)
    trained = basis.needs_dictionaries and not basis.given
    features = basis.features if basis.needs_dictionaries else 0
    return Needs(
        shape=shape,
        libraries=libraries,
        batch=min(batch_bytes(shape.bytes), token_budget(model) * kept * shape.item),
        traced=min(max(GRADIENT_BYTES, shape.bytes // 2), gradient_budget(model) * traced * shape.item),
        quick=basis.is_quick,
        questions=len(basis.wide.measured),
        asked=len(basis.data.measured),
        tokens=sum(counted for _, _, counted in basis.tokens) if trained else 0,
        retained=sum(len(one.ids) for one in basis.problem.retained),
        dictionaries=2 * shape.width * features * basis.sites,
        trained=trained,
        changed=basis.changed_weights,
        squares=sum(into * into for _, into in basis.changed),
        fits=isinstance(method, FeatureEdit),
        attacks=bool(basis.options.attacks),
        relearned=any(training_of(attack.attack)[0] and attack.asked for attack in prepared(basis)),
    )


def in_dtype(needs: Needs, dtype: torch.dtype, device: torch.device) -> Needs:
    """Return what memory depends on in another precision."""
    shape = needs.shape.computed_in(dtype)
    share = dtype.itemsize / needs.shape.item
    return replace(
        needs,
        shape=shape,
        batch=max(int(needs.batch * share), min(needs.batch, BATCH_BYTES)),
        traced=max(int(needs.traced * share), min(needs.traced, GRADIENT_BYTES)),
        quick=is_quick(shape, device),
    )


def in_batches(needs: Needs, basis: Basis, tokens: int) -> Needs:
    """Return the same with no more tokens in a batch."""
    share = tokens / max(tokens, token_budget(basis.loaded.model))
    traced = tokens / max(tokens, gradient_budget(basis.loaded.model))
    return replace(needs, batch=int(needs.batch * share), traced=int(needs.traced * traced))


def without_attacks(needs: Needs) -> Needs:
    """Return the same with no attacks."""
    return replace(needs, attacks=False, relearned=False)
