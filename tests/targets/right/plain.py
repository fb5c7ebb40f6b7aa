"""A loop over steps, layers and directions that claims everything; other targets replace one piece of it."""

from types import SimpleNamespace

import numpy as np

from conformance import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU"), dtypes=("float32", "float64"), bidirectional=True, max_layers=None, no_bias=True,
    default_state=True, lengths=True, empty=True, nonfinite=True, batch_first=True, unbatched=True,
)  # fmt: skip


def step(x, h, p):
    """The state after one step: x (N, I), h (N, H)."""
    return p.f(x @ p.W_ih.T + p.b_ih + h @ p.W_hh.T + p.b_hh)


def scan(step, x, h, p, lengths, reverse):
    """One direction of one layer: output (T, N, H) and the final states (N, H)."""
    output = np.zeros((*x.shape[:2], h.shape[1]), x.dtype)
    for t in range(len(x))[:: -1 if reverse else 1]:
        alive = (t < lengths)[:, None]
        h = np.where(alive, step(x[t], h, p), h)
        output[t] = np.where(alive, h, 0)
    return output, h


@np.errstate(all="ignore")
def run(case, step=step, scan=scan, tanh=np.tanh):
    """Output and final states in the layout of the case."""
    config, unbatched = case.config, case.x.ndim == 2
    time_major = unbatched or not config.batch_first
    x = case.x[:, None] if unbatched else case.x if time_major else case.x.swapaxes(0, 1)
    T, N, _ = x.shape
    states = np.zeros((config.num_layers * config.num_directions, N, config.hidden_size), x.dtype)
    if case.h_0 is not None:
        states[...] = case.h_0.reshape(states.shape)
    lengths = np.full(N, T) if case.lengths is None else case.lengths.astype(int)
    for layer in range(config.num_layers):
        halves = []
        for reverse in range(config.num_directions):
            entry = layer * config.num_directions + reverse
            p = parameters(case, f"_l{layer}" + "_reverse" * reverse, tanh)
            output, states[entry] = scan(step, x, states[entry], p, lengths, reverse)
            halves.append(output)
        x = np.concatenate(halves, axis=-1)
    if unbatched:
        return x[:, 0], states[:, 0]
    return x if time_major else x.swapaxes(0, 1), states


def parameters(case, end, tanh):
    """The parameters of one layer and direction, and its activation."""
    W_ih, W_hh = case.parameters["weight_ih" + end], case.parameters["weight_hh" + end]
    zero = np.zeros(len(W_hh), W_hh.dtype)
    b_ih, b_hh = case.parameters.get("bias_ih" + end, zero), case.parameters.get("bias_hh" + end, zero)
    f = tanh if case.config.cell == "RNN_TANH" else relu
    return SimpleNamespace(W_ih=W_ih, W_hh=W_hh, b_ih=b_ih, b_hh=b_hh, f=f)


def relu(z):
    """The positive part; NaN stays NaN."""
    return np.maximum(z, 0)


def forward(case):
    return run(case)
