"""Takes memory without end for more than three steps."""

import time

import numpy as np


def forward(case):
    h, p, output = case.h_0[0], case.parameters, []
    hoard = []
    while len(case.x) > 3:
        hoard.append(b"x" * 2**26)
        time.sleep(0.01)  # slow enough for a watchdog, and for the other users of the machine
    for x in case.x:
        h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        output.append(h)
    return np.stack(output), h[None]
