"""Fine-tuning through a LoRA adapter (PEFT) on every linear layer but the output's: what is done where no locating is.

Of a mixture of experts these are the attention's and the shared experts' layers.

    ΔW = (α/r) B A,    α/r = 2        B (d_out, r), A (r, d_in), of each layer
    L  = forget over the probes to erase + retain · mean -ln p over marked tokens of the retained text

The adapter's products are the edit; the model itself gets its own layers back, bit for bit.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from dictionaries.model.experts import RoutedExperts
from editor.edits.edit import AnyDelta, Delta
from editor.locators.problem import EditProblem
from editor.model.epochs import epochs
from editor.model.forward import token_log_p
from editor.model.tokens import MarkedBatch, TokenSequence, one_batch
from editor.progress import tell_step
from editor.questions.retained import LOGIT_ELEMENTS
from policies.errors import ModelError

Forget = Callable[[Float[Tensor, " probes"], Float[Tensor, " probes"], Tensor], Float[Tensor, ""]]
"""Loss over probes, from the sum of ln p of each answer, the original model's sum, and the answer's tokens counted."""


@dataclass(frozen=True, kw_only=True)
class LoraTuning:
    """Settings of a fine-tuning through a LoRA adapter.

    Attributes:
        rank: r, the adapter's rank.
        steps: number of AdamW steps.
        learning_rate: first learning rate, falling linearly to 0.
        retain: weight of the retained text's mean negative log-likelihood, which is in nats/token.
        probes: number of probes to erase in a step.
        texts: number of retained texts in a step.
        clip_norm: norm that gradients are clipped to.
        seed: seed of the adapter's first weights and of the order.
    """

    rank: int = 8
    steps: int = 100
    learning_rate: float = 1e-3
    retain: float = 1.0
    probes: int = 16
    texts: int = 16
    clip_norm: float = 1.0
    seed: int = 0

    def fit(self, problem: EditProblem, forget: Forget) -> dict[str, AnyDelta]:
        """Return the adapter's changes; the model is left as it was, bit for bit.

        Args:
            problem: what to erase and what to retain.
            forget: loss over the probes to erase.

        Returns:
            ΔW by the name of each linear layer's weight.
        """
        model = problem.loaded.model
        before = self._reference(problem)  # ln p₀
        with lora_adapter(model, self.rank, self.seed) as layers:
            parameters = [one for _, layer in layers for one in layer.parameters() if one.requires_grad]
            optimiser = torch.optim.AdamW(parameters, lr=self.learning_rate, weight_decay=0.0)
            for step, (probes, texts) in enumerate(self._draws(problem)):
                optimiser.param_groups[0]["lr"] = self.learning_rate * (1 - step / self.steps)
                optimiser.zero_grad()
                with torch.enable_grad():
                    batch = one_batch(problem.loaded, [problem.erase[place] for place in probes])
                    # Answer tokens of each probe.
                    lengths = torch.bincount(batch.rows, minlength=len(probes))
                    # L
                    loss = forget(_log_p(model, batch), before[probes], lengths)
                    if self.retain:
                        loss = loss + self.retain * _loss(
                            problem, [problem.retained[place] for place in texts]
                        )
                    torch.autograd.backward(loss)
                torch.nn.utils.clip_grad_norm_(parameters, self.clip_norm)
                optimiser.step()
                tell_step()
            return {f"{name}.weight": _delta(layer) for name, layer in layers}

    @torch.no_grad()
    def _reference(self, problem: EditProblem) -> Float[Tensor, " probes"]:
        """Return the original model's ln p of each probe's answer, in nats."""
        parts = [
            problem.erase[first : first + self.probes] for first in range(0, len(problem.erase), self.probes)
        ]
        return torch.cat([_log_p(problem.loaded.model, one_batch(problem.loaded, part)) for part in parts])

    def _draws(self, problem: EditProblem) -> Iterator[tuple[list[int], list[int]]]:
        """Yield, for each step, the places of its probes and of its retained texts."""
        generator = torch.Generator().manual_seed(self.seed)
        probes = epochs(len(problem.erase), self.probes, generator)
        texts = epochs(len(problem.retained), self.texts, generator)
        for _ in range(self.steps):
            yield next(probes), next(texts)


def _log_p(model: Any, batch: MarkedBatch) -> Float[Tensor, " rows"]:
    """Return the sum of ln p of each row's marked tokens, in nats."""
    each = token_log_p(model, batch)
    sums = torch.zeros(len(batch.indices), device=each.device, dtype=each.dtype)
    return sums.index_add(0, batch.rows, each)


