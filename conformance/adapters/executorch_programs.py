"""ExecuTorch: torch.nn.RNN, GRU and LSTM, exported, lowered, and run by its runtime with its portable kernels.

A program has one shape. Its parameters are inputs, so that it serves many cases.
Source: https://docs.pytorch.org/executorch/stable/using-executorch-export.html
"""

from dataclasses import replace
from functools import lru_cache

import torch
from executorch.exir import to_edge_transform_and_lower
from executorch.runtime import Runtime

from conformance.adapters.pytorch import as_state, forward_of, load, tensor, tensors
from conformance.adapters.pytorch import capabilities as PYTORCH

capabilities = replace(PYTORCH, dtypes=("float32",), lengths=False, dropout=False, gradients=False, recompiles=True)


class Function(torch.nn.Module):
    """A module as a function of its parameters too."""

    def __init__(self, layers):
        super().__init__()
        self.call = lambda parameters, *inputs: torch.func.functional_call(layers, parameters, inputs)

    def forward(self, parameters, x, *states):
        """Output and final states."""
        return self.call(parameters, x, as_state(states))


@lru_cache(maxsize=256)
def program_of(layers, *shapes):
    """The program of a module for inputs of these shapes, x and the states, as the runtime has loaded it."""
    x, *states = map(torch.zeros, shapes)
    inputs = dict(layers.named_parameters()), x, *states
    exported = torch.export.export(Function(layers).eval(), inputs)
    lowered = to_edge_transform_and_lower(exported).to_executorch()
    return Runtime.get().load_program(lowered.buffer)


def prepare(case):
    """The program as a function of x and the states."""
    layers, (x, states) = load(case), tensors(case)
    program = program_of(layers, x.shape, *(state.shape for state in states))
    parameters = [tensor(case.parameters[name], case.config.dtype) for name, _ in layers.named_parameters()]

    def call(x, states):
        output, *finals = program.load_method("forward").execute([*parameters, x, *states])
        return output, finals

    return call, {}


forward = forward_of(prepare)
