"""pydynet.nn.RNN (tanh and relu), GRU (reset before) and LSTM, in one direction.

Its update gate lets go of what others keep, so the weights of that gate change their sign. Stacked layers
of two directions give each direction only its own half, which is another network; so two directions are
not claimed.
Source: https://github.com/WeltXing/PyDyNet
"""

from functools import lru_cache

import numpy as np
import pydynet
import pydynet.nn as nn

from conformance.claims.capabilities import Capabilities
from reference_rnn.layouts import complemented, reordered

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU_RESET_BEFORE", "LSTM"),
    dtypes=("float32", "float64"),
    max_layers=None,
    no_bias=True,
    default_state=True,
    nonfinite=True,
    arithmetic="lenient",  # its tanh is a difference of two numbers near 1
)


def forward(case):
    """output and h_n, or output and (h_n, c_n), of one case."""
    c = case.config
    states = [tensor(state) for state in (case.h_0, case.c_0) if state is not None]
    layer = load(case)
    output, final = layer(tensor(case.x), tuple(states) if len(states) == 2 else states[0] if states else None)
    final = tuple(state.numpy() for state in final) if c.cell == "LSTM" else final.numpy()
    return output.numpy(), final


def load(case):
    """The layers of a case, with their parameters."""
    c = case.config
    layers = build(c.cell, c.input_size, c.hidden_size, c.num_layers, c.bias, c.dtype)
    for index in range(c.num_layers):
        p = {k.removesuffix(f"_l{index}"): v for k, v in case.parameters.items() if k.endswith(f"_l{index}")}
        load_cell(layers, index, p, c)
    return layers


def load_cell(layers, index, p, c):
    """Sets the parameters of one layer."""
    if c.cell == "LSTM":
        cell, p = layers.LSTMCells[index], {name: reordered(array, "ifgo", "fiog") for name, array in p.items()}
    elif c.cell == "GRU_RESET_BEFORE":
        cell = layers.GRUCells[index]
        p = {name: reordered(array, "rzn", "zrn") for name, array in complemented(p).items()}
    else:
        cell = layers.RNNCells[index]
    arrays = {"Wx": p["weight_ih"].T, "Wh": p["weight_hh"].T}
    if c.bias:
        arrays["bias"] = p["bias_ih"] + p["bias_hh"]
    for name, array in arrays.items():
        gates = {name: array}
        if c.cell == "GRU_RESET_BEFORE":  # z and r stand together, the candidate apart
            gates = {name + "1": array[..., : 2 * c.hidden_size], name + "2": array[..., 2 * c.hidden_size :]}
        for part, values in gates.items():
            getattr(cell, part).data[...] = values


@lru_cache(maxsize=256)
def build(cell, input_size, hidden_size, num_layers, bias, dtype):
    """Layers of this shape; their weights are set for every case."""
    options = {"num_layers": num_layers, "bias": bias, "dtype": getattr(np, dtype)}
    if cell in ("RNN_TANH", "RNN_RELU"):
        return nn.RNN(input_size, hidden_size, nonlinearity=cell.removeprefix("RNN_").lower(), **options)
    return (nn.LSTM if cell == "LSTM" else nn.GRU)(input_size, hidden_size, **options)


def tensor(array):
    """A tensor of these numbers."""
    return pydynet.Tensor(array, dtype=array.dtype)
