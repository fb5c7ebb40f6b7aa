"""Half precision outside only: states are kept in float64 and rounded, to subnormal numbers too, when returned."""

import numpy as np
from plain import relu

from conformance import Capabilities

capabilities = Capabilities(cells=("RNN_TANH", "RNN_RELU"), dtypes=("float16",), default_state=True)


def forward(case):
    activation = np.tanh if case.config.cell == "RNN_TANH" else relu
    W_ih, W_hh, b_ih, b_hh = (case.parameters[name + "_l0"].astype(float) for name in NAMES)
    h = np.zeros((case.x.shape[1], case.config.hidden_size)) if case.h_0 is None else case.h_0[0].astype(float)
    output = np.empty((*case.x.shape[:2], case.config.hidden_size), np.float16)
    for t, x in enumerate(case.x.astype(float)):
        h = output[t] = activation(x @ W_ih.T + h @ W_hh.T + b_ih + b_hh)
    return output, h[None].astype(np.float16)


NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
