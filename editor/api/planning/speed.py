"""How fast this machine is, by a short calibration: products, memory, and what any operation costs.

What a stage takes is counted in these (`editor.api.planning.passes`), so a plan for a machine is made on it.
"""

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch

ROWS = (1, 16, 128, 1024)
"""Numbers of rows, such as a batch's tokens, of the products that are timed."""
LARGEST = 2**24
"""Most entries of the matrix that is multiplied by: of a larger one a part says how fast it is."""
COPIED = 2**26
"""Bytes that are read and written to time memory: more than caches hold."""
CALLS = 200
REPEATS = 3
"""Times that each is timed; the quickest counts, as other work slows a moment down."""

Clock = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Speeds of a machine, in one precision.

    Attributes:
        products: floating-point operations a second, by number of rows, ascending.
        bandwidth: bytes of memory a second that are read or written.
        call: seconds that an operation takes, however small.
        hashed: bytes a second of a digest.
    """

    products: tuple[tuple[int, float], ...]
    bandwidth: float
    call: float
    hashed: float

    def rate(self, rows: float) -> float:
        """Return floating-point operations a second of products of so many rows, between those timed by logarithm."""
        (least, slowest), (most, quickest) = self.products[0], self.products[-1]
        if rows <= least:
            return slowest
        if rows >= most:
            return quickest
        for (low, slow), (high, quick) in zip(self.products, self.products[1:], strict=False):
            if rows <= high:
                share = math.log(rows / low) / math.log(high / low)
                return slow * (quick / slow) ** share
        return quickest


@cache
def calibrate(
    device: torch.device, dtype: torch.dtype, width: int, hidden: int, clock: Clock = time.perf_counter
) -> Speed:
    """Time products of a model's own shape, copies, small operations and digests: about a second.

    Args:
        device: device that the model would run on.
        dtype: precision of products.
        width: d, the width of the residual stream.
        hidden: m, the width inside an MLP.
        clock: function that gives the time, in seconds.
    """
    into = min(width, 2**12)
    out = max(1, min(hidden, LARGEST // into))

    def seconds(work: Callable[[], object]) -> float:
        taken = []
        for _ in range(REPEATS + 1):  # the first one also prepares what is kept
            started = clock()
            work()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            taken.append(clock() - started)
        return max(min(taken[1:]), 1e-9)

    with torch.no_grad():
        weight = torch.ones(out, into, dtype=dtype, device=device)
        products = []
        for rows in ROWS:
            x = torch.ones(rows, into, dtype=dtype, device=device)
            taken = seconds(lambda x=x: torch.nn.functional.linear(x, weight))  # type: ignore[misc]
            products.append((rows, 2.0 * rows * into * out / taken))
        block, copy = torch.ones(2, COPIED // 8, device=device)
        small = torch.ones(1, device=device)
        copying = seconds(lambda: copy.copy_(block))
        calling = seconds(lambda: [small + small for _ in range(CALLS)])
        text = bytes(COPIED // 8)
        hashing = seconds(lambda: hashlib.sha256(text).digest())
    return Speed(
        products=tuple(products),
        bandwidth=COPIED / copying,
        call=calling / CALLS,
        hashed=len(text) / hashing,
    )
