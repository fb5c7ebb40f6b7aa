"""opacus.layers.DPRNN, DPGRU and DPLSTM: drop-in replacements of torch.nn.RNN, GRU and LSTM, without projections.

Source: https://opacus.ai/api/dp_rnn.html
"""

from dataclasses import replace
from functools import lru_cache, partial

import opacus.layers
import torch

from conformance.adapters.pytorch import capabilities as PYTORCH
from conformance.adapters.pytorch import forward_of, gradients_of, run, tensor

capabilities = replace(PYTORCH, dtypes=("float32", "float64"), unbatched=False, projections=False)
KINDS = {
    "RNN_TANH": partial(opacus.layers.DPRNN, nonlinearity="tanh"),
    "RNN_RELU": partial(opacus.layers.DPRNN, nonlinearity="relu"),
    "GRU": opacus.layers.DPGRU,
    "LSTM": opacus.layers.DPLSTM,
}


def prepare(case):
    """The module of a case, and its parameters."""
    c, parameters = case.config, {}
    module = build(
        c.cell, c.input_size, c.hidden_size, c.num_layers, c.bias, c.batch_first, c.dropout, c.bidirectional, c.dtype
    )
    for name, array in case.parameters.items():
        kind, side, cell = name.split("_", 2)  # weight_ih_l0_reverse is l0_reverse.ih.weight
        parameters[name] = module.get_parameter(f"{cell}.{side}.{kind}")
        parameters[name].data = tensor(array, c.dtype)
    return partial(run, case, module.train(case.training)), parameters


@lru_cache(maxsize=256)
def build(cell, *sizes_and_options):
    """A module of this shape; its weights are set for every case."""
    *options, dtype = sizes_and_options
    return KINDS[cell](*options).to(getattr(torch, dtype))


forward = forward_of(prepare)
gradients = gradients_of(prepare)
