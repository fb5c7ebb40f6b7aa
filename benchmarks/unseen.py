"""Mistakes in an implementation that is not the reference: a plain NumPy network, and one slip in its text each.

They are written as people write code, and not read out of ``conformance.faults``, so that a diagnosis is asked about
what its catalogue need not hold. ``network(*names)`` is the network with one or several of them, as a target.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from conformance import Capabilities

TEXT = """
import numpy as np

kept = {}


def sigmoid(z):
    return 0.5 + 0.5 * np.tanh(0.5 * z)


def rnn_tanh(x, s, p):
    h = s[0]
    return [np.tanh(x @ p["w_ih"].T + p["b_ih"] + h @ p["w_hh"].T + p["b_hh"])]


def rnn_relu(x, s, p):
    h = s[0]
    z = x @ p["w_ih"].T + p["b_ih"] + h @ p["w_hh"].T + p["b_hh"]
    return [np.maximum(z, 0)]


def gru(x, s, p):
    h = s[0]
    gates_x = x @ p["w_ih"].T + p["b_ih"]
    gates_h = h @ p["w_hh"].T + p["b_hh"]
    x_r, x_z, x_n = np.split(gates_x, 3, axis=1)
    h_r, h_z, h_n = np.split(gates_h, 3, axis=1)
    r = sigmoid(x_r + h_r)
    z = sigmoid(x_z + h_z)
    n = np.tanh(x_n + r * h_n)
    return [(1 - z) * n + z * h]


def lstm(x, s, p):
    h, c = s
    gates = x @ p["w_ih"].T + p["b_ih"] + h @ p["w_hh"].T + p["b_hh"]
    a_i, a_f, a_g, a_o = np.split(gates, 4, axis=1)
    i = sigmoid(a_i)
    f = sigmoid(a_f)
    g = np.tanh(a_g)
    o = sigmoid(a_o)
    new = f * c + i * g
    return [o * np.tanh(new), new]


STEPS = {"RNN_TANH": rnn_tanh, "RNN_RELU": rnn_relu, "GRU": gru, "LSTM": lstm}


def parameters(case, layer, direction):
    end = "_l%d" % layer + "_reverse" * direction
    named = {"w_ih": "weight_ih", "w_hh": "weight_hh", "b_ih": "bias_ih", "b_hh": "bias_hh"}
    p = {short: case.parameters.get(long + end) for short, long in named.items()}
    rows = len(p["w_hh"])
    for short in ("b_ih", "b_hh"):
        if p[short] is None:
            p[short] = np.zeros(rows, p["w_hh"].dtype)
    return p


def one_direction(step, x, s, p, lengths, reverse):
    T, N = x.shape[:2]
    out = np.zeros((T, N, s[0].shape[-1]), x.dtype)
    order = range(T - 1, -1, -1) if reverse else range(T)
    for t in order:
        alive = (t < lengths)[:, None]
        new = step(x[t], s, p)
        s = [np.where(alive, a, b) for a, b in zip(new, s)]
        out[t] = np.where(alive, s[0], 0)
    return out, s


def network(case, x, states, lengths):
    c = case.config
    D = c.num_directions
    final = []
    for layer in range(c.num_layers):
        halves = []
        for d in range(D):
            p = parameters(case, layer, d)
            s = [a[layer * D + d] for a in states]
            y, s = one_direction(STEPS[c.cell], x, s, p, lengths, d)
            halves.append(y)
            final.append(s)
        x = np.concatenate(halves, axis=2)
    return x, [np.stack(each) for each in zip(*final)]


