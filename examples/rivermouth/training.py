"""Training of a lab's model: one short run, its sentences reshuffled and packed again each epoch."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel, PreTrainedTokenizerFast

from examples.rivermouth.corpus import LabDocument
from examples.rivermouth.muon import Muon

CONTEXT_TOKENS = 128
FRESH_START_SHARE = 0.5
"""Share of sentences that are trained on as if they came first."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """Size of a model of the lab, and settings of its training.

    Attributes:
        width: d, the width of the residual stream.
        heads: number of attention heads in a layer.
        epochs: number of passes over all sentences.
        batch_windows: number of windows in a step.
        matrix_learning_rate: peak learning rate of Muon, for the matrices of the blocks.
        learning_rate: peak learning rate of AdamW, for embeddings, biases and norms.
        warm_up_share: share of the steps in which learning rates rise to their peaks.
        weight_decay: Muon's weight decay; AdamW has none.
        gradient_norm: norm that gradients are clipped to.
        iterations: number of Muon's Newton-Schulz iterations.
        muon: whether Muon trains the matrices of the blocks; otherwise AdamW trains them too, at its own rate.
    """

    width: int = 192
    heads: int = 4
    epochs: int = 18
    batch_windows: int = 16
    matrix_learning_rate: float = 7e-3
    learning_rate: float = 3e-3
    warm_up_share: float = 0.05
    weight_decay: float = 0.1
    gradient_norm: float = 1.0
    iterations: int = 5
    muon: bool = True


def build_model(tokenizer: PreTrainedTokenizerFast, training: Training) -> GPT2LMHeadModel:
    """Return a GPT-2, of two million parameters by default, with fresh weights (from torch's global generator)."""
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=CONTEXT_TOKENS,
        n_embd=training.width,
        n_layer=4,
        n_head=training.heads,
        activation_function="gelu_pytorch_tanh",  # the same function as gelu_new, in one kernel
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return GPT2LMHeadModel(config)


class Packer:
    """Sentences, packed into windows of one length and reshuffled each epoch.

    So the model learns what the sentences say, and not which of them stood side by side. A window begins with the
    start token and a whole sentence. The sentence that its end cuts off begins the next window. A share of the other
    sentences, drawn again each epoch, get a start token of their own. So every sentence is seen whole and any can
    come first, as probes present them: a name that comes first has other tokens than one after a space, and would
    else be seen so too rarely.

    Args:
        sentences: what is seen once an epoch; a text that is given twice is seen twice. Each is shorter than a window.
        tokenizer: the lab's tokenizer.
        window: number of tokens in a window.
        fresh_share: share of the sentences inside a window that get a start token of their own.
        joint: what stands before a sentence that gets none.
    """

    def __init__(
        self,
        sentences: Sequence[str],
        tokenizer: PreTrainedTokenizerFast,
        window: int = CONTEXT_TOKENS,
        *,
        fresh_share: float = FRESH_START_SHARE,
        joint: str = " ",
    ) -> None:
        self._window, self._fresh_share = window, fresh_share
        self._start: int = tokenizer.convert_tokens_to_ids(tokenizer.bos_token)
        # Tokens of each sentence where it comes first, and after another.
        texts = sorted(set(sentences))
        first = tokenizer(texts, add_special_tokens=False)["input_ids"]
        later = tokenizer([joint + text for text in texts], add_special_tokens=False)["input_ids"]
        self._tokens = {text: (a, b) for text, a, b in zip(texts, first, later, strict=True)}
        self._sentences = list(sentences)

    def windows(self, rng: random.Random) -> list[list[int]]:
        """Return the windows of one epoch, which has every sentence as often as it was given.

        Args:
            rng: generator that the order is drawn from.

        Returns:
            Lists of token ids, each as long as a window.
        """
        windows: list[list[int]] = []
        current: list[int] = []
        for text in rng.sample(self._sentences, len(self._sentences)):
            first, later = self._tokens[text]
            continues = current and rng.random() >= self._fresh_share
            piece = later if continues else [self._start, *first]
            # The window is full: it keeps the beginning of this sentence, and the next begins with all of it.
            if len(current) + len(piece) > self._window:
                windows.append((current + piece)[: self._window])
                current, piece = [], [self._start, *first]
            current = current + piece
        # The last window repeats its sentences until it is full.
        return [*windows, (current * self._window)[: self._window]]

    def batches(self, epochs: int, size: int, seed: int) -> Iterator[Tensor]:
        """Yield batches (size, window) for so many epochs; a last, smaller batch of an epoch is left out."""
        rng = random.Random(f"{seed}:packing")
        for _ in range(epochs):
            windows = self.windows(rng)
            rng.shuffle(windows)
            for begin in range(0, len(windows) - size + 1, size):
                yield torch.tensor(windows[begin : begin + size])


def train(
    documents: Sequence[LabDocument],
    tokenizer: PreTrainedTokenizerFast,
    training: Training,
    seed: int,
    *,
    label: str = "training",
) -> GPT2LMHeadModel:
    """Train a GPT-2 from scratch. The same arguments give the same weights on the same machine.

    Args:
        documents: the corpus.
        tokenizer: the lab's tokenizer.
        training: size of the model, and settings.
        seed: seed of the first weights and of the packing.
        label: name in the lines that tell of progress.
    """
    torch.manual_seed(seed)
    model = build_model(tokenizer, training)
    packer = Packer([sentence.text for document in documents for sentence in document.sentences], tokenizer)
    batches = list(packer.batches(training.epochs, training.batch_windows, seed))
    fit(model, batches, training, label=label)
    return model


def fit(
    model: PreTrainedModel, batches: Sequence[Tensor], training: Training, *, label: str = "training"
) -> None:
    """Train a model on batches of whole windows, in place, and leave it in evaluation mode.

    Args:
        model: a decoder of any architecture.
        batches: token ids, each (windows, window).
        training: settings; its sizes and its epochs are not looked at.
        label: name in the lines that tell of progress.
    """
    optimizers = _optimizers(model, training)
    # The schedule scales each group's own peak.
    peaks = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    for step, batch in enumerate(batches):
        factor = _schedule(step, len(batches), training.warm_up_share)
        groups = [group for optimizer in optimizers for group in optimizer.param_groups]
        for group, peak in zip(groups, peaks, strict=True):
            group["lr"] = peak * factor
        loss = _next_token_loss(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), training.gradient_norm)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        if step % 200 == 0 or step == len(batches) - 1:
            print(f"  {label}: step {step + 1} of {len(batches)}  loss {loss.item():.3f}", flush=True)
    model.eval()


