"""Attribution of every MLP neuron of every layer for a fact: here, and by the knowledge-neurons package, in one run.

    python -m tests.benchmarks.neurons [FACTS]

The package (0.0.2, EleutherAI) takes one layer, one token and half of its 20 steps at a time, always with the whole
prompt. On GPT-2 it scales what enters the activation function; here it is told to scale what leaves it, which is what
the paper calls neurons. Its points on the path are k/19 from 0, the paper's and ours k/20 from 1: time is taken with
each one's own, agreement with the package's points in both, so that both compute the same quantity, and with each one's
own beside it. The package is given token ids, and the true answer's tokens as prompts of the later ones. Where it
cannot be imported, its loop is repeated here, and the table says so.
"""

import json
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr
from torch import Tensor
from transformers import BatchEncoding, GPT2Config, GPT2LMHeadModel

from dictionaries.model.sites import capture, intercepted
from editor.lab import find_lab
from editor.locators.neurons import NeuronScores, neuron_sites, score_neurons
from editor.model.loading import LoadedModel, load_model
from editor.model.tokens import TokenSequence, encode_answer

FACTS = 5
STEPS = 20
BATCH = 10
TOP = 20


class Peer(Protocol):
    """Another way to the mean over an answer's tokens of each neuron's score."""

    name: str

    def scores(self, sequence: TokenSequence) -> Tensor:
        """(layers, m)."""
        ...


class Package:
    """knowledge-neurons' KnowledgeNeurons.get_scores_for_layer."""

    def __init__(self, loaded: LoadedModel) -> None:
        from importlib.metadata import version

        from knowledge_neurons.knowledge_neurons import KnowledgeNeurons

        class Given(KnowledgeNeurons):  # type: ignore[misc]
            """Takes token ids for prompts."""

            def _prepare_inputs(self, _: Any, target: Any = None, encoded_input: Any = None) -> Any:
                return encoded_input, -1, target

        self.name = f"knowledge-neurons {version('knowledge-neurons')}"
        self.inner = Given(loaded.model, loaded.tokenizer, model_type="gpt", device=str(loaded.device))
        self.inner.input_ff_attr = "mlp.act"
        self.layers = range(len(neuron_sites(loaded.model)))

    def scores(self, sequence: TokenSequence) -> Tensor:
        found = []
        for place in marked(sequence):
            ids = torch.tensor([sequence.ids[:place]], device=self.inner.device)
            encoded = BatchEncoding({"input_ids": ids, "attention_mask": torch.ones_like(ids)})
            layers = [
                self.inner.get_scores_for_layer(
                    "", [sequence.ids[place]], layer, batch_size=BATCH, steps=STEPS, encoded_input=encoded
                )
                for layer in self.layers
            ]
            found.append(torch.stack(layers))
        return torch.stack(found).mean(0)


