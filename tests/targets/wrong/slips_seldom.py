"""Hands out a state that is one too large at every seven hundredth call."""

import numpy as np


class Network:
    def __init__(self):
        self.calls = 0

    def forward(self, case):
        h, output, p = case.h_0[0], [], case.parameters
        for x in case.x:
            h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
            output.append(h)
        self.calls += 1
        return np.stack(output), h[None] + (self.calls % 700 == 0)


forward = Network
