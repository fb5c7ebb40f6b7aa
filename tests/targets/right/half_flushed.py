"""Half precision in which subnormal numbers, read or written, are zero."""

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(
    dtypes=("float16",), default_state=True, empty=("time", "batch"), arithmetic="flush-to-zero"
)


def flushed(array):
    return np.where(abs(array) < 2.0**-14, 0, array)


def forward(case):
    W_ih, W_hh, b_ih, b_hh = (flushed(case.parameters[name + "_l0"].astype(np.float32)) for name in NAMES)
    h = np.zeros((case.x.shape[1], case.config.hidden_size)) if case.h_0 is None else flushed(case.h_0[0])
    output = np.empty((*case.x.shape[:2], case.config.hidden_size), np.float16)
    for t, x in enumerate(flushed(case.x.astype(np.float32))):
        h = output[t] = flushed(np.tanh(x @ W_ih.T + b_ih + h.astype(np.float32) @ W_hh.T + b_hh).astype(np.float16))
    return output, h[None].astype(np.float16)


NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