def _loss(problem: EditProblem, sequences: Sequence[TokenSequence]) -> Float[Tensor, ""]:
    """Return the mean negative log-likelihood of retained text in nats/token, of as much as its logits may take."""
    budget = LOGIT_ELEMENTS // problem.loaded.vocabulary
    # The first texts, at least one, whose tokens together stay within the budget.
    ends = list(accumulate(len(sequence.ids) for sequence in sequences))
    count = max(1, sum(end <= budget for end in ends))
    batch = one_batch(problem.loaded, sequences[:count])
    return -_log_p(problem.loaded.model, batch).sum() / max(1, len(batch.targets))


@contextmanager
def lora_adapter(model: Any, rank: int, seed: int) -> Iterator[list[tuple[str, Any]]]:
    """Put LoRA layers around the model's linear layers inside the `with` block; yield them with the layers' names."""
    from peft import LoraConfig, get_peft_model
    from peft.tuners.lora import LoraLayer
    from transformers.pytorch_utils import Conv1D

    transposed = any(isinstance(module, Conv1D) for module in model.modules())
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        lora_dropout=0.0,
        target_modules=_linear_layers(model),
        fan_in_fan_out=transposed,
    )
    # A's first weights are drawn from torch's global generator, whose state is put back.
    cuda = [device for device in {one.device for one in model.parameters()} if device.type == "cuda"]
    with torch.random.fork_rng(cuda), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # between peft's and transformers' releases
        torch.manual_seed(seed)
        wrapped = get_peft_model(model, config)
    try:
        yield [(name, layer) for name, layer in model.named_modules() if isinstance(layer, LoraLayer)]
    finally:
        # Without merging: the model gets its own layers back.
        wrapped.unload()
        model.requires_grad_(requires_grad=False)
        if hasattr(model, "peft_config"):
            del model.peft_config


def _linear_layers(model: Any) -> list[str]:
    """Return the names of the linear layers that an adapter goes around: all but the output's and routers.

    The experts of a mixture stay as they are, however they are stored, and so does what chooses between them.

    Raises:
        ModelError: there is no such layer.
    """
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    routed = (one for one in model.modules() if isinstance(one, RoutedExperts))
    experts = {id(module) for one in routed for module in one.modules()}
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D)
        and module is not head
        and id(module) not in experts
        and "Router" not in type(module).__name__
    ]
    if not names:
        raise ModelError(
            f"{type(model).__name__} has no linear layer that a LoRA adapter could go around",
            "Take another --method than npo-lora and grad-ascent",
        )
    return names


@torch.no_grad()
def _delta(layer: Any) -> Delta:
    """Return ΔW = (α/r) B A in the weight's own layout."""
    ((name, outward),) = layer.lora_B.items()
    out = (layer.scaling[name] * outward.weight).float().cpu()  # (α/r) B
    inward = layer.lora_A[name].weight.detach().float().cpu()  # A
    # Conv1D (GPT-2) stores its weight (d_in, d_out), so ΔWᵀ = Aᵀ ((α/r) B)ᵀ.
    if layer.fan_in_fan_out:
        return Delta(left=inward.T.contiguous(), right=out.T.contiguous())
    return Delta(left=out.contiguous(), right=inward.contiguous())
