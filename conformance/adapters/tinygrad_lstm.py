"""tinygrad.nn.LSTMCell, with PyTorch's names and layouts. Each shape is compiled.

Source: https://docs.tinygrad.org/nn/#tinygrad.nn.LSTMCell
"""

from functools import lru_cache

from tinygrad import Tensor
from tinygrad.nn import LSTMCell
from tinygrad.nn.state import load_state_dict

from conformance.adapters.cell import from_cell


def step(x, state, p):
    """The next h and c."""
    cell = build(x.shape[1], state[0].shape[1], "bias_ih" in p)
    load_state_dict(cell, {name: tensor(array) for name, array in p.items()}, verbose=False)
    return tuple(new.numpy() for new in cell(tensor(x), tuple(map(tensor, state))))


def tensor(array):
    """A tensor with a copy of the numbers, whatever their memory layout."""
    return Tensor(array.copy())


@lru_cache(maxsize=256)
def build(input_size, hidden_size, bias):
    """A cell of this shape; its weights are set at every call."""
    return LSTMCell(input_size, hidden_size, bias=bias)


forward = from_cell(step, cells=("LSTM",), no_bias=True, nonfinite=True, recompiles=True)
capabilities = forward.capabilities
