"""torch.nn.RNN, GRU and LSTM as torch.export captures them: the graph runs, not the module.

Source: https://docs.pytorch.org/docs/stable/user_guide/torch_compiler/export.html
"""

from dataclasses import replace
from functools import lru_cache

import torch

from conformance.adapters.pytorch import as_state, forward_of, gradients_of, load, tensors
from conformance.adapters.pytorch import capabilities as PYTORCH

capabilities = replace(PYTORCH, dtypes=("float32", "float64"), lengths=False, dropout=False, recompiles=True)


def forms(finish):
    """forward and gradients of an exported program, after ``finish``."""
    graph_of = lru_cache(maxsize=256)(lambda layers, *shapes: finish(export(layers, *shapes)).module())

    def prepare(case):
        layers, (x, states) = load(case), tensors(case)
        graph = graph_of(layers, x.dtype, x.shape, *(state.shape for state in states))
        parameters = dict(graph.named_parameters())
        for name, parameter in layers.named_parameters():
            parameters[name].data = parameter.data

        def call(x, states):
            output, final = graph(x, as_state(states))
            return output, final if isinstance(final, tuple) else (final,)

        return call, parameters

    return forward_of(prepare), gradients_of(prepare)


def export(layers, dtype, *shapes):
    """The program of a module for inputs of these shapes: x, and the states."""
    x, *states = (torch.zeros(shape, dtype=dtype) for shape in shapes)
    return torch.export.export(layers, (x, as_state(states)))


forward, gradients = forms(lambda program: program)