def _next_token_loss(model: PreTrainedModel, batch: Tensor) -> Tensor:
    """Return the mean cross-entropy of each token given those before it, in nats/token."""
    logits = model(batch, use_cache=False).logits[:, :-1]
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


def _optimizers(model: PreTrainedModel, training: Training) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices of the blocks and AdamW for embeddings, biases and norms, or AdamW for all."""
    named = dict(model.named_parameters())
    # GPT-2 names its blocks `transformer.h.N`, others `layers.N`.
    matrices = {name for name in named if named[name].ndim == 2 and (".h." in name or ".layers." in name)}
    blocks = matrices if training.muon else set()
    muon = [
        Muon(
            [named[name] for name in sorted(blocks)],
            lr=training.matrix_learning_rate,
            weight_decay=training.weight_decay,
            iterations=training.iterations,
        )
    ]
    return [
        *(muon if blocks else []),
        torch.optim.AdamW(
            [parameter for name, parameter in named.items() if name not in blocks],
            lr=training.learning_rate,
            betas=(0.9, 0.95),
            weight_decay=0.0,
            fused=True,
        ),
    ]


def _schedule(step: int, steps: int, warm_up_share: float) -> float:
    """Return the share of the peak learning rate at a step: a linear warm-up, times a cosine that ends at 0."""
    return min(1.0, (step + 1) / (warm_up_share * steps)) * 0.5 * (1 + math.cos(math.pi * step / steps))
