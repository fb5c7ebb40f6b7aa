"""One output buffer for each shape, used again by the next call."""

import numpy as np

BUFFERS = {}


def forward(case):
    h, p, shape = case.h_0[0], case.parameters, (*case.x.shape[:2], case.config.hidden_size)
    output = BUFFERS.setdefault(shape, np.empty(shape, case.x.dtype))
    for t, x in enumerate(case.x):
        h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"])
        output[t] = h
    return output, h[None]
