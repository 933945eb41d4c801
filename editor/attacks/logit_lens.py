"""Logit lens: the final norm and the output head on what stands in the residual stream after an earlier layer.

An edit of late layers may leave a secret in it that the model itself no longer says (Patil et al. 2023,
arXiv:2309.17410).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from dictionaries.model.sites import Site, capture, decoder_layers, intercepted
from editor.attacks.attack import Attacked, Level, Levels, PreparedAttack
from editor.attacks.ground import Ground
from editor.attacks.layers import MOST_LAYERS, residual_sites


@dataclass(frozen=True, kw_only=True)
class LogitLens:
    """Reading of each layer but the last as if it were the last.

    Attributes:
        layers: largest number of layers; of more, as many are taken at even distances.
    """

    layers: int = MOST_LAYERS

    @property
    def title(self) -> str:
        """The attack in words."""
        return "logit lens (the output head on earlier layers)"

    def prepare(self, name: str, ground: Ground) -> PreparedAttack:
        """Ask everything about the facts in scope."""
        return PreparedAttack(
            attack=name, title=self.title, asked=ground.erased, levels=self.levels, count=self.layers
        )

    def levels(self, attacked: Attacked) -> Levels:
        """Yield while the model says what stands after each layer.

        Raises:
            UntestedError: there is no layer before the last.
        """
        for site in residual_sites(attacked.model, self.layers, last=False):
            with _read_after(attacked.model, site):
                yield Level(name=f"layer {site.layer}", amount=site.layer)


@contextmanager
def _read_after(model: Any, site: Site) -> Iterator[None]:
    """Put the residual stream after a layer in the place of that after the last while the model runs."""
    last = Site(len(decoder_layers(model)) - 1, "resid_post")
    with capture(model, [site], keys=False) as taken:

        def earlier(stream: Tensor) -> Tensor:
            return taken.outputs[site].to(stream).reshape(stream.shape)

        with intercepted(model, last, earlier):
            yield
