"""tinygrad.nn.LSTMCell under TinyJit, with PyTorch's names and layouts. Each shape is compiled.

Source: https://docs.tinygrad.org/nn/#tinygrad.nn.LSTMCell
"""

from functools import lru_cache

from tinygrad import Tensor, TinyJit
from tinygrad.nn import LSTMCell

from conformance.adapters.cell import from_cell

(Tensor([1.0]) + 1).realize()  # says at once that there is no device, or no compiler for it


def step(x, state, p):
    """The next h and c."""
    run = build(*x.shape, state[0].shape[1], tuple(p))
    return tuple(new.numpy() for new in run(tensor(x), *map(tensor, state), *map(tensor, p.values())))


def tensor(array):
    """A tensor with a copy of the numbers, whatever their memory layout."""
    return Tensor(array.copy()).realize()


@lru_cache(maxsize=256)
def build(_rows, input_size, hidden_size, names):
    """A compiled function from x, h, c and the parameters to the next h and c, for tensors of these sizes."""
    cell = LSTMCell(input_size, hidden_size, bias="bias_ih" in names)

    @TinyJit
    def run(x, h, c, *parameters):
        for name, parameter in zip(names, parameters):
            setattr(cell, name, parameter)
        return tuple(new.realize() for new in cell(x, (h, c)))

    return run


forward = from_cell(
    step,
    cells=("LSTM",),
    no_bias=True,
    nonfinite=True,
    recompiles=True,
    arithmetic="lenient",  # its tanh is made of its sigmoid
)
capabilities = forward.capabilities
