"""Gated cells, each step one product of all that the cell reads with all its weights."""

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(
    cells=("GRU_RESET_BEFORE", "GRU", "LSTM"), dtypes=("float32", "float64"), bidirectional=True, max_layers=None,
    default_state=True, lengths=True, empty=True, nonfinite=True, batch_first=True, unbatched=True, projections=True,
)  # fmt: skip


def sigmoid(z):
    return 0.5 + 0.5 * np.tanh(0.5 * z)


def lstm(x, states, W_ih, W_hh, b_ih, b_hh, W_hr=None):
    """The states after one step: h (N, P) and c (N, H)."""
    h, c = states
    z = np.concatenate([x, h], 1) @ np.concatenate([W_ih, W_hh], 1).T + (b_ih + b_hh)
    i, f, g, o = np.split(z, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h if W_hr is None else h @ W_hr.T, c


def gru(x, states, W_ih, W_hh, b_ih, b_hh):
    """The state after one step; the reset gate comes after the product."""
    (h,) = states
    a, b = np.split(x @ W_ih.T + b_ih, 3, axis=1), np.split(h @ W_hh.T + b_hh, 3, axis=1)
    r, z = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1])
    n = np.tanh(a[2] + r * b[2])
    return (n + z * (h - n),)


def gru_reset_before(x, states, W_ih, W_hh, b_ih, b_hh):
    """The state after one step; the reset gate comes before the product."""
    (h,) = states
    H = h.shape[1]
    a, b = np.split(x @ W_ih.T + b_ih, 3, axis=1), np.split(h @ W_hh[: 2 * H].T + b_hh[: 2 * H], 2, axis=1)
    r, z = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1])
    n = np.tanh(a[2] + ((r * h) @ W_hh[2 * H :].T + b_hh[2 * H :]))
    return (n + z * (h - n),)


STEPS = {"LSTM": lstm, "GRU": gru, "GRU_RESET_BEFORE": gru_reset_before}
NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")


def scan(step, x, states, p, lengths, order):
    """One direction of one layer: output (T, N, P) and the final states."""
    output = np.zeros((*x.shape[:2], states[0].shape[1]), x.dtype)
    for t in order:
        alive = (t < lengths)[:, None]
        states = tuple(np.where(alive, new, old) for new, old in zip(step(x[t], states, *p), states))
        output[t] = np.where(alive, states[0], 0)
    return output, states


@np.errstate(all="ignore")
def forward(case):
    c, unbatched = case.config, case.x.ndim == 2
    swapped = c.batch_first and not unbatched
    x = case.x[:, None] if unbatched else case.x.swapaxes(0, 1) if swapped else case.x
    T, N, _ = x.shape
    lengths = np.full(N, T) if case.lengths is None else case.lengths
    finals = []
    for layer in range(c.num_layers):
        halves = []
        for end in ("", "_reverse")[: c.num_directions]:
            p = [case.parameters[f"{name}_l{layer}{end}"] for name in NAMES[: 5 if c.proj_size else 4]]
            order = range(T)[::-1] if end else range(T)
            output, states = scan(STEPS[c.cell], x, initial(case, len(finals), N), p, lengths, order)
            halves.append(output)
            finals.append(states)
        x = np.concatenate(halves, axis=2)
    output = x[:, 0] if unbatched else x.swapaxes(0, 1) if swapped else x
    finals = tuple(np.stack([state[0] if unbatched else state for state in states]) for states in zip(*finals))
    return output, finals if c.cell == "LSTM" else finals[0]


def initial(case, entry, N):
    """The initial states of one layer and direction, (N, P) and (N, H); zeros where none are given."""
    c = case.config
    widths = (c.proj_size or c.hidden_size, c.hidden_size)[: 2 if c.cell == "LSTM" else 1]
    given = (case.h_0, case.c_0)
    return tuple(
        np.zeros((N, width), case.x.dtype) if state is None else state[entry].reshape(N, width)
        for state, width in zip(given, widths)
    )
