"""mlx.nn.RNN (tanh and relu), GRU (reset after) and LSTM: one layer in one direction, batch-first.

They return the states of all steps, so the final state is the last of them. A state that is not given
is zero.
Source: https://ml-explore.github.io/mlx/build/html/python/nn/layers.html
"""

import mlx.core as mx
import mlx.nn as nn
import numpy as np

from conformance.claims.capabilities import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "LSTM"),
    no_bias=True,
    default_state=True,
    nonfinite=True,
)


def forward(case):
    """output and h_n, or output and (h_n, c_n), of one case."""
    states = [array(state[0]) for state in (case.h_0, case.c_0) if state is not None]
    results = load(case)(array(case.x.swapaxes(0, 1)), *states)
    hidden, *cell = map(np.array, results if case.config.cell == "LSTM" else (results,))
    output, h_n, *c_n = hidden.swapaxes(0, 1), *(states[None, :, -1].copy() for states in (hidden, *cell))
    return output, (h_n, *c_n) if c_n else h_n


def array(numbers):
    """An array with a copy of the numbers, whatever their memory layout: MLX refuses negative strides."""
    return mx.array(numbers.copy())


def load(case):
    """The layer of a case, with its parameters."""
    c, p = case.config, {name.removesuffix("_l0"): array(numbers) for name, numbers in case.parameters.items()}
    sizes = c.input_size, c.hidden_size, c.bias
    if c.cell == "GRU":
        layer = nn.GRU(*sizes)
        layer.Wx, layer.Wh = p["weight_ih"], p["weight_hh"]
        if c.bias:
            b_hr_b_hz, layer.bhn = mx.split(p["bias_hh"], [2 * c.hidden_size])
            layer.b = p["bias_ih"] + mx.concatenate([b_hr_b_hz, mx.zeros(c.hidden_size)])
        return layer
    if c.cell == "LSTM":
        layer = nn.LSTM(*sizes)
        layer.Wx, layer.Wh = p["weight_ih"], p["weight_hh"]
    else:
        layer = nn.RNN(*sizes, nonlinearity=nn.relu if c.cell == "RNN_RELU" else nn.tanh)
        layer.Wxh, layer.Whh = p["weight_ih"], p["weight_hh"]
    if c.bias:
        layer.bias = p["bias_ih"] + p["bias_hh"]
    return layer
