"""One step of each cell: the published equations, and nothing else.

x (N, I); h (N, H); W_ih (G*H, I); W_hh (G*H, H); biases (G*H,). A cell takes the input, the state
and the parameters of one layer and direction, and returns the new state; state[0] is the output.
The same text runs on float64 arrays, on complex arrays and on balls.

Source: https://pytorch.org/docs/stable/generated/torch.nn.RNN.html
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .functions import affine, relu, tanh


class Parameters(NamedTuple):
    """The parameters of one layer and direction; absent biases are zero."""

    W_ih: Any
    W_hh: Any
    b_ih: Any
    b_hh: Any


def rnn_tanh(x: Any, state: tuple, p: Parameters) -> tuple:
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh)."""
    (h,) = state
    z = affine(x, p.W_ih, h, p.W_hh, p.b_ih, p.b_hh)
    return (tanh(z),)


def rnn_relu(x: Any, state: tuple, p: Parameters) -> tuple:
    """h' = max(0, W_ih x + b_ih + W_hh h + b_hh)."""
    (h,) = state
    z = affine(x, p.W_ih, h, p.W_hh, p.b_ih, p.b_hh)
    return (relu(z),)


STEPS = {"RNN_TANH": rnn_tanh, "RNN_RELU": rnn_relu}
