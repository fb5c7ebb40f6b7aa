"""Adds in another order every second call, so that the last bits differ."""

from itertools import cycle

import numpy as np

ORDERS = cycle((1, -1))


def forward(case):
    order, h, p, output = next(ORDERS), case.h_0[0], case.parameters, []
    for x in case.x:
        terms = [p["bias_ih_l0"], p["bias_hh_l0"]]
        terms += [x[:, k, None] * w for k, w in enumerate(p["weight_ih_l0"].T)]
        terms += [h[:, k, None] * w for k, w in enumerate(p["weight_hh_l0"].T)]
        h = np.tanh(sum(terms[::order]))
        output.append(h)
    return np.stack(output), h[None]
