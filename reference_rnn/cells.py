"""One step of each cell: the published equations, and nothing else.

x (N, I); h, c (N, H); W_ih (G*H, I); W_hh (G*H, H); biases (G*H,); W_hr (P, H). A cell takes the input,
the state and the parameters of one layer and direction, and returns the new state; state[0] is the output.
The same text runs on float64 arrays, on complex arrays and on balls.

Sources: https://pytorch.org/docs/stable/generated/torch.nn.RNN.html, torch.nn.GRU.html, torch.nn.LSTM.html;
Cho et al. (2014), arXiv:1406.1078, for the reset gate before the recurrent product;
Sak, Senior and Beaufays (2014), arXiv:1402.1128, for the projection.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .functions import affine, linear, mix, relu, sigmoid, tanh


class Parameters(NamedTuple):
    """The parameters of one layer and direction, or of one gate of it; absent biases are zero."""

    W_ih: Any
    W_hh: Any
    b_ih: Any
    b_hh: Any
    W_hr: Any = None
    W_ch: Any = None


def by_gate(p: Parameters, count: int) -> list[Parameters]:
    """The parameters of each gate: H rows of all there is."""
    W_ih = p.W_ih.reshape(count, -1, p.W_ih.shape[1])
    W_hh = p.W_hh.reshape(count, -1, p.W_hh.shape[1])
    b_ih = p.b_ih.reshape(count, -1)
    b_hh = p.b_hh.reshape(count, -1)
    return [Parameters(*gate) for gate in zip(W_ih, W_hh, b_ih, b_hh)]


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


def gru(x: Any, state: tuple, p: Parameters) -> tuple:
    """h' = (1 - z) n + z h, with the reset gate after the recurrent product.

    r = sigmoid(W_ir x + b_ir + W_hr h + b_hr); z likewise; n = tanh(W_in x + b_in + r (W_hn h + b_hn)).
    """
    (h,) = state
    R, Z, N = by_gate(p, 3)
    r = sigmoid(affine(x, R.W_ih, h, R.W_hh, R.b_ih, R.b_hh))
    z = sigmoid(affine(x, Z.W_ih, h, Z.W_hh, Z.b_ih, Z.b_hh))
    q = linear(h, N.W_hh, N.b_hh)
    n = tanh(linear(x, N.W_ih, N.b_ih) + r * q)
    return (mix(z, n, h),)


def gru_reset_before(x: Any, state: tuple, p: Parameters) -> tuple:
    """h' = (1 - z) n + z h, with the reset gate before the recurrent product.

    r and z as in ``gru``; n = tanh(W_in x + b_in + W_hn (r h) + b_hn).
    """
    (h,) = state
    R, Z, N = by_gate(p, 3)
    r = sigmoid(affine(x, R.W_ih, h, R.W_hh, R.b_ih, R.b_hh))
    z = sigmoid(affine(x, Z.W_ih, h, Z.W_hh, Z.b_ih, Z.b_hh))
    n = tanh(affine(x, N.W_ih, r * h, N.W_hh, N.b_ih, N.b_hh))
    return (mix(z, n, h),)


def lstm(x: Any, state: tuple, p: Parameters) -> tuple:
    """c' = f c + i g; h' = o tanh(c').

    i = sigmoid(W_ii x + b_ii + W_hi h + b_hi); f and o likewise; g = tanh(W_ig x + b_ig + W_hg h + b_hg).
    """
    (h, c) = state
    I, F, G, O = by_gate(p, 4)  # noqa: E741
    i = sigmoid(affine(x, I.W_ih, h, I.W_hh, I.b_ih, I.b_hh))
    f = sigmoid(affine(x, F.W_ih, h, F.W_hh, F.b_ih, F.b_hh))
    g = tanh(affine(x, G.W_ih, h, G.W_hh, G.b_ih, G.b_hh))
    o = sigmoid(affine(x, O.W_ih, h, O.W_hh, O.b_ih, O.b_hh))
    c = f * c + i * g
    return o * tanh(c), c


def lstm_projected(x: Any, state: tuple, p: Parameters) -> tuple:
    """The LSTM with h' = W_hr (o tanh(c')), of size P; c' stays of size H."""
    h, c = lstm(x, state, p)
    return linear(h, p.W_hr, 0.0), c


STEPS = {"RNN_TANH": rnn_tanh, "RNN_RELU": rnn_relu, "GRU": gru, "GRU_RESET_BEFORE": gru_reset_before, "LSTM": lstm}


def step_of(config: Any) -> Any:
    """The step of a configuration's cell."""
    return lstm_projected if config.proj_size else STEPS[config.cell]
