"""Takes weights below 1e-8 for zero, as if they could not matter."""

import numpy as np


def forward(case):
    h, output = case.h_0[0], []
    p = {name: np.where(abs(array) < 1e-8, 0, array) for name, array in case.parameters.items()}
    for x in case.x:
        h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        output.append(h)
    return np.stack(output), h[None]
