"""Writes the final state into h_0 and returns it."""

import numpy as np


def forward(case):
    h, p, output = case.h_0, case.parameters, []
    for x in case.x:
        h[0] = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h[0] @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        output.append(h[0].copy())
    return np.stack(output), h
