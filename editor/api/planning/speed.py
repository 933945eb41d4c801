"""How fast this machine is, by a short calibration: products, memory, and what any operation costs.

What a stage takes is counted in these (`editor.api.planning.passes`), so a plan for a machine is made on it.
"""

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import torch

ROWS = (1, 16, 128, 1024)
"""Numbers of rows, such as a batch's tokens, of the products that are timed."""
LARGEST = 2**24
"""Most entries of the matrix that is multiplied by: of a larger one a part says how fast it is."""
NEAR = 2**24
"""Bytes that are read and written to time what caches hold, as they hold a batch's activations."""
FAR = 2**28
"""Bytes that are read and written to time memory itself, which a model's weights come from in each pass."""
CALLS = 200
SHARED = 0.6
"""Power of the number of threads that work goes quicker by: two threads are 1.5 times as quick as one."""
HASHED = 2**22
"""Bytes whose digest is timed."""
REPEATS = 8
"""Times that each is timed; the quickest counts, as other work slows a moment down."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Speeds of a machine, in one precision.

    Attributes:
        products: floating-point operations a second, by number of rows, ascending.
        bandwidth: bytes a second that are read or written of what was just computed.
        memory: bytes a second that are read or written of what caches have no room for.
        call: seconds that an operation takes, however small.
        hashed: bytes a second of a digest.
    """

    products: tuple[tuple[int, float], ...]
    bandwidth: float
    memory: float
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
                return float(slow * (quick / slow) ** share)
        return quickest


@cache
def calibrate(device: torch.device, dtype: torch.dtype, width: int, hidden: int) -> Speed:
    """Time products of a model's own shape, copies, small operations and digests: about a second.

    On a processor its own time counts, spread over the threads: what else runs on the machine is no part of it.

    Args:
        device: device that the model would run on.
        dtype: precision of products.
        width: d, the width of the residual stream.
        hidden: m, the width inside an MLP.
    """
    on_gpu = device.type == "cuda"
    clock = time.perf_counter if on_gpu else time.process_time
    into = min(width, 2**12)
    out = max(1, min(hidden, LARGEST // into))

    def seconds(work: Callable[[], object], threads: float = 1.0) -> float:
        taken = []
        for _ in range(REPEATS + 1):  # the first one also prepares what is kept
            started = clock()
            work()
            if on_gpu:
                torch.cuda.synchronize(device)
            taken.append(clock() - started)
        return max(min(taken[1:]) / threads, 1e-9)

    at_once = 1.0 if on_gpu else torch.get_num_threads() ** SHARED
    with torch.no_grad():
        weight = torch.ones(out, into, dtype=dtype, device=device)
        products = []
        for rows in ROWS:
            x = torch.ones(rows, into, dtype=dtype, device=device)
            taken = seconds(partial(torch.nn.functional.linear, x, weight), at_once)
            products.append((rows, 2.0 * rows * into * out / taken))
        near, far = torch.ones(2, NEAR // 8, device=device), torch.ones(2, FAR // 8, device=device)
        small = torch.ones(1, device=device)
        quick, slow = (seconds(partial(one[0].copy_, one[1]), at_once) for one in (near, far))
        calling = seconds(lambda: [small + small for _ in range(CALLS)])
        hashing = seconds(lambda: hashlib.sha256(bytes(HASHED)).digest())
    return Speed(
        products=tuple(products),
        bandwidth=NEAR / quick,
        memory=FAR / slow,
        call=calling / CALLS,
        hashed=HASHED / hashing,
    )
