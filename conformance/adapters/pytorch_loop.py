"""A plain loop over the steps in PyTorch, for what transforms functions: one layer in one direction."""

import torch

from conformance.adapters.pytorch import forward_of, gradients_of, tensor
from conformance.claims.capabilities import Capabilities

CLAIMS = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "LSTM"),
    dtypes=("float32", "float64"),
    nonfinite=True,
    gradients=True,
)


def recurrence(cell, x, states, p):
    """The output of every step, and the final states; x (T, I) and states (H,), or both with rows before the last."""
    output = []
    for step in x:
        states = STEPS[cell](step, states, p)
        output.append(states[0])
    return torch.stack(output), states


def plain(activation):
    """The step of an RNN."""

    def step(x, states, p):
        return [activation(x @ p["weight_ih"].T + p["bias_ih"] + states[0] @ p["weight_hh"].T + p["bias_hh"])]

    return step


def gru(x, states, p):
    """The step of a GRU, whose reset gate comes after the recurrent product."""
    (h,) = states
    r_x, z_x, n_x = (x @ p["weight_ih"].T + p["bias_ih"]).chunk(3, -1)
    r_h, z_h, n_h = (h @ p["weight_hh"].T + p["bias_hh"]).chunk(3, -1)
    r, z = torch.sigmoid(r_x + r_h), torch.sigmoid(z_x + z_h)
    return [(1 - z) * torch.tanh(n_x + r * n_h) + z * h]


def lstm(x, states, p):
    """The step of an LSTM."""
    h, c = states
    gates = x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"]
    i, f, g, o = gates.chunk(4, -1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return [torch.sigmoid(o) * torch.tanh(c), c]


STEPS = {"RNN_TANH": plain(torch.tanh), "RNN_RELU": plain(torch.relu), "GRU": gru, "LSTM": lstm}


def forms(transformed):
    """forward and gradients of the loop, transformed: ``transformed(cell, x, states, parameters)``."""

    def prepare(case):
        p = {name: tensor(array, case.config.dtype) for name, array in case.parameters.items()}

        def call(x, states):
            own = {name.removesuffix("_l0"): array for name, array in p.items()}
            output, finals = transformed(case.config.cell, x, [state[0] for state in states], own)
            return output, tuple(final[None] for final in finals)

        return call, p

    return forward_of(prepare), gradients_of(prepare)
