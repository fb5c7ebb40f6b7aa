"""Adds one bias to the other in place."""

import numpy as np


def forward(case):
    h, p, output = case.h_0[0], case.parameters, []
    b = p["bias_ih_l0"]
    b += p["bias_hh_l0"]
    for x in case.x:
        h = np.tanh(x @ p["weight_ih_l0"].T + h @ p["weight_hh_l0"].T + b)
        output.append(h)
    return np.stack(output), h[None]
