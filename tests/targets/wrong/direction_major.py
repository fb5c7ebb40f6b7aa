"""The final states are ordered by direction first and by layer second."""

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(bidirectional=True, max_layers=None)


def forward(case):
    x, p, L, D = case.x, case.parameters, case.config.num_layers, case.config.num_directions
    h_n = np.empty_like(case.h_0)
    for layer in range(L):
        halves = []
        for d, end in enumerate((f"_l{layer}", f"_l{layer}_reverse")[:D]):
            h, output, order = case.h_0[layer * D + d], [], -1 if d else 1
            for x_t in x[::order]:
                z = x_t @ p["weight_ih" + end].T + p["bias_ih" + end] + p["bias_hh" + end]
                h = np.tanh(z + h @ p["weight_hh" + end].T)
                output.append(h)
            halves.append(output[::order])
            h_n[d * L + layer] = h
        x = np.concatenate(halves, axis=-1)
    return x, h_n
