"""The growing change of a model's weights while a method works on it.

W = W₀ + ΔW, with W₀ the original weight and ΔW summed in float32; W is rounded once, to the weight's dtype.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

import torch
from jaxtyping import Float
from torch import Tensor, nn

from dictionaries.model.sites import Site
from editor.edits.edit import Delta, Edit
from editor.locators.problem import EditProblem


class Changes:
    """ΔW of some sites' output projections, in the model's weights as it grows.

    Use it as a context manager: on entering, the model gets the change to resume from, and on leaving, whatever
    happened, the weights are what they were, bit for bit. The change is kept in float32 beside the original weights,
    so that many small steps add up in a bfloat16 model too.

    Args:
        problem: source of the model and of its parameters' names.
        sites: writing sites whose output projections change.
        start: edit to resume from; sites that it leaves alone begin unchanged.

    Raises:
        DictionaryError: no single projection writes a site, or the model has no such layer.
        ModelError: the model's structure is not understood.
    """

    def __init__(self, problem: EditProblem, sites: Sequence[Site], start: Edit | None = None) -> None:
        model = problem.loaded.model
        self._places = {site: problem.parameter(site) for site in sites}
        self._weights = {site: model.get_parameter(name) for site, (name, _) in self._places.items()}
        # W₀: bits to put back, whatever happens to the model meanwhile.
        self._originals = {site: weight.detach().clone() for site, weight in self._weights.items()}
        # ΔW, in the layout in which the weight is stored.
        self._totals = {
            site: torch.zeros_like(weight, dtype=torch.float32) for site, weight in self._originals.items()
        }
        given = start.deltas if start is not None else {}
        self._begun = [site for site, (name, _) in self._places.items() if name in given]
        for site in self._begun:
            self._totals[site] += given[self._places[site][0]].dense().to(self._totals[site].device)

    def __enter__(self) -> "Changes":
        try:
            for site in self._begun:
                self._write(site)
        except BaseException:
            # Python calls no `__exit__` where entering fails.
            self._restore()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    @torch.no_grad()
    def add(self, site: Site, delta: Float[Tensor, "d m"]) -> None:
        """Add to one site's change and write the sum to the model.

        Args:
            site: one of the sites.
            delta: what ΔW grows by, (d, m) whatever the weight's layout.
        """
        self._totals[site] += self.upright(site, delta)
        self._write(site)

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Put the original weights into the model inside the `with` block."""
        self._restore()
        try:
            yield
        finally:
            for site in self._weights:
                self._write(site)

    @contextmanager
    def trainable(self) -> Iterator[dict[Site, nn.Parameter]]:
        """Yield the sites' weights, which take gradients inside the `with` block."""
        before = {site: weight.requires_grad for site, weight in self._weights.items()}
        try:
            for weight in self._weights.values():
                weight.requires_grad_(True)
            yield dict(self._weights)
        finally:
            for site, weight in self._weights.items():
                weight.requires_grad_(before[site])

    def upright(self, site: Site, matrix: Float[Tensor, "rows columns"]) -> Float[Tensor, "columns rows"]:
        """Turn (d, m) into the layout in which the site's weight is stored, or back: most are stored (d, m)."""
        return matrix.T if self._places[site][1] else matrix

    def deltas(self) -> dict[str, Delta]:
        """Return the change of each parameter by its name, in the parameter's own layout."""
        return {self._places[site][0]: Delta.from_dense(total) for site, total in self._totals.items()}

    @torch.no_grad()
    def _write(self, site: Site) -> None:
        weight = self._weights[site]
        # W = W₀ + ΔW: from W₀ each time, so that rounding does not add up.
        weight.copy_((self._originals[site].float() + self._totals[site]).to(weight.dtype))

    @torch.no_grad()
    def _restore(self) -> None:
        for site, weight in self._weights.items():
            weight.copy_(self._originals[site])
