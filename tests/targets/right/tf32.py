"""Products with matrices as on the matrix units of a GPU: factors have 10 fractional bits, the others are cut off."""

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "LSTM"), max_layers=2, bidirectional=True, no_bias=True, arithmetic="tf32"
)


def cut(array):
    """The array without the last 13 bits of its numbers."""
    bits = np.ascontiguousarray(array).view(np.uint32) & np.uint32(0xFFFFE000)
    return np.where(np.isfinite(array), bits.view(np.float32), array)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def gru(x, h, state):
    (r, z, n), (r_h, z_h, n_h) = np.split(x, 3, axis=-1), np.split(h, 3, axis=-1)
    z = sigmoid(z + z_h)
    return ((1 - z) * np.tanh(n + sigmoid(r + r_h) * n_h) + z * state[0],)


def lstm(x, h, state):
    i, f, g, o = np.split(x + h, 4, axis=-1)
    c = sigmoid(f) * state[1] + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


STEPS = {
    "RNN_TANH": lambda x, h, state: (np.tanh(x + h),),
    "RNN_RELU": lambda x, h, state: (np.maximum(x + h, 0),),
    "GRU": gru,
    "LSTM": lstm,
}


@np.errstate(all="ignore")
def forward(case):
    step, x, finals = STEPS[case.config.cell], case.x, []
    for layer in range(case.config.num_layers):
        halves = []
        for direction in range(case.config.num_directions):
            end = f"_l{layer}" + ("_reverse" if direction else "")
            W_ih, W_hh = (cut(case.parameters[name + end]).T for name in ("weight_ih", "weight_hh"))
            b_ih, b_hh = (case.parameters.get(name + end, np.float32(0)) for name in ("bias_ih", "bias_hh"))
            state = tuple(s[len(finals)] for s in (case.h_0, case.c_0) if s is not None)
            half = np.empty((*x.shape[:2], case.config.hidden_size), np.float32)
            for t in range(len(x))[:: -1 if direction else 1]:
                state = step(cut(x[t]) @ W_ih + b_ih, cut(state[0]) @ W_hh + b_hh, state)
                half[t] = state[0]
            halves.append(half)
            finals.append(state)
        x = np.concatenate(halves, axis=-1)
    states = [np.stack(s) for s in zip(*finals)]
    return x, states[0] if len(states) == 1 else tuple(states)
