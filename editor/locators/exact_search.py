"""The best small set of neurons, by trying every one.

A set is judged by what a linear discriminant of it leaves unexplained: the squared error of the balanced least-squares
fit of the label. With G the weighted second moments of the standardised neurons and c their weighted moments with the
centred label, a set explains

    cᵀ b,       b = G⁻¹ c,

of the label's variance, 1/4. This closed form makes 19,600 triples of 50 neurons a matter of moments.
"""

from itertools import combinations

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

MOST = 3
"""Largest size of a set."""
RIDGE = 1e-9
"""Ridge, relative to a standardised neuron's variance: it keeps twins solvable and changes nothing else."""


def best_subset(
    x: Float[ndarray, "n candidates"], y: Int[ndarray, " n"], size: int
) -> tuple[Int[ndarray, " size"], float]:
    """Return the columns that explain most of the label together, and the share of its variance that they explain.

    Both classes weigh the same, however many samples they have.

    Args:
        x: activations, (n, candidates), of few columns: all sets of `size` of them are tried.
        y: labels, (n,), 0 or 1.
        size: number of columns in a set, 1 to 3.

    Raises:
        ValueError: the size is not from 1 to 3, or there are fewer columns.
    """
    if not 1 <= size <= min(MOST, x.shape[1]):
        raise ValueError(f"sets of {size} among {x.shape[1]} are not searched")
    weights = np.where(y == 1, 0.5 / max(1, (y == 1).sum()), 0.5 / max(1, (y == 0).sum()))
    centred = (x - weights @ x).astype(np.float64)
    scale = np.sqrt(weights @ centred**2)
    centred /= np.where(scale > 0, scale, 1.0)
    label = y - 0.5
    gram = (centred * weights[:, None]).T @ centred + RIDGE * np.eye(x.shape[1])  # G
    moment = centred.T @ (weights * label)  # c
    sets = np.array(list(combinations(range(x.shape[1]), size)))
    explained = _explain(gram, moment, sets)
    best = int(explained.argmax())
    return sets[best], float(explained[best] / 0.25)


def _explain(
    gram: Float[ndarray, "c c"], moment: Float[ndarray, " c"], sets: Int[ndarray, "sets size"]
) -> Float[ndarray, " sets"]:
    """Return what each set explains of the label's variance, 1/4: cᵀ b with b = G⁻¹ c."""
    inner = gram[sets[:, :, None], sets[:, None, :]]
    own = moment[sets]
    solved = np.linalg.solve(inner, own[:, :, None])[:, :, 0]  # b
    explained: ndarray = (own * solved).sum(1)  # cᵀ b
    return explained
