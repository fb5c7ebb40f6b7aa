"""ncps.torch.lstm.LSTMCell, the memory of CfC and LTC: one bias, and 1 added to that of the forget gate.

Source: https://ncps.readthedocs.io/en/latest/api/torch.html
"""

from functools import lru_cache

import torch
from ncps.torch.lstm import LSTMCell

from conformance.adapters.cell import from_cell
from reference_rnn.layouts import reordered


@torch.no_grad()
def step(x, state, p):
    """The next h and c."""
    own = {name: tensor(reordered(array, "ifgo", "gifo")) for name, array in p.items()}
    bias = own["bias_ih"] + own["bias_hh"]
    bias[2 * state[0].shape[1] : 3 * state[0].shape[1]] -= 1
    cell = build(x.shape[1], state[0].shape[1], bias.dtype)
    cell.input_map.weight.data, cell.input_map.bias.data = own["weight_ih"], bias
    cell.recurrent_map.weight.data = own["weight_hh"]
    return tuple(new.numpy() for new in cell(tensor(x), tuple(map(tensor, state))))


def tensor(array):
    """A tensor with a copy of the numbers, whatever their memory layout."""
    return torch.tensor(array.copy())


@lru_cache(maxsize=256)
def build(input_size, hidden_size, dtype):
    """A cell of this shape; its weights are set at every call."""
    return LSTMCell(input_size, hidden_size).to(dtype)


forward = from_cell(step, cells=("LSTM",), dtypes=("float32", "float64"), nonfinite=True)
capabilities = forward.capabilities
