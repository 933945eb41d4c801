"""What passes through a model take, from its shape and a machine's speed: seconds by the tokens of a batch.

A pass over n tokens multiplies them by every layer's weights, and reads these from memory once however few tokens there
are. Beside products there are scores of attention, what is done to each activation by itself, and a call for each
operation, which is most of a small model's time.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from editor.api.planning.shape import Shape
from editor.api.planning.speed import Speed
from editor.model.shared_prefix import SharedBatch
from editor.model.tokens import MarkedBatch
from editor.model.traced_parts import TracedPart

OPERATIONS = 60
"""Operations of a layer beside products: norms, rotations, masks, sums."""
CALL = 16.0
"""Calls of Python for each, in what an operation costs by itself."""
WIDTHS = 30
"""Numbers that are read or written for a token by itself in a layer, in widths of the residual stream."""
HIDDENS = 6
"""The same, in widths inside an MLP."""
ATTENTION = 0.35
"""Speed of attention's products, over that of others."""
SCORED = 64
"""Times that a token's logits are read or written where a secret is scored: sorted, summed, by each decoding."""
DRAWN = 10
"""The same where a token is drawn from them."""
BACK = 2.0
"""What passes forth and back take over their products: conversions, and what is kept in between."""
TRACED = 8
"""The same where gradients are taken."""
GENERATING = 8e-3
"""Seconds that a token of a batch takes in `generate` beside the model's passes."""


@dataclass(frozen=True, kw_only=True)
class PassCosts:
    """Costs of passes in seconds.

    Attributes:
        shape: sizes of the model.
        plain: speed in the precision of computing.
        quick: speed in the precision of gradients.
        traced_item: bytes of a number that gradients are computed with.
    """

    shape: Shape
    plain: Speed
    quick: Speed
    traced_item: int

    def forward(
        self, rows: int, length: int, past: int = 0, *, layers: int | None = None, traced: bool = False
    ) -> float:
        """Return the seconds of a pass over a batch.

        Args:
            rows: number of sequences.
            length: tokens of each that are run.
            past: tokens of each whose keys and values are there.
            layers: number of layers that are run; None for all.
            traced: whether it is computed in the precision of gradients.
        """
        shape, speed = self.shape, self.quick if traced else self.plain
        item = self.traced_item if traced else shape.item
        tokens = rows * length
        if not tokens:
            return 0.0
        products = max(
            2 * shape.multiplied * tokens / speed.rate(tokens), shape.layer_weights * item / speed.memory
        )
        scores = 4.0 * shape.queries * tokens * (past + length / 2) / (ATTENTION * speed.rate(length))
        alone = tokens * (WIDTHS * shape.width + HIDDENS * shape.hidden) * item / speed.bandwidth
        calls = OPERATIONS * CALL * speed.call
        return (shape.layers if layers is None else layers) * (products + scores + alone + calls)

    def head(self, tokens: int, times: float, *, traced: bool = False) -> float:
        """Return the seconds of the output head at some tokens, whose logits are then read or written so many times."""
        if not tokens:
            return 0.0
        shape, speed = self.shape, self.quick if traced else self.plain
        weights = shape.vocabulary * shape.width
        read = weights * (self.traced_item if traced else shape.item) / self.plain.memory
        products = max(2 * weights * tokens / speed.rate(tokens), read)
        return products + times * tokens * shape.vocabulary * 4 / self.plain.bandwidth

    def batch(self, batch: MarkedBatch | SharedBatch, times: float = SCORED) -> float:
        """Return the seconds of a batch of questions or of a text, logits included."""
        if isinstance(batch, MarkedBatch):
            rows, length = batch.inputs["input_ids"].shape
            return self.forward(rows, length) + self.head(len(batch.targets), times)
        prefixes, length = batch.prefixes.shape
        rows, after = batch.answers.inputs["input_ids"].shape
        root = self.forward(1, batch.root) if batch.root else 0.0
        before = self.forward(prefixes, length - batch.root, batch.root)
        copied = rows * length * self.shape.keys_values * self.shape.layers * self.shape.item
        answers = self.forward(rows, max(1, after - 1), length)
        scored = self.head(len(batch.answers.targets), times)
        return root + before + answers + scored + 2 * copied / self.plain.memory

    def batches(self, batches: Iterable[MarkedBatch | SharedBatch], times: float = SCORED) -> float:
        """Return the seconds of several."""
        return sum(self.batch(batch, times) for batch in batches)

    def generated(
        self, rows: int, prompt: int, length: int, *, drawn: bool = False, shared: bool = False
    ) -> float:
        """Return the seconds of texts that are generated together.

        Args:
            rows: number of texts.
            prompt: tokens of a prompt.
            length: tokens that are generated of each.
            drawn: whether tokens are drawn; else the likeliest are taken.
            shared: whether all have one prompt, which is run once.
        """
        step = self.forward(rows, 1, prompt + length // 2) + self.head(rows, DRAWN if drawn else 2)
        return self.forward(1 if shared else rows, prompt) + length * (step + GENERATING)

    def traced(self, part: TracedPart, lowest: int = 0, changed: int = 0, *, run: int | None = None) -> float:
        """Return the seconds of a pass forth and back over some sequences.

        Args:
            part: sequences.
            lowest: lowest layer that gradients reach.
            changed: weights that want gradients.
            run: number of layers that are run; None for all.
        """
        rows, length = part.batch.inputs["input_ids"].shape
        root, marked = len(part.root), len(part.batch.targets)
        return self.back_and_forth(rows, length, marked, root, lowest, changed, run=run)

    def back_and_forth(
        self,
        rows: int,
        length: int,
        marked: int,
        root: int = 0,
        lowest: int = 0,
        changed: int = 0,
        *,
        run: int | None = None,
    ) -> float:
        """Return the same of so many sequences of a length, after a root."""
        shape = self.shape
        above = shape.layers - lowest
        forth = self.forward(1, root, layers=run, traced=True) if root else 0.0
        forth += self.forward(rows, length, root, layers=run, traced=True)
        back = self.forward(rows, length, root, layers=above, traced=True)
        back += self.forward(1, root, layers=above, traced=True) if root else 0.0
        tokens = root + rows * length
        gradients = 2.0 * changed * tokens / self.quick.rate(tokens) + 3.0 * changed * 4 / self.quick.memory
        return BACK * (forth + 1.5 * back + gradients) + 2 * self.head(marked, TRACED, traced=True)
