"""An LSTM in bfloat16 that computes in single precision; few of its cases tell anything."""

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(cells=("LSTM",), dtypes=("bfloat16",), max_layers=None, bidirectional=True, lengths=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def forward(case):
    c, x, finals = case.config, case.x.astype(np.float32), []
    lengths = np.full(x.shape[1], len(x)) if case.lengths is None else case.lengths
    for layer in range(c.num_layers):
        halves = []
        for end in ("", "_reverse")[: c.num_directions]:
            p = {name: case.parameters[f"{name}_l{layer}{end}"] for name in NAMES}
            h, cell = (state[len(finals)] for state in (case.h_0, case.c_0))
            output = np.zeros((*x.shape[:2], c.hidden_size), np.float32)
            for t in reversed(range(len(x))) if end else range(len(x)):
                z = x[t] @ p["weight_ih"].T + h @ p["weight_hh"].T + (p["bias_ih"] + p["bias_hh"])
                i, f, g, o = np.split(z, 4, axis=-1)
                alive = (t < lengths)[:, None]
                cell = np.where(alive, sigmoid(f) * cell + sigmoid(i) * np.tanh(g), cell)
                h = np.where(alive, sigmoid(o) * np.tanh(cell), h)
                output[t] = np.where(alive, h, 0)
            halves.append(output)
            finals.append((h, cell))
        x = np.concatenate(halves, axis=-1)
    return rounded(x), tuple(rounded(np.stack(states)) for states in zip(*finals))


def rounded(array):
    """float32 numbers with the bits of bfloat16, ties to even."""
    bits = array.astype(np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
