"""Every row has a thread of its own."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from plain import capabilities, run, scan  # noqa: F401


def threaded(step, x, h, p, lengths, reverse):
    output, h = np.zeros((*x.shape[:2], h.shape[1]), x.dtype), h.copy()

    def work(row):
        own = slice(row, row + 1)
        output[:, own], h[own] = scan(step, x[:, own], h[own], p, lengths[own], reverse)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(len(h))))
    return output, h


def forward(case):
    return run(case, scan=threaded)
