"""The residual stream after each layer, for the attacks that look inside a model."""

from typing import Any

from dictionaries.model.sites import Site, decoder_layers, resolve
from editor.attacks.attack import UntestedError
from policies.errors import DictionaryError, ModelError

NO_LAYERS = "its layers are not understood, or it has a single one"
MOST_LAYERS = 32
"""Layers that are looked into, at most; of more, as many are taken at even distances."""


def residual_sites(model: Any, most: int = MOST_LAYERS, *, last: bool) -> list[Site]:
    """Return the residual stream after each layer, in order.

    Args:
        model: causal language model.
        most: largest number of layers; of more, as many are taken at even distances.
        last: whether the last layer is one of them: after it comes nothing but the output head.

    Raises:
        UntestedError: the layers are not understood, or none is left.
    """
    try:
        count = len(decoder_layers(model)) - (not last)
        sites = [Site(layer, "resid_post") for layer in _spread(count, most)]
        for site in sites:
            resolve(model, site)
    except (ModelError, DictionaryError):
        raise UntestedError(NO_LAYERS) from None
    if not sites:
        raise UntestedError(NO_LAYERS)
    return sites


def _spread(count: int, most: int) -> list[int]:
    """Return all of the numbers below `count`, or `most` of them at even distances, the last among them."""
    if count <= most:
        return list(range(count))
    return [round((place + 1) * count / most) - 1 for place in range(most)]
