"""Gated cells whose sigmoid is an approximation that ends 8 u short of 1, and as much above 0."""

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(cells=("GRU", "LSTM"), arithmetic="lenient")
SHORT = np.float32(8 * 2.0**-24)


def sigmoid(z):
    return np.clip(0.5 + 0.5 * np.tanh(0.5 * z), SHORT, 1 - SHORT)


def step(cell, x, state, W_ih, W_hh, b_ih, b_hh):
    z, q, h = x @ W_ih.T + b_ih, state[0] @ W_hh.T + b_hh, state[0]
    if cell == "LSTM":
        i, f, g, o = np.split(z + q, 4, axis=-1)
        c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    (r, z, n), (r_h, z_h, n_h) = (np.split(part, 3, axis=-1) for part in (z, q))
    n, z = np.tanh(n + sigmoid(r + r_h) * n_h), sigmoid(z + z_h)
    return ((1 - z) * n + z * h,)


def forward(case):
    p = [case.parameters[name + "_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    state = tuple(s[0] for s in (case.h_0, case.c_0) if s is not None)
    output = np.empty((*case.x.shape[:2], case.config.hidden_size), np.float32)
    for t, x in enumerate(case.x):
        state = step(case.config.cell, x, state, *p)
        output[t] = state[0]
    states = [s[None] for s in state]
    return output, states[0] if len(states) == 1 else tuple(states)
