"""How work grows with its size, as a ratio of two measurements: neither a slow machine nor a busy one changes it."""

import time

LEAST_S = 0.005
"""Of one measurement; shorter work is repeated."""
ROUNDS = 3


def growth(small, large):
    """How many times as long `large` takes as `small`, in this thread's own time, at the least of several."""
    repeats = _repeats(small)
    taken = [(_seconds(small, repeats), _seconds(large, 1)) for _ in range(ROUNDS)]
    return min(second for _, second in taken) * repeats / min(first for first, _ in taken)


def _repeats(work):
    repeats = 1
    while _seconds(work, repeats) < LEAST_S:
        repeats *= 2
    return repeats


def _seconds(work, repeats):
    begin = time.thread_time()
    for _ in range(repeats):
        work()
    return time.thread_time() - begin
