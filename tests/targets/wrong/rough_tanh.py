"""tanh as 2 sigmoid(2 z) - 1 with the sigmoid from a table, off by up to 1e-6."""

import numpy as np

TABLE = np.linspace(-20, 20, 8192)
SIGMOID = 1 / (1 + np.exp(-TABLE))


def tanh(z):
    return (2 * np.interp(2 * z, TABLE, SIGMOID) - 1).astype(z.dtype)


def forward(case):
    h, p, output = case.h_0[0], case.parameters, []
    for x in case.x:
        h = tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        output.append(h)
    return np.stack(output), h[None]