def forward(case):
    c = case.config
    x = case.x
    flat = x.ndim == 2
    if flat:
        x = x[:, None]
    elif c.batch_first:
        x = x.swapaxes(0, 1)
    T, N = x.shape[:2]
    shape = (c.num_layers * c.num_directions, N, c.hidden_size)
    states = [case.h_0, case.c_0][: 2 if c.cell == "LSTM" else 1]
    states = [np.zeros(shape, x.dtype) if a is None else a.reshape(shape) for a in states]
    lengths = np.full(N, T) if case.lengths is None else case.lengths
    x = np.where((np.arange(T)[:, None] < lengths)[..., None], x, 0)
    y, final = network(case, x, states, lengths)
    if flat:
        y, final = y[:, 0], [a[:, 0] for a in final]
    elif c.batch_first:
        y = y.swapaxes(0, 1)
    y = y.astype(x.dtype)
    final = [a.astype(x.dtype) for a in final]
    return y, (tuple(final) if len(final) == 2 else final[0])
"""

Changes = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Slip:
    """One slip: the cell to judge it on, and what is changed in the text."""

    cell: str
    changes: Changes


def slip(cell: str, *texts: str) -> Slip:
    """A slip that turns each text into the one behind it."""
    return Slip(cell, tuple(zip(texts[::2], texts[1::2])))


LSTM_SPLIT = "np.split(gates, 4, axis=1)"
LSTM_OUT = "return [o * np.tanh(new), new]"
TANH_OUT = 'np.tanh(x @ p["w_ih"].T + p["b_ih"] + h @ p["w_hh"].T + p["b_hh"])'
GRU_OUT = "return [(1 - z) * n + z * h]"
SCAN = "        y, s = one_direction("
DONE = "        x = np.concatenate(halves, axis=2)"
ALIVE = "alive = (t < lengths)[:, None]"
STACKED = "    return x, [np.stack(each) for each in zip(*final)]"
NAMED = "    p = {short: case.parameters.get(long + end) for short, long in named.items()}"
INITIAL = "s = [a[layer * D + d] for a in states]"
GATES = 'gates = x @ p["w_ih"].T + p["b_ih"] + h @ p["w_hh"].T + p["b_hh"]'

SINGLE: dict[str, Slip] = {
    # packing
    "gates interleaved unit by unit": slip(
        "LSTM", LSTM_SPLIT, "np.moveaxis(gates.reshape(len(gates), -1, 4), 2, 0)"
    ),
    "only W_hh is packed z, r, n": slip("GRU", "h_r, h_z, h_n =", "h_z, h_r, h_n ="),
    "W_ih reshaped where it should be transposed": slip(
        "RNN_TANH", 'x @ p["w_ih"].T', 'x @ p["w_ih"].reshape(x.shape[1], -1)'
    ),
    "g before i": slip("LSTM", "a_i, a_f, a_g, a_o", "a_g, a_i, a_f, a_o"),
    # wiring
    "upper layers read the forward half twice": slip(
        "RNN_TANH", DONE, DONE + "\n        if layer < c.num_layers - 1:\n"
        "            x = np.concatenate([halves[0]] * D, axis=2)",
    ),
    "a residual connection where sizes agree": slip(
        "GRU", DONE, DONE.replace("x =", "y =") + "\n        x = x + y if layer and x.shape == y.shape else y"
    ),
    "the reverse direction has the forward W_hh": slip(
        "LSTM", NAMED, NAMED + '\n    p["w_hh"] = case.parameters["weight_hh_l%d" % layer]'
    ),
    "halves reverse first": slip("GRU", "halves.append(y)", "halves.insert(0, y)"),
    # gates
    "the input gate is 1 - f": slip(
        "LSTM", "    i = sigmoid(a_i)\n    f = sigmoid(a_f)", "    f = sigmoid(a_f)\n    i = 1 - f"
    ),
    "the output gate sees the new c": slip(
        "LSTM", "    o = sigmoid(a_o)\n    new = f * c + i * g",
        "    new = f * c + i * g\n    o = sigmoid(a_o + new)",
    ),
    "the reset gate acts on W_hn h alone": slip(
        "GRU", "r * h_n)", 'r * (h_n - p["b_hh"][-h.shape[1]:]) + p["b_hh"][-h.shape[1]:])'
    ),
    "forget gate sigmoid(z + 0.5)": slip("LSTM", "f = sigmoid(a_f)", "f = sigmoid(a_f + 0.5)"),
    # states
    "h_n is that of the first step": slip(
        "RNN_TANH", "    return out, s\n",
        "    return out, [out[-1 if reverse else 0]] if T else s\n",
    ),
    "c_n is h_n": slip("LSTM", STACKED, STACKED + "[:1] * len(states)"),
    "the reverse direction starts from the forward state": slip(
        "GRU", INITIAL, "s = [a[layer * D] for a in states]"
    ),
    "c_0 is read in layer 0 only": slip(
        "LSTM", INITIAL, INITIAL + "\n            s[1:] = [a if layer == 0 else 0 * a for a in s[1:]]"
    ),
    # lengths
    "the reverse direction runs through the padding": slip(
        "RNN_TANH", ALIVE, "alive = (t < lengths)[:, None] | bool(reverse)"
    ),
    "padding repeats the last output": slip(
        "GRU", "out[t] = np.where(alive, s[0], 0)", "out[t] = s[0]"
    ),
    "lengths are those of the first row": slip("LSTM", ALIVE, "alive = (t < lengths[:1])[:, None]"),
    "a row ends one step late": slip("GRU", ALIVE, "alive = (t <= lengths)[:, None]"),
    # directions
    "reverse outputs in the order of computing": slip(
        "LSTM", "            halves.append(y)", "            halves.append(y[::-1] if d else y)"
    ),
    "upper layers run forwards only": slip(
        "RNN_TANH", "p, lengths, d)", "p, lengths, d and layer == 0)"
    ),
    "halves are added in upper layers": slip(
        "GRU", DONE, DONE + "\n        if layer and D == 2:\n"
        "            x = np.concatenate([halves[0] + halves[1], halves[1]], axis=2)",
    ),
    "final states of directions exchanged": slip(
        "RNN_RELU", "            final.append(s)", "            final.insert(len(final) - d, s)"
    ),
    # layers
    "biases in layer 0 only": slip(
        "RNN_TANH", "    return p\n",
        "    if layer:\n        p.update(b_ih=0 * p['b_ih'], b_hh=0 * p['b_hh'])\n    return p\n",

    ),
    "layer 2 has the weights of layer 1": slip("LSTM", '"_l%d" % layer', '"_l%d" % min(layer, 1)'),
    "every layer starts from the top state": slip("GRU", INITIAL, "s = [a[d - D] for a in states]"),
    "W_hh of layer 0 in every layer": slip(
        "RNN_RELU", NAMED,
        NAMED + '\n    p["w_hh"] = case.parameters["weight_hh_l0" + "_reverse" * direction]',

    ),
    # activations
    "a quotient for tanh": slip(
        "RNN_TANH", TANH_OUT,
        'quotient(x @ p["w_ih"].T + p["b_ih"] + h @ p["w_hh"].T + p["b_hh"])',
        "kept = {}",
        "kept = {}\n\n\ndef quotient(z):\n    z = np.clip(z, -3, 3)\n    return z * (27 + z * z) / (27 + 9 * z * z)",
    ),
    "hard sigmoid for the forget gate": slip(
        "LSTM", "f = sigmoid(a_f)", "f = np.clip(0.2 * a_f + 0.5, 0, 1)"
    ),
    "ReLU that lets a hundredth through": slip(
        "RNN_RELU", "np.maximum(z, 0)", "np.where(z > 0, z, z / 100)"
    ),
    "no tanh of the cell state": slip("LSTM", LSTM_OUT, "return [o * new, new]"),
    # precision
    "products in half precision": slip(
        "RNN_TANH", 'x @ p["w_ih"].T', '(x.astype("f2") @ p["w_ih"].T.astype("f2")).astype(x.dtype)'
    ),
    "states kept in half precision": slip(
        "GRU", GRU_OUT, "return [((1 - z) * n + z * h).astype('f2').astype(x.dtype)]"
    ),
    "sigmoid from a table": slip(
        "LSTM", "return 0.5 + 0.5 * np.tanh(0.5 * z)",
        "return 0.5 + 0.5 * np.tanh(0.5 * np.round(np.clip(z, -8, 8) * 64) / 64)",
    ),
    "bits of the weights cut off": slip(
        "RNN_RELU", 'z = x @ p["w_ih"].T',
        'z = x @ (p["w_ih"].astype("f4").view("i4") & -65536).view("f4").astype(x.dtype).T',
    ),
    # history
    "weights of the first call of a size": slip(
        "RNN_TANH", "    return p\n",
        "    return kept.setdefault((layer, direction, len(p['w_hh']), p['w_ih'].shape[1]), p)\n",
    ),
    "no state means the last state": slip(
        "GRU", "    y, final = network(case, x, states, lengths)\n",
        "    if case.h_0 is None and shape in kept:\n        states = kept[shape]\n"
        "    y, final = network(case, x, states, lengths)\n    kept[shape] = [a.astype(x.dtype) for a in final]\n",
    ),
    "the output buffer is not cleared": slip(
        "LSTM", "    out = np.zeros((T, N, s[0].shape[-1]), x.dtype)\n",
        "    key = (T, N, s[0].shape[-1], x.dtype.str, bool(reverse))\n"
        "    out = kept.setdefault(key, np.zeros(key[:3], x.dtype))\n",
        "out[t] = np.where(alive, s[0], 0)", "out[t] = np.where(alive, s[0], out[t])",
        "    return out, s\n", "    return out.copy(), s\n",
    ),
    "b_ih of the first call of a size": slip(
        "RNN_RELU", "    return p\n",
        "    key = layer, direction, len(p['b_ih'])\n"
        "    p['b_ih'] = kept.setdefault(key, p['b_ih'].astype('f8')).astype(p['w_hh'].dtype)\n    return p\n",
    ),
}  # fmt: skip

PAIRS: tuple[tuple[str, str], ...] = (
    ("g before i", "c_n is h_n"),
    ("the input gate is 1 - f", "hard sigmoid for the forget gate"),
    ("only W_hh is packed z, r, n", "halves reverse first"),
    ("the reset gate acts on W_hn h alone", "padding repeats the last output"),
    ("a quotient for tanh", "biases in layer 0 only"),
    ("W_ih reshaped where it should be transposed", "h_n is that of the first step"),
    ("ReLU that lets a hundredth through", "final states of directions exchanged"),
    ("no tanh of the cell state", "layer 2 has the weights of layer 1"),
    ("forget gate sigmoid(z + 0.5)", "reverse outputs in the order of computing"),
    ("the reverse direction starts from the forward state", "a row ends one step late"),
    ("states kept in half precision", "every layer starts from the top state"),
    ("upper layers read the forward half twice", "the reverse direction runs through the padding"),
)


def network(*names: str) -> type:
    """The network with some slips, as a class to be judged: a new instance has a new memory.

    Raises ValueError if a slip is none of the text.
    """
    text = TEXT
    for name in names:
        for old, new in SINGLE[name].changes:
            if old not in text:
                raise ValueError(f"{name}: {old!r} does not occur")
            text = text.replace(old, new)
    code = compile(text, "<a network with slips>", "exec")
    cells = dict.fromkeys(SINGLE[name].cell for name in names) or ("RNN_TANH", "RNN_RELU", "GRU", "LSTM")

    class Network:
        """One instance."""

        capabilities = Capabilities(
            cells=tuple(cells), dtypes=("float32", "float64"), bidirectional=True, max_layers=None, no_bias=True,
            default_state=True, lengths=True, batch_first=True, unbatched=True,
        )  # fmt: skip

        def __init__(self) -> None:
            space: dict[str, Any] = {}
            exec(code, space)
            self.forward = space["forward"]

    return Network
