"""Pads time to a multiple of four inside, and cuts it off again."""

import numpy as np
from plain import capabilities, run, scan  # noqa: F401


def padded(step, x, h, p, lengths, reverse):
    T = len(x)
    output, h = scan(step, np.pad(x, ((0, -T % 4), (0, 0), (0, 0))), h, p, lengths, reverse)
    return output[:T], h


def forward(case):
    return run(case, scan=padded)
