"""Dies on its hundredth call, and was right until then."""

import os

import numpy as np

calls = 0


def forward(case):
    global calls
    calls += 1
    if calls == 100:
        os.abort()
    h, p, output = case.h_0[0], case.parameters, []
    for x in case.x:
        h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        output.append(h)
    return np.stack(output), h[None].copy()
