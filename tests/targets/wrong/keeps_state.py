"""Starts where the last call of this shape ended; reads h_0 only the first time."""

import numpy as np

STATES = {}


def forward(case):
    h, p, output = STATES.get(case.h_0.shape, case.h_0[0]), case.parameters, []
    for x in case.x:
        h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        output.append(h)
    STATES[case.h_0.shape] = h.copy()
    return np.stack(output), h[None]
