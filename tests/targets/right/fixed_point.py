"""Fixed point of 16 bits, 6 of them before the point: integers inside, cut off after each product, and tables."""

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "LSTM"), max_layers=2, bidirectional=True, no_bias=True, lengths=True,
    arithmetic="fixed<16,6>", fixed={"rounding": "cut", "entries": 1024, "reach": 8},
)  # fmt: skip

FRACTION, LARGEST = 10, 2**15 - 1
ENTRIES, REACH = 1024, 8


def read(array):
    """Numbers as integers, cut off and saturated."""
    return np.clip(np.floor(np.asarray(array, float) * 2**FRACTION), -LARGEST - 1, LARGEST).astype(np.int64)


def times(a, b):
    return np.clip(a * b >> FRACTION, -LARGEST - 1, LARGEST)


def product(x, W):
    """Each product is cut off; the sum is as wide as it has to be, and saturates at its end."""
    return (x[:, None, :] * W >> FRACTION).sum(-1)


def table(function):
    """What reads a function off a table of its values at the left end of each part."""
    values = read(function(np.arange(ENTRIES) * (2 * REACH / ENTRIES) - REACH))
    return lambda z: values[np.clip((z + (REACH << FRACTION)) * ENTRIES // (2 * REACH << FRACTION), 0, ENTRIES - 1)]


tanh, sigmoid = table(np.tanh), table(lambda z: 1 / (1 + np.exp(-z)))


def saturated(z):
    return np.clip(z, -LARGEST - 1, LARGEST)


def gru(x, h, state):
    (r, z, n), (r_h, z_h, n_h) = np.split(x, 3, axis=-1), np.split(h, 3, axis=-1)
    z = sigmoid(saturated(z + z_h))
    n = tanh(saturated(n + times(sigmoid(saturated(r + r_h)), saturated(n_h))))
    return (times((1 << FRACTION) - z, n) + times(z, state[0]),)


def lstm(x, h, state):
    i, f, g, o = np.split(saturated(x + h), 4, axis=-1)
    c = saturated(times(sigmoid(f), state[1]) + times(sigmoid(i), tanh(g)))
    return times(sigmoid(o), tanh(c)), c


STEPS = {
    "RNN_TANH": lambda x, h, state: (tanh(saturated(x + h)),),
    "RNN_RELU": lambda x, h, state: (np.maximum(saturated(x + h), 0),),
    "GRU": gru,
    "LSTM": lstm,
}


def forward(case):
    step, (steps, rows), x, finals = STEPS[case.config.cell], case.x.shape[:2], read(np.nan_to_num(case.x)), []
    lengths = case.lengths if case.lengths is not None else np.full(rows, steps)
    for layer in range(case.config.num_layers):
        halves = []
        for direction in range(case.config.num_directions):
            end = f"_l{layer}" + ("_reverse" if direction else "")
            W_ih, W_hh = (read(case.parameters[name + end]) for name in ("weight_ih", "weight_hh"))
            b_ih, b_hh = (read(case.parameters.get(name + end, 0.0)) for name in ("bias_ih", "bias_hh"))
            state = tuple(read(s[len(finals)]) for s in (case.h_0, case.c_0) if s is not None)
            half = np.zeros((steps, rows, case.config.hidden_size), np.int64)
            for t in range(steps)[:: -1 if direction else 1]:
                alive = (t < lengths)[:, None]
                new = step(product(x[t], W_ih) + b_ih, product(state[0], W_hh) + b_hh, state)
                state = tuple(np.where(alive, a, b) for a, b in zip(new, state))
                half[t] = np.where(alive, state[0], 0)
            halves.append(half)
            finals.append(state)
        x = np.concatenate(halves, axis=-1)
    output, *states = (np.float32(a / 2**FRACTION) for a in (x, *(np.stack(s) for s in zip(*finals))))
    return output, states[0] if len(states) == 1 else tuple(states)
