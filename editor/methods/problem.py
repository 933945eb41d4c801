"""The problem an edit method solves: what to erase, what to keep, and where to look.

It is gathered once and handed to every method, so that methods differ in nothing but what they do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries import Dictionary
from dictionaries.sites import Site, capture, resolve
from editor.locators.features import Attribution
from editor.model import LoadedModel
from editor.retained import text_batches, text_log_p
from editor.tokens import TokenSequence

READ_OF_RETAINED = ("retained_covariance", "retained_log_p")


@dataclass(frozen=True, kw_only=True)
class EditProblem:
    """What every edit method is given, all of it from the locating split.

    Attributes:
        loaded: the model; methods leave it as it was, bit for bit.
        erase: probes whose answers must go; `index` is their place.
        chance: for each of them, ln p of its answer's tokens by chance alone (`editor.chance`), in nats; 0 where
            format fixes the token.
        retain: text whose marked tokens must stay.
        dictionaries: one for each site that may be edited.
        attribution: scores of the dictionaries' features.
    """

    loaded: LoadedModel
    erase: Sequence[TokenSequence] = field(repr=False)
    chance: Sequence[Float[Tensor, " tokens"]] = field(repr=False)
    retain: Sequence[TokenSequence] = field(repr=False)
    dictionaries: Mapping[Site, Dictionary] = field(repr=False)
    attribution: Attribution = field(repr=False)

    def changed(self, **changes: Any) -> "EditProblem":
        """The same problem with other fields; what was read of the retained text is kept."""
        other = replace(self, **changes)
        if "retain" not in changes:
            read = {name: self.__dict__[name] for name in READ_OF_RETAINED if name in self.__dict__}
            other.__dict__.update(read)
        return other

    @property
    def sites(self) -> list[Site]:
        """The sites that may be edited, shallowest first."""
        return sorted(self.dictionaries)

    @cached_property
    def retained_covariance(self) -> Mapping[Site, Float[Tensor, "m m"]]:
        """C₀ = mean of kkᵀ over all tokens of the retained text that predict a marked token."""
        model = self.loaded.model
        sums: dict[Site, Tensor] = {}
        tokens = 0
        for batch in text_batches(self.loaded, self.retain):
            with torch.no_grad(), capture(model, self.sites, outputs=False, stop_early=True) as taken:
                model.base_model(**batch.inputs, use_cache=False)
            for site, keys in taken.keys.items():
                chosen = keys[batch.predicting].float()
                sums[site] = sums.get(site, torch.zeros((), device=chosen.device)) + chosen.T @ chosen
            tokens += int(batch.predicting.sum())
        return {site: total / max(1, tokens) for site, total in sums.items()}

    @cached_property
    def retained_log_p(self) -> Float[Tensor, " texts"]:
        """Sum of ln p of each retained text's marked tokens, in nats."""
        return text_log_p(self.loaded, self.retain)

    def read_retained(self) -> None:
        """Read what is kept of the retained text now, while the model is the original one."""
        _ = self.retained_covariance, self.retained_log_p

    def parameter(self, site: Site) -> tuple[str, bool]:
        """The name of the site's output projection, and whether it is stored (m, d)."""
        found = resolve(self.loaded.model, site)
        return found.projection_name, found.transposed
