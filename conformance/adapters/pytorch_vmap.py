"""torch.func.vmap of a plain loop over the steps of one row. It has no rule for torch.nn.RNN, GRU or LSTM.

Source: https://docs.pytorch.org/docs/stable/generated/torch.func.vmap.html
"""

from functools import partial

import torch

from conformance.adapters.pytorch_loop import CLAIMS, forms, recurrence

capabilities = CLAIMS


def rows(cell, x, states, p):
    """The loop for all rows, whose axis is the second of x and of the output, and the first of a state."""
    return torch.func.vmap(partial(recurrence, cell), in_dims=(1, 0, None), out_dims=(1, 0))(x, states, p)


forward, gradients = forms(rows)
