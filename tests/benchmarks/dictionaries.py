"""Training a Gated autoencoder here, and by dictionary_learning and sae-lens, step by step in one run.

    python -m tests.benchmarks.dictionaries [STEPS]

Every trainer starts from the same weights, sees the same batches of the lab's activations, and has the same
learning rate, warm-ups and λ; activations are given. sae-lens clips gradients to norm 1, which is an option here.
Chunks of 50 steps are interleaved, so that a machine's changing load falls on all. The packages themselves are
run where they can be imported (in an environment of their own); elsewhere the lines of theirs that make a step
are repeated here, and the table says so.
"""

import json
import sys
import time
import types
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from dictionaries import ARCHITECTURES, Site, TrainingConfig, token_batches
from dictionaries.model.activations import Statistics
from dictionaries.training.activation_store import ActivationStore
from dictionaries.training.site_trainer import SiteTrainer
from editor.lab import find_lab

STEPS = 800
CHUNK = 50
JUDGED_EVERY = 10
SITE = Site(3)
CONFIG = replace(ARCHITECTURES["gated"].defaults, batch_size=512, steps=STEPS)


class Weights(NamedTuple):
    """A Gated autoencoder, whoever trained it: encoder (d, F), decoder (F, d) and four vectors."""

    W_enc: Tensor
    W_dec: Tensor
    b_gate: Tensor
    b_mag: Tensor
    r_mag: Tensor
    b_dec: Tensor


class Trainer(Protocol):
    """One way to train."""

    name: str

    def update(self, step: int, x: Tensor) -> None:
        """One gradient step on a scaled batch."""
        ...

    def weights(self) -> Weights:
        """What was trained."""
        ...


class Ours:
    """`SiteTrainer`, as `train_dictionaries` runs it."""

    def __init__(self, name: str, statistics: Statistics, config: TrainingConfig) -> None:
        self.name = name
        self.trainer = SiteTrainer(
            ARCHITECTURES["gated"],
            SITE,
            statistics=statistics,
            config=config,
            width=len(statistics.mean),
            model_name="lab",
            generator=torch.Generator().manual_seed(0),
        )

    def update(self, step: int, x: Tensor) -> None:
        # The trainer scales activations itself; give it the raw ones.
        self.trainer.step(x / self.trainer.scale, step)

    def weights(self) -> Weights:
        one = self.trainer.dictionary
        return Weights(one.W_enc, one.W_dec, one.b_enc, one.b_mag, one.r_mag, one.b_dec)


class PlainDictionaryLearning:
    """The step of dictionary_learning 0.1.0's GatedSAETrainer, repeated."""

    name = "dictionary_learning's step, repeated"

    def __init__(self, start: Weights, config: TrainingConfig) -> None:
        self.config = config
        self.encoder, self.decoder = nn.Parameter(start.W_enc.T.clone()), nn.Parameter(start.W_dec.T.clone())
        vectors = (start.b_gate, start.b_mag, start.r_mag, start.b_dec)
        self.b_gate, self.b_mag, self.r_mag, self.b_dec = (nn.Parameter(one.clone()) for one in vectors)
        parameters = [self.b_dec, self.encoder, self.r_mag, self.b_gate, self.b_mag, self.decoder]
        self.optimizer = torch.optim.Adam(parameters, lr=config.learning_rate, betas=(0.0, 0.999))

    def update(self, step: int, x: Tensor) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate_at(step)
        self.optimizer.zero_grad()
        encoded = nn.functional.linear(x - self.b_dec, self.encoder)
        gate = encoded + self.b_gate
        codes = (gate > 0).to(x.dtype) * nn.ReLU()(self.r_mag.exp() * encoded + self.b_mag)
        decoded = nn.functional.linear(codes, self.decoder) + self.b_dec
        via_gate = nn.ReLU()(gate) @ self.decoder.detach().T + self.b_dec.detach()
        loss = (x - decoded).pow(2).sum(dim=-1).mean()
        loss = loss + self.config.sparsity_at(step) * torch.linalg.norm(nn.ReLU()(gate), ord=1, dim=-1).mean()
        loss = loss + (x - via_gate).pow(2).sum(dim=-1).mean()
        loss.backward()
        with torch.no_grad():
            unit = self.decoder / self.decoder.norm(dim=0, keepdim=True)
            self.decoder.grad -= (self.decoder.grad * unit).sum(dim=0, keepdim=True) * unit
        self.optimizer.step()
        with torch.no_grad():
            self.decoder /= self.decoder.norm(dim=0, keepdim=True)

    def weights(self) -> Weights:
        return Weights(self.encoder.T, self.decoder.T, self.b_gate, self.b_mag, self.r_mag, self.b_dec)


