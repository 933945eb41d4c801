"""Matryoshka BatchTopK sparse autoencoder (Bussmann et al. 2025, arXiv 2503.17547)."""

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries.architectures.batch_topk import BatchTopKSAE
from dictionaries.config import DictionaryConfig

SHARES = (1 / 32, 1 / 16, 1 / 8, 1 / 4)
"""Shares of the features in all groups but the last, which has the rest."""


class MatryoshkaSAE(BatchTopKSAE):
    """Nested dictionaries in one: the features of the first groups alone must reconstruct as well as they can.

    Encoding and decoding are BatchTopK's. `group` (F) names each feature's group, from 0, in order.
    """

    architecture = "matryoshka"

    group: Tensor

    def __init__(self, config: DictionaryConfig, *, input_scale: float = 1.0) -> None:
        super().__init__(config, input_scale=input_scale)
        self.register_buffer("group", group_of(default_sizes(config.features)))

    @property
    def group_sizes(self) -> list[int]:
        """Features in each group; they add up to F."""
        sizes: list[int] = torch.bincount(self.group.long()).tolist()
        return sizes

    def first_groups(self, codes: Float[Tensor, "*tokens F"], count: int) -> Float[Tensor, "*tokens F"]:
        """Return the codes of the first `count` groups, and 0 for the others."""
        return codes * (self.group < count)

    def reconstruction(
        self, x: Float[Tensor, "tokens d"], codes: Float[Tensor, "tokens F"]
    ) -> tuple[Float[Tensor, ""], Float[Tensor, "tokens d"]]:
        """Return (mean over groups g of ‖x - x̂_g‖², x - x̂): x̂_g is decoded from groups 0 to g (equation 5)."""
        sizes = self.group_sizes
        error = x - self.b_dec
        total = error.new_zeros(())
        for part, weight in zip(
            torch.split(codes, sizes, dim=1), torch.split(self.W_dec, sizes), strict=True
        ):
            error = error - part @ weight  # x - x̂_g
            total = total + error.square().sum() / len(x)  # Σ_g ‖x - x̂_g‖²
        return total / len(sizes), error


def default_sizes(features: int) -> list[int]:
    """Return the sizes of the groups that training starts with; small dictionaries have fewer groups."""
    sizes = [size for share in SHARES if (size := round(share * features))]
    return [*sizes, features - sum(sizes)]


def group_of(sizes: list[int]) -> Float[Tensor, "F"]:
    """Return each feature's group, from the sizes of the groups in order."""
    groups = torch.arange(float(len(sizes)))
    return torch.repeat_interleave(groups, torch.tensor(sizes), output_size=sum(sizes))
