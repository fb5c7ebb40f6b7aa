"""A plain RNN with back-propagation as tutorials write it: always batch first, and no gradient of x."""

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH",), dtypes=("float64",), biases="one", batch_first="only",
    gradients=("weight_ih", "weight_hh", "bias_ih", "h_0"),
)  # fmt: skip


def states(case):
    """h_0 and the state after each step, each (N, H)."""
    p, found = case.parameters, [case.h_0[0]]
    for t in range(case.x.shape[1]):
        z = case.x[:, t] @ p["weight_ih_l0"].T + found[-1] @ p["weight_hh_l0"].T + p["bias_ih_l0"]
        found.append(np.tanh(z))
    return found


def forward(case):
    h = states(case)
    return np.stack(h[1:], axis=1), h[-1][None].copy()


def gradients(case, d_output, d_h_n, d_c_n):
    h, d_h = states(case), np.zeros_like(case.h_0[0]) if d_h_n is None else d_h_n[0]
    d_W_ih, d_W_hh, d_b = (np.zeros_like(case.parameters[n]) for n in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"))
    for t in reversed(range(len(h) - 1)):
        d_h = d_h + (0 if d_output is None else d_output[:, t])
        d_z = d_h * (1 - h[t + 1] ** 2)
        d_W_ih += d_z.T @ case.x[:, t]
        d_W_hh += d_z.T @ h[t]
        d_b += d_z.sum(0)
        d_h = d_z @ case.parameters["weight_hh_l0"]
    return {"weight_ih_l0": d_W_ih, "weight_hh_l0": d_W_hh, "bias_ih_l0": d_b, "h_0": d_h[None].copy()}
