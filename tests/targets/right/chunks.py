"""Takes time three steps at a go and carries the state from chunk to chunk."""

import numpy as np
from plain import capabilities, run, scan  # noqa: F401


def chunked(step, x, h, p, lengths, reverse):
    output = np.zeros((*x.shape[:2], h.shape[1]), x.dtype)
    for start in range(0, len(x), 3)[:: -1 if reverse else 1]:
        chunk = slice(start, start + 3)
        output[chunk], h = scan(step, x[chunk], h, p, lengths - start, reverse)
    return output, h


def forward(case):
    return run(case, scan=chunked)
