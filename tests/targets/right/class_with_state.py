"""A class that keeps its state in itself and sets it anew on every call; also as file.py:Network."""

import numpy as np

from conformance import Capabilities


class Network:
    """All layers take a step before the next one."""

    capabilities = Capabilities(max_layers=None, dtypes=("float32", "float64"))

    def forward(self, case):
        self.h, self.p = case.h_0.copy(), case.parameters
        return np.stack([self.step(x) for x in case.x]), self.h

    def step(self, x):
        for layer in range(len(self.h)):
            W_ih, W_hh, b_ih, b_hh = (
                self.p[f"{name}_l{layer}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            )
            self.h[layer] = x = np.tanh(x @ W_ih.T + b_ih + self.h[layer] @ W_hh.T + b_hh)
        return x


capabilities = Network.capabilities
forward = Network().forward
