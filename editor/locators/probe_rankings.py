"""Rankings of neurons, made before a sparse probe is fitted: each a function with an entry in `RANKINGS`.

Every ranking takes activations x, (n, m), and labels y, (n,), 0 or 1. It returns scores, (m,), higher for neurons that
tell the classes apart better.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

SPARSE_C = 0.1
"""Inverse strength of the penalty, for rankings that fit a model."""
SEED = 0


def mean_difference(x: Float[ndarray, "n m"], y: Int[ndarray, " n"]) -> Float[ndarray, " m"]:
    """Score neurons by |mean activation of the positives - mean activation of the negatives|."""
    difference: ndarray = np.abs(x[y == 1].mean(0) - x[y == 0].mean(0))
    return difference


def f_statistic(x: Float[ndarray, "n m"], y: Int[ndarray, " n"]) -> Float[ndarray, " m"]:
    """Score neurons by variance between the classes over variance within; 0 for one that never changes."""
    from sklearn.feature_selection import f_classif

    with np.errstate(divide="ignore", invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # constant neurons
        found: ndarray = f_classif(x, y)[0]
    return np.asarray(np.nan_to_num(found, nan=0.0, posinf=float(np.finfo(np.float32).max)))


def mutual_information(x: Float[ndarray, "n m"], y: Int[ndarray, " n"]) -> Float[ndarray, " m"]:
    """Score neurons by mutual information with the label, in nats, by nearest neighbours (Ross 2014, PLoS ONE 9(2))."""
    from sklearn.feature_selection import mutual_info_classif

    return np.asarray(mutual_info_classif(x, y, random_state=SEED))


def l1_logistic(x: Float[ndarray, "n m"], y: Int[ndarray, " n"]) -> Float[ndarray, " m"]:
    """Score neurons by |coefficient| of a logistic regression with an L1 penalty, on standardised activations."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        l1_ratio=1.0, C=SPARSE_C, solver="liblinear", class_weight="balanced", random_state=SEED
    )
    return _coefficients(model, x, y)


def hinge(x: Float[ndarray, "n m"], y: Int[ndarray, " n"]) -> Float[ndarray, " m"]:
    """Score neurons by |coefficient| of a linear support vector machine, on standardised activations."""
    from sklearn.svm import LinearSVC

    model = LinearSVC(C=SPARSE_C, loss="hinge", class_weight="balanced", random_state=SEED)
    return _coefficients(model, x, y)


def elastic_net(x: Float[ndarray, "n m"], y: Int[ndarray, " n"]) -> Float[ndarray, " m"]:
    """Score neurons by |coefficient| of a logistic regression with half an L1 and half an L2 penalty.

    The telescopic sweep ranks by it. Activations are standardised.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(
        l1_ratio=0.5,
        C=SPARSE_C,
        solver="saga",
        tol=1e-2,
        max_iter=100,
        class_weight="balanced",
        random_state=SEED,
    )
    return _coefficients(model, x, y)


RANKINGS: Mapping[str, Callable[[ndarray, ndarray], ndarray]] = {
    "mean-difference": mean_difference,
    "f-statistic": f_statistic,
    "mutual-information": mutual_information,
    "l1": l1_logistic,
    "hinge": hinge,
}


@contextmanager
def unfinished() -> Iterator[None]:
    """Silence scikit-learn's warning that a fit stopped early: a ranking needs no last digit."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def _coefficients(model: Any, x: Float[ndarray, "n m"], y: Int[ndarray, " n"]) -> Float[ndarray, " m"]:
    scale = x.std(0)
    with unfinished():
        model.fit((x - x.mean(0)) / np.where(scale > 0, scale, 1.0), y)
    coefficients: ndarray = np.abs(model.coef_[0])
    return coefficients
