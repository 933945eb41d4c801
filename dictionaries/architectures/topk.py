"""TopK sparse autoencoder (Gao et al. 2024, arXiv 2406.04093)."""

from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from dictionaries.architectures import auxk
from dictionaries.architectures.unit_decoder import UnitDecoder
from dictionaries.config import DictionaryConfig, TrainingConfig
from dictionaries.dictionary import Losses


class TopKSAE(UnitDecoder):
    """An autoencoder that keeps each token's k largest features: f = TopK(relu((x - b_dec) W_enc + b_enc)).

    x̂ = f W_dec + b_dec (the paper's equations 3 and 4). So L0 is set and nothing shrinks strengths. `k` is kept as
    a scalar buffer beside the weights.
    """

    architecture = "topk"
    subtract_decoder_bias = True
    defaults: ClassVar[TrainingConfig] = TrainingConfig(sparsity=0.0, beta1=0.9)

    k: Tensor

    def __init__(self, config: DictionaryConfig, *, input_scale: float = 1.0) -> None:
        super().__init__(config, input_scale=input_scale)
        self.register_buffer("k", torch.tensor(float(min(TrainingConfig.k, config.features))))
        self._silent: Tensor | None = None  # tokens for which each feature has been off; of training alone

    def encode_scaled(self, x: Float[Tensor, "*tokens d"]) -> Float[Tensor, "*tokens F"]:
        """Return the features f of scaled activations."""
        return self.keep(self.pre_activations(x).relu())  # f = TopK(relu(...))

    def keep(self, features: Float[Tensor, "*tokens F"]) -> Float[Tensor, "*tokens F"]:
        """Return the k largest features of each token, and 0 for the others."""
        largest = features.topk(min(int(self.k), features.shape[-1]), dim=-1, sorted=False)
        return torch.zeros_like(features).scatter(-1, largest.indices, largest.values)

    def losses(self, x: Float[Tensor, "tokens d"], config: TrainingConfig, sparsity: float) -> Losses:  # noqa: ARG002
        """Return ‖x - x̂‖² + α ‖e - ê‖², means over tokens; the latter is `auxk`'s. `sparsity` has no part."""
        self.k.fill_(config.k)
        features = self.pre_activations(x).relu()
        codes = self.keep(features)  # f = TopK(relu((x - b_dec) W_enc + b_enc))
        reconstruction, error = self.reconstruction(x, codes)  # ‖x - x̂‖², e = x - x̂
        # ‖e - ê‖²
        auxiliary = auxk.auxiliary_loss(error.detach(), features, self._dead(codes), self.W_dec)
        terms = {"reconstruction": reconstruction.detach(), "auxiliary": auxiliary.detach()}
        return Losses(reconstruction + auxk.WEIGHT * auxiliary, terms, codes.detach())  # WEIGHT is α

    def _dead(self, codes: Float[Tensor, "tokens F"]) -> Bool[Tensor, "F"]:
        if self._silent is None:
            self._silent = torch.zeros(codes.shape[1], dtype=torch.long, device=codes.device)
        auxk.count_silence(self._silent, codes)
        return self._silent >= auxk.SILENT_TOKENS