class DictionaryLearning:
    """dictionary_learning's GatedSAETrainer."""

    def __init__(self, start: Weights, config: TrainingConfig) -> None:
        from importlib.metadata import version

        if find_spec("nnsight") is None:
            # Its buffer of activations imports this; training on given ones does not need it.
            sys.modules["nnsight"] = types.ModuleType("nnsight")
            sys.modules["nnsight"].LanguageModel = object
        from dictionary_learning.trainers.gdm import GatedSAETrainer

        self.name = f"dictionary_learning {version('dictionary_learning')}"
        width, features = start.W_enc.shape
        self.trainer = GatedSAETrainer(
            steps=config.steps,
            activation_dim=width,
            dict_size=features,
            layer=0,
            lm_name="",
            lr=config.learning_rate,
            l1_penalty=config.sparsity,
            warmup_steps=config.learning_rate_warmup_steps,
            sparsity_warmup_steps=config.sparsity_warmup_steps,
            decay_start=int(config.steps * (1 - config.learning_rate_decay_share)),
            device="cpu",
        )
        one = self.trainer.ae
        with torch.no_grad():
            one.encoder.weight.copy_(start.W_enc.T)
            one.decoder.weight.copy_(start.W_dec.T)
            one.decoder_bias.copy_(start.b_dec)

    def update(self, step: int, x: Tensor) -> None:
        self.trainer.update(step, x)

    def weights(self) -> Weights:
        one = self.trainer.ae
        matrices = one.encoder.weight.T, one.decoder.weight.T
        return Weights(*matrices, one.gate_bias, one.mag_bias, one.r_mag, one.decoder_bias)


