"""torch.compile of a plain loop over the steps. It does not take torch.nn.RNN, GRU or LSTM, which it runs as they are.

``fullgraph=True`` refuses what would stay in Python, and the loop itself refuses to run without having been compiled.
A shape takes it many seconds: allow for them with ``--call-limit 120``.
Source: https://docs.pytorch.org/docs/stable/generated/torch.compile.html
"""

from dataclasses import replace

import torch

from conformance.adapters.pytorch_loop import CLAIMS, forms, recurrence

torch._dynamo.config.recompile_limit = 1024  # every shape and dtype is a graph of its own
capabilities = replace(CLAIMS, recompiles=True)


@torch.compile(fullgraph=True, dynamic=False)
def compiled(cell, x, states, p):
    """The loop, as a graph; raises RuntimeError when it is run as Python."""
    if not torch.compiler.is_compiling():
        raise RuntimeError("torch.compile has left the loop to Python")
    return recurrence(cell, x, states, p)


torch.compile(torch.tanh, fullgraph=True)(torch.zeros(1))  # says at once what is missing: a C++ compiler, say
forward, gradients = forms(compiled)
