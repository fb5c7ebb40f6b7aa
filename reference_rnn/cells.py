"""The cells that everybody has: the published equations, and nothing else.

x (N, I); h, c (N, H). ``p.r(x, h)`` is the whole sum of a gate, W_ir x + b_ir + W_hr h + b_hr; ``p.n.input(x)`` and
``p.n.recurrent(h)`` are its halves. Activations, coupled gates, the peepholes ``p.i(x, h, c)`` and the projection are
options: without them a peephole reads nothing and ``p.projected(h)`` is h.

Sources: https://pytorch.org/docs/stable/generated/torch.nn.RNN.html, torch.nn.GRU.html, torch.nn.LSTM.html;
Cho et al. (2014), arXiv:1406.1078, for the reset gate before the recurrent product;
Sak, Senior and Beaufays (2014), arXiv:1402.1128, for the projection;
Gers and Schmidhuber (2000), Recurrent nets that time and count, for the peepholes;
https://onnx.ai/onnx/operators/onnx__LSTM.html, onnx__GRU.html, onnx__RNN.html, for the other options.
"""

from __future__ import annotations

from typing import Any

from .cell import Cell, CellError, cell
from .functions import mix, relu, sigmoid, tanh

OPEN = 40.0  # sigmoid(40) is 1 in every format


@cell("h", holds={}, passes={})
def rnn_tanh(x: Any, h: Any, p: Any, activation: Any = tanh) -> Any:
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh)."""
    z = p.h(x, h)
    return activation(z)


@cell("h", holds={}, passes={})
def rnn_relu(x: Any, h: Any, p: Any, activation: Any = relu) -> Any:
    """h' = max(0, W_ih x + b_ih + W_hh h + b_hh)."""
    z = p.h(x, h)
    return activation(z)


@cell("rzn", holds={"z": 4.0, "r": 0.0}, passes={"z": -OPEN})
def gru(x: Any, h: Any, p: Any, gate: Any = sigmoid, candidate: Any = tanh) -> Any:
    """h' = (1 - z) n + z h, with the reset gate after the recurrent product."""
    r = gate(p.r(x, h))
    z = gate(p.z(x, h))
    q = p.n.recurrent(h)
    n = candidate(p.n.input(x) + r * q)
    return mix(z, n, h)


@cell("rzn", holds={"z": 4.0, "r": 0.0}, passes={"z": -OPEN})
def gru_reset_before(x: Any, h: Any, p: Any, gate: Any = sigmoid, candidate: Any = tanh) -> Any:
    """h' = (1 - z) n + z h, with the reset gate before the recurrent product."""
    r = gate(p.r(x, h))
    z = gate(p.z(x, h))
    n = candidate(p.n(x, r * h))
    return mix(z, n, h)


@cell("ifgo", states="hc", holds={"f": 4.0, "i": 0.0, "o": 0.0}, passes={"i": OPEN, "f": -OPEN, "o": OPEN})
def lstm(
    x: Any, h: Any, c: Any, p: Any, gate: Any = sigmoid, candidate: Any = tanh, hidden: Any = tanh,
    coupled_gates: bool = False,
) -> Any:  # fmt: skip
    """c' = f c + i g; h' = o tanh(c')."""
    i = gate(p.i(x, h, c))
    f = 1 - i if coupled_gates else gate(p.f(x, h, c))
    g = candidate(p.g(x, h))
    c = f * c + i * g
    o = gate(p.o(x, h, c))
    h = o * hidden(c)
    return p.projected(h), c


BUILT_IN: dict[str, Cell] = {own: own for own in (rnn_tanh, rnn_relu, gru, gru_reset_before, lstm)}
CELLS = tuple(BUILT_IN.values())


def cell_of(given: Any) -> Cell:
    """The cell that a name stands for, or the cell itself; raises CellError."""
    if isinstance(given, Cell):
        return given
    if not isinstance(given, str) or given not in BUILT_IN:
        raise CellError(f"cell is {given!r}, must be one of {', '.join(CELLS)}, or a cell of your own")
    return BUILT_IN[given]