class PlainSaeLens:
    """The step of sae-lens 6.54's GatedTrainingSAE and SAETrainer, repeated."""

    name = "sae-lens' step, repeated"

    def __init__(self, start: Weights, config: TrainingConfig) -> None:
        self.config = config
        self.one = Weights(*(nn.Parameter(tensor.clone().contiguous()) for tensor in start))
        self.optimizer = torch.optim.Adam(list(self.one), lr=config.learning_rate, betas=(0.0, 0.999))
        self.silent, self.fired = torch.zeros(len(start.b_gate)), torch.zeros(len(start.b_gate))

    def update(self, step: int, x: Tensor) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate_at(step)
        one = self.one
        centred = x - one.b_dec
        open_gates = (centred @ one.W_enc + one.b_gate > 0).to(x.dtype)
        codes = open_gates * torch.relu(centred @ (one.W_enc * one.r_mag.exp()) + one.b_mag)
        loss = (codes @ one.W_dec + one.b_dec - x).pow(2).sum(dim=-1).mean()
        gate = torch.relu((x - one.b_dec) @ one.W_enc + one.b_gate)
        loss = loss + self.config.sparsity_at(step) * torch.sum(gate * one.W_dec.norm(dim=1), dim=-1).mean()
        loss = loss + (gate @ one.W_dec + one.b_dec - x).pow(2).sum(dim=-1).mean()
        with torch.no_grad():
            firing = codes.bool().float()
            self.silent += 1
            self.silent[firing.sum(-2).bool()] = 0
            self.fired += firing.sum(0)
        loss.backward()
        nn.utils.clip_grad_norm_(list(one), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def weights(self) -> Weights:
        return self.one


class SaeLens:
    """sae-lens' GatedTrainingSAE in its SAETrainer."""

    def __init__(self, start: Weights, config: TrainingConfig) -> None:
        from importlib.metadata import version

        from sae_lens.config import LoggingConfig
        from sae_lens.saes.gated_sae import GatedTrainingSAE, GatedTrainingSAEConfig
        from sae_lens.training.sae_trainer import SAETrainer, SAETrainerConfig

        self.name = f"sae-lens {version('sae-lens')}"
        width, features = start.W_enc.shape
        self.sae = GatedTrainingSAE(
            GatedTrainingSAEConfig(
                d_in=width,
                d_sae=features,
                l1_coefficient=config.sparsity,
                l1_warm_up_steps=config.sparsity_warmup_steps,
                device="cpu",
            )
        )
        with torch.no_grad():
            for name in ("W_enc", "W_dec", "b_dec"):
                getattr(self.sae, name).copy_(getattr(start, name))
        settings: Any = SAETrainerConfig(
            total_training_samples=config.steps * config.batch_size,
            train_batch_size_samples=config.batch_size,
            lr=config.learning_rate,
            lr_end=0.0,
            lr_warm_up_steps=config.learning_rate_warmup_steps,
            lr_decay_steps=int(config.steps * config.learning_rate_decay_share),
            adam_beta1=0.0,
            adam_beta2=0.999,
            device="cpu",
            logger=LoggingConfig(log_to_wandb=False),
        )
        self.trainer = SAETrainer(settings, self.sae, iter(()))

    def update(self, step: int, x: Tensor) -> None:  # noqa: ARG002
        self.trainer.step(x)
        self.trainer.n_training_steps += 1

    def weights(self) -> Weights:
        one = self.sae
        return Weights(one.W_enc, one.W_dec, one.b_gate, one.b_mag, one.r_mag, one.b_dec)


def importable(package: Callable[..., Trainer], plain: Callable[..., Trainer], *given: Any) -> Trainer:
    """The package itself, or its step repeated."""
    try:
        return package(*given)
    except ImportError:
        return plain(*given)


@torch.no_grad()
def judged(weights: Weights, x: Tensor, sparsity: float) -> tuple[float, float, float]:
    """The paper's loss with decoder rows of norm 1, L0 and explained variance on batches that nobody trained on."""
    norms = weights.W_dec.norm(dim=1)
    decoder = weights.W_dec / norms[:, None]
    encoded = (x - weights.b_dec) @ weights.W_enc
    gate = (encoded + weights.b_gate).relu() * norms
    codes = (gate > 0) * (weights.r_mag.exp() * encoded + weights.b_mag).relu() * norms
    error = (x - codes @ decoder - weights.b_dec).square().sum(dim=1).mean()
    auxiliary = (x - gate @ decoder - weights.b_dec).square().sum(dim=1).mean()
    explained = 1 - error / (x - x.mean(dim=0)).square().sum(dim=1).mean()
    loss = error + sparsity * gate.sum(dim=1).mean() + auxiliary
    return float(loss), float((codes > 0).sum(dim=1).double().mean()), float(explained)


def activations() -> tuple[ActivationStore, ActivationStore]:
    """The lab's, of documents to train on and of a tenth to judge by."""
    lab = find_lab()
    model = AutoModelForCausalLM.from_pretrained(lab.model, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(lab.model)
    texts = [json.loads(line)["text"] for line in lab.corpus.read_text(encoding="utf-8").splitlines()]
    parts = [
        [text for index, text in enumerate(texts) if (index % JUDGED_EVERY == 0) == unseen]
        for unseen in (False, True)
    ]
    stores = (
        ActivationStore(
            model, token_batches(part, tokenizer), [SITE], generator=torch.Generator().manual_seed(0)
        )
        for part in parts
    )
    first, second = stores
    return first, second


def main(steps: int = STEPS) -> None:
    """Run all trainers side by side and print a table."""
    config = replace(CONFIG, steps=steps)
    store, unseen = activations()
    statistics = store.statistics()[SITE]
    ours = Ours("here", statistics, config)
    start = Weights(*(tensor.detach().clone() for tensor in ours.weights()))
    scale = ours.trainer.scale
    trainers: list[Trainer] = [
        ours,
        importable(DictionaryLearning, PlainDictionaryLearning, start, config),
        importable(SaeLens, PlainSaeLens, start, config),
        Ours("here, gradients clipped to norm 1", statistics, replace(config, clip_norm=1.0)),
    ]
    seconds: dict[str, list[float]] = {one.name: [] for one in trainers}
    for first in range(0, steps, CHUNK):
        batches = [store.batch(config.batch_size)[SITE] * scale for _ in range(min(CHUNK, steps - first))]
        for one in trainers:
            begin = time.perf_counter()
            for index, x in enumerate(batches):
                one.update(first + index, x)
            seconds[one.name].append(time.perf_counter() - begin)
    judge = next(unseen.held(4096))[SITE] * scale
    show(trainers, seconds, judge, config)


def show(
    trainers: list[Trainer], seconds: dict[str, list[float]], judge: Tensor, config: TrainingConfig
) -> None:
    """Tokens a second, how many times as fast ours is, and what came out."""
    width, features = trainers[0].weights().W_enc.shape
    table = Table(
        title=f"Gated, d = {width}, F = {features:,}, {config.steps} steps of {config.batch_size}, float32, "
        f"{torch.get_num_threads()} threads",
        title_justify="left",
        caption="Ratio: wall time of the trainer over ours, the whole run (last third: once few gates are open). "
        "Loss, L0, explained variance: on unseen activations; the loss is the paper's, rows of norm 1.",
        caption_justify="left",
    )
    for name in ("Trainer", "Tokens/s", "Ratio", "Last third", "Loss", "L0", "Explained"):
        table.add_column(name, justify="left" if name == "Trainer" else "right")
    ours = seconds[trainers[0].name]
    third = len(ours) * 2 // 3
    for one in trainers:
        taken = seconds[one.name]
        loss, l0, explained = judged(one.weights(), judge, config.sparsity)
        table.add_row(
            one.name,
            f"{config.steps * config.batch_size / sum(taken):,.0f}",
            f"{sum(taken) / sum(ours):.2f}",
            f"{sum(taken[third:]) / sum(ours[third:]):.2f}",
            f"{loss:.2f}",
            f"{l0:.1f}",
            f"{explained:.4f}",
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else STEPS)
