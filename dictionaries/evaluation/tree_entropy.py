"""An upper bound on the entropy of which bits are on that counts a copied bit once (Chow and Liu 1968).

For any tree over the bits, the sum of their entropies less the mutual information along its edges is at least their
joint entropy, and equals it where each bit depends on its neighbours alone. The tree of most information gives the
least such bound: a copy or complement of another bit costs nothing, where the sum of entropies counts it twice.

Of n samples, the mutual information of two independent bits comes out at 1/(2n ln 2) bits on average, and a tree picks
the largest of many. Here an edge counts where the G test, 2n ln 2 times the information against χ² with one degree of
freedom, rejects independence at 0.01 over all pairs (Bonferroni), and less the excess 1/(2n ln 2) (Miller and Madow).
"""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

LEVEL = 0.01
"""Chance, for independent bits, that any edge counts."""
BLOCK = 256
"""Rows of the F x F matrix at which information is looked at together: 256 x 8,192 in float64 are 16 MiB."""


class PairCounts:
    """How often each two bits are on together: F² int32 counts, for fewer than 2³¹ tokens.

    Args:
        features: F.
        device: of the codes.
    """

    def __init__(self, features: int, device: torch.device) -> None:
        self.together = torch.zeros(features, features, dtype=torch.int32, device=device)
        self.tokens = 0

    @torch.no_grad()
    def add(self, codes: Float[Tensor, "n F"]) -> None:
        """Count a batch of at most 2²⁴ codes; a feature is on above 0."""
        on = (codes > 0).float()
        self.together += (on.T @ on).int()
        self.tokens += len(on)

    def tree_bits(self) -> float:
        """Σ_j H(j) less the information along the best tree, in bits; 0 for no tokens."""
        if not self.tokens:
            return 0.0
        p = self.together.diagonal().double() / self.tokens
        return float(_plogp(p, 1 - p).sum()) - sum(information for _, _, information in self._tree())

    def _tree(self) -> list[tuple[int, int, float]]:
        """Edges of the best forest, with what each says; a block's edges against the best of those before."""
        from numpy import array, int32
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import minimum_spanning_tree

        features = len(self.together)
        forest: list[tuple[int, int, float]] = []
        for start in range(0, features, BLOCK):
            edges = [*forest, *self._edges(start, min(start + BLOCK, features))]
            if not edges:
                continue
            rows, columns, informations = zip(*edges, strict=True)
            costs = [-one for one in informations]
            places = (array(rows, int32), array(columns, int32))  # SciPy before 1.17 takes no wider ones here
            graph = coo_array((costs, places), shape=(features, features)).tocsr()
            best = minimum_spanning_tree(graph).tocoo()
            forest = list(zip(best.row.tolist(), best.col.tolist(), (-best.data).tolist(), strict=True))
        return forest

    def _edges(self, start: int, stop: int) -> list[tuple[int, int, float]]:
        """Edges of these bits to later ones that count."""
        features = len(self.together)
        excess = 1 / (2 * self.tokens * math.log(2))
        information = pair_information(self.together, self.tokens, start, stop)
        later = torch.ones_like(information, dtype=torch.bool).triu(diagonal=start + 1)
        rows, columns = (later & (information > _chi_square(features) * excess)).nonzero(as_tuple=True)
        values = information[rows, columns] - excess
        return list(zip((rows + start).tolist(), columns.tolist(), values.tolist(), strict=True))


def pair_information(
    together: Int[Tensor, "F F"], tokens: int, start: int, stop: int
) -> Float[Tensor, "rows F"]:
    """Mutual information of bits `start` to `stop` with each bit, in bits and float64, as counted."""
    p = together.diagonal().double() / tokens
    both = together[start:stop].double() / tokens
    left, right = p[start:stop, None], p[None]
    joint = _plogp(both, left - both, right - both, 1 - left - right + both)
    return _plogp(left, 1 - left) + _plogp(right, 1 - right) - joint


def _plogp(*probabilities: Tensor) -> Tensor:
    """-Σ p log₂ p over the arguments; differences may be an ulp below 0."""
    parts = [torch.xlogy(p, p) for p in (one.clamp_min(0.0) for one in probabilities)]
    return -torch.stack(parts).sum(dim=0) / math.log(2)


def _chi_square(features: int) -> float:
    """The quantile of χ² with one degree of freedom that no pair of independent bits passes, at `LEVEL`."""
    from scipy.stats import chi2

    pairs = max(1, features * (features - 1) // 2)
    return float(chi2.isf(LEVEL / pairs, 1))
