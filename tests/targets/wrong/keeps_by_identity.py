"""Keeps what it makes of an array of weights for as long as it is given that array."""

import numpy as np


class Network:
    def __init__(self):
        self.made = {}

    def transposed(self, weight):
        if id(weight) not in self.made:
            self.made[id(weight)] = weight, weight.T.copy()
        return self.made[id(weight)][1]

    def forward(self, case):
        h, output, p = case.h_0[0], [], case.parameters
        for x in case.x:
            z = x @ self.transposed(p["weight_ih_l0"]) + h @ self.transposed(p["weight_hh_l0"])
            h = np.tanh(z + p["bias_ih_l0"] + p["bias_hh_l0"])
            output.append(h)
        return np.stack(output), h[None]


forward = Network
