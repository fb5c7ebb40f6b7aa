"""The final states are (L, D, N, H): layers and directions are separate axes."""

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(bidirectional=True, max_layers=None)


def forward(case):
    x, p, D = case.x, case.parameters, case.config.num_directions
    states = case.h_0.copy().reshape(-1, D, *case.h_0.shape[1:])
    for layer, h in enumerate(states):
        halves = []
        for d, end in enumerate((f"_l{layer}", f"_l{layer}_reverse")[:D]):
            output, order = [], -1 if d else 1
            for x_t in x[::order]:
                z = x_t @ p["weight_ih" + end].T + p["bias_ih" + end] + p["bias_hh" + end]
                h[d] = np.tanh(z + h[d] @ p["weight_hh" + end].T)
                output.append(h[d].copy())
            halves.append(output[::order])
        x = np.concatenate(halves, axis=-1)
    return x, states
