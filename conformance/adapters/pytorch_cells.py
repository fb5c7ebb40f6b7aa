"""torch.nn.RNNCell, GRUCell and LSTMCell in a loop over the steps: one layer in one direction.

Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.LSTMCell.html
"""

from dataclasses import replace
from functools import lru_cache

import torch

from conformance.adapters.pytorch import as_state, forward_of, gradients_of, tensor
from conformance.adapters.pytorch import capabilities as PYTORCH

capabilities = replace(
    PYTORCH,
    bidirectional=False,
    max_layers=1,
    lengths=False,
    batch_first=False,
    dropout=False,
    projections=False,
)
CELLS = {
    "RNN_TANH": torch.nn.RNNCell,
    "RNN_RELU": lambda *sizes, **options: torch.nn.RNNCell(*sizes, nonlinearity="relu", **options),
    "GRU": torch.nn.GRUCell,
    "LSTM": torch.nn.LSTMCell,
}


def prepare(case):
    """The loop around the cell of a case, and the parameters of the cell."""
    c = case.config
    cell = build(c.cell, c.input_size, c.hidden_size, c.bias, c.dtype)
    for name, parameter in cell.named_parameters():
        parameter.data = tensor(case.parameters[name + "_l0"], c.dtype)

    def call(x, states):
        state, output = as_state([state[0] for state in states]), []
        for step in x:
            state = cell(step, state)
            output.append(state[0] if c.cell == "LSTM" else state)
        finals = state if c.cell == "LSTM" else (state,)
        return torch.stack(output), tuple(final[None] for final in finals)

    return call, {name + "_l0": parameter for name, parameter in cell.named_parameters()}


@lru_cache(maxsize=256)
def build(cell, *sizes_and_bias):
    """A cell of this shape; its weights are set for every case."""
    *sizes, bias, dtype = sizes_and_bias
    return CELLS[cell](*sizes, bias=bias, dtype=getattr(torch, dtype))


forward = forward_of(prepare)
gradients = gradients_of(prepare)
