"""pytorch_forecasting.models.nn.GRU and LSTM: those of torch.nn, which also take rows of length 0.

Steps behind the end of a row are the caller's to ignore, and so they are zero here.
Source: https://github.com/sktime/pytorch-forecasting/blob/v1.8.0/pytorch_forecasting/models/nn/rnn.py
"""

from dataclasses import replace
from functools import lru_cache, partial

import pytorch_forecasting.models.nn as nn
import torch

from conformance.adapters.pytorch import as_state, forward_of, gradients_of, tensor
from conformance.adapters.pytorch import capabilities as PYTORCH

capabilities = replace(
    PYTORCH, cells=("GRU", "LSTM"), dtypes=("float32", "float64"), empty=("length",), projections=False
)


def prepare(case):
    """The module of a case, and its parameters."""
    c = case.config
    module = build(
        c.cell, c.input_size, c.hidden_size, c.num_layers, c.bias, c.batch_first, c.dropout, c.bidirectional, c.dtype
    ).train(case.training)
    for name, parameter in module.named_parameters():
        parameter.data = tensor(case.parameters[name], c.dtype)
    return partial(run, case, module), dict(module.named_parameters())


def run(case, module, x, states):
    """output, and the final states as a tuple."""
    if case.lengths is None:
        output, final = module(x, as_state(states))
    else:
        lengths = torch.tensor(case.lengths.astype("int64"))
        output, final = module(x, as_state(states), lengths, enforce_sorted=False)
        output = padded(output, lengths, x, case.config.batch_first)
    return output, final if isinstance(final, tuple) else (final,)


def padded(output, lengths, x, batch_first):
    """The output with as many steps as x has, and zero where a row has ended."""
    whole = output.new_zeros(*x.shape[:2], output.shape[2])
    by_time, short = (array.transpose(0, 1) if batch_first else array for array in (whole, output))
    alive = torch.arange(len(short))[:, None] < lengths
    by_time[: len(short)] = torch.where(alive[..., None], short, 0)
    return whole


@lru_cache(maxsize=256)
def build(cell, *sizes_and_options):
    """A module of this shape; its weights are set for every case."""
    *options, dtype = sizes_and_options
    return getattr(nn, cell)(*options, dtype=getattr(torch, dtype))


forward = forward_of(prepare)
gradients = gradients_of(prepare)
