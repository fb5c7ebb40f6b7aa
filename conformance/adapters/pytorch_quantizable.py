"""torch.ao.nn.quantizable.LSTM in floating point: a module for module rewriting of torch.nn.LSTM in linear layers.

Its arguments are described as those of torch.nn.LSTM, without proj_size; it says that it ignores dropout.
Source: https://docs.pytorch.org/docs/stable/generated/torch.ao.nn.quantizable.LSTM.html
"""

from dataclasses import replace
from functools import lru_cache

import torch

from conformance.adapters.pytorch import as_state, forward_of, gradients_of, tensor
from conformance.adapters.pytorch import capabilities as PYTORCH

capabilities = replace(
    PYTORCH,
    cells=("LSTM",),
    dtypes=("float32", "float64"),
    lengths=False,
    unbatched=False,
    dropout=False,
    projections=False,
)


def prepare(case):
    """The module of a case, and its parameters under the names of torch.nn.LSTM."""
    c = case.config
    module = build(c.input_size, c.hidden_size, c.num_layers, c.bias, c.batch_first, c.bidirectional, c.dtype)
    places = {name: place_of(name) for name in case.parameters}
    module.load_state_dict({places[name]: tensor(p, c.dtype) for name, p in case.parameters.items()})
    parameters = dict(module.named_parameters())
    own = {name: parameters[place] for name, place in places.items()}
    return lambda x, states: module(x, as_state(states)), own


def place_of(name):
    """The place of a parameter: weight_ih_l0_reverse is layers.0.layer_bw.cell.igates.weight."""
    kind, side, layer = name.removesuffix("_reverse").split("_")
    half = "layer_bw" if name.endswith("_reverse") else "layer_fw"
    return f"layers.{layer[1:]}.{half}.cell.{side[0]}gates.{kind}"


@lru_cache(maxsize=256)
def build(input_size, hidden_size, num_layers, bias, batch_first, bidirectional, dtype):
    """A module of this shape; its weights are set for every case."""
    return torch.ao.nn.quantizable.LSTM(
        input_size, hidden_size, num_layers, bias, batch_first, bidirectional=bidirectional, dtype=getattr(torch, dtype)
    )


forward = forward_of(prepare)
gradients = gradients_of(prepare)
