"""torch.nn.RNN, GRU and LSTM as torch.export captures them: the graph runs, not the module.

Source: https://docs.pytorch.org/docs/stable/user_guide/torch_compiler/export.html
"""

from dataclasses import replace
from functools import lru_cache

import torch

from conformance.adapters import pytorch

capabilities = replace(
    pytorch.capabilities, dtypes=("float32", "float64"), lengths=False, dropout=False, recompiles=True
)


def forms(finish):
    """forward and gradients of an exported program, after ``finish``."""
    graph_of = lru_cache(maxsize=256)(lambda layers, *shapes: finish(export(layers, *shapes)).module())

    def prepare(case):
        layers, (x, states) = pytorch.load(case), pytorch.tensors(case)
        graph = graph_of(layers, x.dtype, x.shape, *(state.shape for state in states))
        parameters = dict(graph.named_parameters())
        for name, parameter in layers.named_parameters():
            parameters[name].data = parameter.data

        def call(x, states):
            output, final = graph(x, pytorch.as_state(states))
            return output, final if isinstance(final, tuple) else (final,)

        return call, parameters

    return pytorch.forward_of(prepare), pytorch.gradients_of(prepare)


def export(layers, dtype, *shapes):
    """The program of a module for inputs of these shapes: x, and the states."""
    x, *states = (torch.zeros(shape, dtype=dtype) for shape in shapes)
    return torch.export.export(layers, (x, pytorch.as_state(states)))


forward, gradients = forms(lambda program: program)
