"""An LSTM in half precision that reads and writes subnormal numbers as zero, with its sigmoid taken from tanh."""

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(
    cells=("LSTM",), dtypes=("float16",), default_state=True, empty=("time", "batch"), arithmetic="flush-to-zero"
)


def flushed(array):
    return np.where(abs(array) < 2.0**-14, 0, array).astype(np.float16)


def sigmoid(z):
    return 0.5 + 0.5 * np.tanh(0.5 * z)


def forward(case):
    p = {name.removesuffix("_l0"): flushed(array).astype(np.float32) for name, array in case.parameters.items()}
    zeros = np.zeros((case.x.shape[1], case.config.hidden_size))
    h, c = (zeros if state is None else flushed(state[0]) for state in (case.h_0, case.c_0))
    output = np.empty((*case.x.shape[:2], case.config.hidden_size), np.float16)
    for t, x in enumerate(flushed(case.x).astype(np.float32)):
        z = x @ p["weight_ih"].T + p["bias_ih"] + h.astype(np.float32) @ p["weight_hh"].T + p["bias_hh"]
        i, f, g, o = np.split(z, 4, axis=-1)
        c = flushed(sigmoid(f) * c.astype(np.float32) + sigmoid(i) * np.tanh(g))
        h = output[t] = flushed(sigmoid(o) * np.tanh(c.astype(np.float32)))
    return output, (h[None].astype(np.float16), c[None].astype(np.float16))
