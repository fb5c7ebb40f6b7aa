"""torchrl.modules.GRU and LSTM: those of torch.nn in one direction, "exclusively coded in Python".

They take no packed sequences, and the steps that a mask leaves out keep their outputs; so lengths are not claimed.
Source: https://docs.pytorch.org/rl/stable/reference/generated/torchrl.modules.LSTM.html
"""

from dataclasses import replace
from functools import lru_cache

import torch
from torchrl.modules import GRU, LSTM

from conformance.adapters.pytorch import as_state, forward_of, gradients_of, tensor
from conformance.adapters.pytorch import capabilities as PYTORCH

capabilities = replace(
    PYTORCH, cells=("GRU", "LSTM"), dtypes=("float32", "float64"), bidirectional=False, lengths=False, unbatched=False
)
KINDS = {"GRU": GRU, "LSTM": LSTM}


def prepare(case):
    """The module of a case, and its parameters."""
    c = case.config
    sizes = {"proj_size": c.proj_size} if c.proj_size else {}
    module = build(
        c.cell, c.input_size, c.hidden_size, c.num_layers, bias=c.bias, batch_first=c.batch_first, dropout=c.dropout,
        dtype=getattr(torch, c.dtype), **sizes,
    ).train(case.training)  # fmt: skip
    for name, parameter in module.named_parameters():
        parameter.data = tensor(case.parameters[name], c.dtype)

    def call(x, states):
        output, final = module(x, as_state(states))
        return output, final if isinstance(final, tuple) else (final,)

    return call, dict(module.named_parameters())


@lru_cache(maxsize=256)
def build(cell, *sizes, **options):
    """A module of this shape; its weights are set for every case."""
    return KINDS[cell](*sizes, **options)


forward = forward_of(prepare)
gradients = gradients_of(prepare)