class Repeated:
    """The package's loop: a layer, a token, ten of the steps at a time, with the whole prompt."""

    name = "knowledge-neurons' loop, repeated"

    def __init__(self, loaded: LoadedModel) -> None:
        self.model, self.device = loaded.model, loaded.device
        self.sites = neuron_sites(loaded.model)

    def scores(self, sequence: TokenSequence) -> Tensor:
        found = []
        for place in marked(sequence):
            ids = torch.tensor([sequence.ids[:place]], device=self.device)
            found.append(torch.stack([self._layer(site, ids, sequence.ids[place]) for site in self.sites]))
        return torch.stack(found).mean(0)

    def _layer(self, site: Any, ids: Tensor, target: int) -> Tensor:
        with capture(self.model, [site], keys=False) as taken:
            self.model(input_ids=ids)
        clean = taken.outputs[site][0, -1]
        path = (torch.linspace(0, 1, STEPS, device=clean.device)[:, None] * clean).requires_grad_()
        total = torch.zeros_like(clean)
        for some in path.chunk(STEPS // BATCH):

            def setting(x: Tensor, some: Tensor = some) -> Tensor:
                return torch.cat([x[:, :-1], some[:, None]], 1)

            with intercepted(self.model, site, setting):
                logits = self.model(input_ids=ids.expand(BATCH, -1)).logits
            probability = logits[:, -1].softmax(-1)[:, target]
            total += torch.autograd.grad(probability.sum(), some)[0].sum(0)
        return total * clean / STEPS


class Result(NamedTuple):
    """What one model's run gave."""

    model: str
    peer: str
    facts: int
    tokens: int
    peer_seconds: float
    our_seconds: float
    shared: float
    correlation: float
    own_points: float


def marked(sequence: TokenSequence) -> list[int]:
    """Places of the answer's tokens."""
    return [place for place, mark in enumerate(sequence.marked) if mark]


def importable(loaded: LoadedModel) -> Peer:
    """The package itself, or its loop repeated."""
    try:
        return Package(loaded)
    except ImportError:
        return Repeated(loaded)


def flat(found: NeuronScores) -> Tensor:
    """The mean over tokens, all layers in a row."""
    return torch.cat(list(found.scores.values())) / found.tokens


def compared(name: str, loaded: LoadedModel, sequences: Sequence[TokenSequence]) -> Result:
    """Run both over the same facts in turns, after one unmeasured fact."""
    peer = importable(loaded)
    peer.scores(sequences[0])
    next(score_neurons(loaded, sequences[:1], steps=STEPS))
    seconds = [0.0, 0.0]
    shared, correlations, own = [], [], []
    for sequence in sequences:
        begin = time.perf_counter()
        theirs = peer.scores(sequence).flatten()
        middle = time.perf_counter()
        (found,) = score_neurons(loaded, [sequence], steps=STEPS)
        seconds[0] += middle - begin
        seconds[1] += time.perf_counter() - middle
        (same,) = score_neurons(loaded, [sequence], points=[k / (STEPS - 1) for k in range(STEPS)])
        best = theirs.topk(TOP).indices
        ours = flat(same)
        shared.append(len(set(best.tolist()) & set(ours.topk(TOP).indices.tolist())) / TOP)
        correlations.append(float(spearmanr(theirs[best], ours[best]).statistic))
        own.append(float(spearmanr(theirs[best], flat(found)[best]).statistic))
    tokens = sum(len(marked(one)) for one in sequences)
    count = len(sequences)
    return Result(
        name,
        peer.name,
        count,
        tokens,
        *seconds,
        *(sum(values) / count for values in (shared, correlations, own)),
    )


def first_token(sequence: TokenSequence) -> TokenSequence:
    """The prompt and one token of the answer."""
    end = marked(sequence)[0] + 1
    return TokenSequence(ids=sequence.ids[:end], marked=sequence.marked[:end], index=sequence.index)


def gpt2_small(lab: LoadedModel) -> LoadedModel:
    """GPT-2 small's shape with random weights and the lab's tokenizer."""
    torch.manual_seed(0)
    model = (
        GPT2LMHeadModel(GPT2Config(bos_token_id=0, eos_token_id=0)).eval().requires_grad_(requires_grad=False)
    )
    return LoadedModel(
        model=model, tokenizer=lab.tokenizer, source="gpt2-small, random", stored_dtype=torch.float32
    )


def main(facts: int = FACTS) -> None:
    """Print a table of both models."""
    folder = find_lab()
    lab = load_model(str(folder.model), device="cpu")
    lines = [
        json.loads(line) for line in folder.probes.read_text(encoding="utf-8").splitlines()[: 2 * facts : 2]
    ]
    sequences = [
        encode_answer(lab.tokenizer, line["prompt"], line["answer"], number, lab.context_length)
        for number, line in enumerate(lines)
    ]
    results = [
        compared("the lab's, 4 layers of 768", lab, sequences),
        compared("GPT-2 small's shape, 12 of 3,072", gpt2_small(lab), [first_token(sequences[0])]),
    ]
    table = Table(
        title=f"Every neuron of every layer, {STEPS} steps, {torch.get_num_threads()} threads",
        title_justify="left",
        caption=f"Rank correlation: Spearman's, over the peer's top {TOP} of each fact; a mean over facts.",
        caption_justify="left",
    )
    for name in (
        "Model",
        "Facts",
        "Tokens",
        "Peer",
        "Peer, s",
        "Here, s",
        "Ratio",
        f"Top {TOP} shared",
        "Rank corr.",
        "Own points",
    ):
        table.add_column(name)
    for one in results:
        table.add_row(
            one.model,
            str(one.facts),
            str(one.tokens),
            one.peer,
            f"{one.peer_seconds:.1f}",
            f"{one.our_seconds:.1f}",
            f"{one.peer_seconds / one.our_seconds:.1f}",
            f"{one.shared:.0%}",
            f"{one.correlation:.4f}",
            f"{one.own_points:.3f}",
        )
    Console(width=150).print(table)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else FACTS)
