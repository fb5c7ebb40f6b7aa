"""tanh as 2 sigmoid(2 z) - 1, which loses the digits of small numbers, under the strict profile."""

import numpy as np


def tanh(z):
    return 2 / (1 + np.exp(-2 * z)) - 1


def forward(case):
    h, p, output = case.h_0[0], case.parameters, []
    for x in case.x:
        h = tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        output.append(h)
    return np.stack(output), h[None]
