"""Half precision: every partial sum is stored in float16, products are accumulated in float32."""

import numpy as np
from plain import relu

from conformance import Capabilities

capabilities = Capabilities(cells=("RNN_TANH", "RNN_RELU"), dtypes=("float16",), max_layers=2)


def half_product(x, W):
    return (x.astype(np.float32) @ W.T.astype(np.float32)).astype(np.float16)


def forward(case):
    activation = np.tanh if case.config.cell == "RNN_TANH" else relu
    x, finals = case.x, []
    for layer in range(case.config.num_layers):
        W_ih, W_hh, b_ih, b_hh = (case.parameters[f"{name}_l{layer}"] for name in NAMES)
        h, output = case.h_0[layer], np.empty((*x.shape[:2], case.config.hidden_size), np.float16)
        for t in range(len(x)):
            z = half_product(x[t], W_ih) + b_ih
            z = z + half_product(h, W_hh)
            h = output[t] = activation(z + b_hh)
        x = output
        finals.append(h)
    return output, np.array(finals)


NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
