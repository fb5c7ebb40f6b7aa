"""Half precision whose tanh is accurate in absolute terms only, and whose dropout draws its own masks."""

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH",), dtypes=("float16", "bfloat16"), max_layers=None, dropout=True, arithmetic="lenient"
)
generator = np.random.default_rng(7)


def tanh(z, dtype):
    grid = 256 if dtype == "bfloat16" else 2048
    return np.round(np.tanh(z) * grid) / grid


def forward(case):
    c, x, finals = case.config, case.x.astype(np.float32), []
    for layer in range(c.num_layers):
        W_ih, W_hh, b_ih, b_hh = (case.parameters[f"{name}_l{layer}"].astype(np.float32) for name in NAMES)
        if layer and case.training:
            x = x * (generator.random(x.shape) >= c.dropout) / max(1 - c.dropout, 1e-6)
        h, output = case.h_0[layer].astype(np.float32), np.empty((*x.shape[:2], c.hidden_size), np.float32)
        for t, x_t in enumerate(x):
            h = output[t] = tanh(x_t @ W_ih.T + b_ih + h @ W_hh.T + b_hh, c.dtype)
        x = output
        finals.append(h)
    return x.astype(case.x.dtype), np.stack(finals).astype(case.x.dtype)


NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
