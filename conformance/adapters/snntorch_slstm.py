"""snntorch.SLSTM: its membrane potential and synaptic current are the states h and c of an LSTM; spikes are left out.

"To conform to standard LSTM state behavior", nothing is reset by default. It is called once a step.
Source: https://snntorch.readthedocs.io/en/latest/snn.neurons_slstm.html
"""

from functools import lru_cache

import snntorch
import torch

from conformance.adapters.cell import from_cell


@torch.no_grad()
def step(x, state, p):
    """The next h and c."""
    x, mem, syn = map(tensor, (x, *state))
    layer = build(x.shape[1], mem.shape[1], "bias_ih" in p)
    layer.lstm_cell.load_state_dict({name: tensor(array) for name, array in p.items()})
    _, syn, mem = layer(x, syn, mem)
    return mem.numpy(), syn.numpy()


def tensor(array):
    """A tensor with a copy of the numbers, whatever their memory layout."""
    return torch.tensor(array.copy())


@lru_cache(maxsize=256)
def build(input_size, hidden_size, bias):
    """A cell of this shape; its weights and states are set at every call."""
    return snntorch.SLSTM(input_size, hidden_size, bias=bias)


forward = from_cell(step, cells=("LSTM",), no_bias=True, nonfinite=True)
capabilities = forward.capabilities
