"""All cells, in a loop that claims almost everything; other targets replace one piece of it."""

from types import SimpleNamespace

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "GRU_RESET_BEFORE", "LSTM"), dtypes=("float32", "float64"),
    bidirectional=True, max_layers=None, no_bias=True, default_state=True, lengths=True, empty=True, nonfinite=True,
    dropout=True,
)  # fmt: skip


def product(x, W):
    """W x for every row of x (N, I)."""
    return x @ W.T


def relu(z):
    """The positive part."""
    return np.maximum(z, 0)


def sigmoid(z):
    """1 / (1 + exp(-z))."""
    return 1 / (1 + np.exp(-z))


def mix(z, n, h):
    """(1 - z) n + z h."""
    return (1 - z) * n + z * h


def keep(alive, new, old):
    """New where alive (N, 1), elsewhere old."""
    return np.where(alive, new, old)


def drop(x, kept, p):
    """Where kept, x / (1 - p), elsewhere 0."""
    return x * kept / (1 - p) if p < 1 else 0 * x


def forget(f, c):
    """f c."""
    return f * c


PIECES = {
    "product": product, "relu": relu, "sigmoid": sigmoid, "mix": mix, "keep": keep, "drop": drop, "forget": forget,
}  # fmt: skip


def step(cell, x, state, p, do):
    """The state after one step."""
    h = state[0]
    W_ih, W_hh = (np.split(W, len(W) // h.shape[1]) for W in (p.W_ih, p.W_hh))
    b_ih, b_hh = (np.split(b, len(W_hh)) for b in (p.b_ih, p.b_hh))
    given = [do.product(x, W) + b for W, b in zip(W_ih, b_ih)]
    if cell == "GRU_RESET_BEFORE":
        r, z = (do.sigmoid(a + do.product(h, W) + b) for a, W, b in zip(given[:2], W_hh, b_hh))
        n = np.tanh(given[2] + do.product(r * h, W_hh[2]) + b_hh[2])
        return (do.mix(z, n, h),)
    held = [do.product(h, W) + b for W, b in zip(W_hh, b_hh)]
    if cell == "GRU":
        r, z = (do.sigmoid(a + b) for a, b in zip(given[:2], held))
        return (do.mix(z, np.tanh(given[2] + r * held[2]), h),)
    if cell == "LSTM":
        i, f, g, o = (a + b for a, b in zip(given, held))
        c = do.forget(do.sigmoid(f), state[1]) + do.sigmoid(i) * np.tanh(g)
        return do.sigmoid(o) * np.tanh(c), c
    return (np.tanh(given[0] + held[0]) if cell == "RNN_TANH" else do.relu(given[0] + held[0]),)


@np.errstate(all="ignore")
def run(case, step=step, **pieces):
    """Output and final states; pieces are functions in place of those above."""
    config, do = case.config, SimpleNamespace(**{**PIECES, **pieces})
    T, N, _ = case.x.shape
    lengths = np.full(N, T) if case.lengths is None else case.lengths
    x = np.where((np.arange(T)[:, None] < lengths)[..., None], case.x, 0).astype(case.x.dtype)
    zeros = np.zeros((config.num_layers * config.num_directions, N, config.hidden_size), x.dtype)
    given = (case.h_0, case.c_0) if config.cell == "LSTM" else (case.h_0,)
    states = [zeros.copy() if state is None else np.array(state) for state in given]
    for layer in range(config.num_layers):
        if layer and case.training and config.dropout:
            x = do.drop(x, np.random.random(x.shape) >= config.dropout, config.dropout).astype(x.dtype)
        halves = []
        for reverse in range(config.num_directions):
            entry, p = layer * config.num_directions + reverse, parameters(case, f"_l{layer}" + "_reverse" * reverse)
            state, output = tuple(s[entry] for s in states), np.zeros((T, *zeros.shape[1:]), x.dtype)
            for t in range(T)[:: -1 if reverse else 1]:
                alive = (t < lengths)[:, None]
                state = tuple(do.keep(alive, *both) for both in zip(step(config.cell, x[t], state, p, do), state))
                output[t] = do.keep(alive, state[0], np.zeros_like(state[0]))
            halves.append(output)
            for final, last in zip(states, state):
                final[entry] = last
        x = np.concatenate(halves, axis=-1)
    return x, tuple(states) if config.cell == "LSTM" else states[0]


def parameters(case, end):
    """The parameters of one layer and direction."""
    W_ih, W_hh = case.parameters["weight_ih" + end], case.parameters["weight_hh" + end]
    zero = np.zeros(len(W_hh), W_hh.dtype)
    biases = (case.parameters.get(name + end, zero) for name in ("bias_ih", "bias_hh"))
    return SimpleNamespace(W_ih=W_ih, W_hh=W_hh, **dict(zip(("b_ih", "b_hh"), biases)))


def forward(case):
    return run(case)
