"""Recurrent networks as they are computed today: NumPy in double precision, and nothing else.

Read it from top to bottom: the five cells, one direction of one layer, all layers, and what a caller may ask for. The
axes are T steps, N rows, I features, H units, P numbers of the state h (H without a projection), L layers, D
directions. Parameters have PyTorch's names, shapes and order of gates; a gate has H rows of each. Papers are named
where the idea is from; that there are two biases is PyTorch's. Options of ONNX (peepholes, clip, other activations) are
not here.

This file does not know the rest of the package. What judges networks is written for bounds and derivatives, and is held
to this text by the tests.

>>> import numpy as np
>>> p = Parameters(W_ih=np.array([[0.5]]), W_hh=np.array([[1.0]]), b_ih=np.zeros(1), b_hh=np.zeros(1))
>>> (h,) = rnn_tanh(np.array([[0.0]]), np.array([[1.0]]), p)
>>> h.round(4).tolist()
[[0.7616]]
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Parameters(NamedTuple):
    """The parameters of one layer and direction, of a cell with G gates.

    W_ih (G*H, I), W_hh (G*H, P), b_ih and b_hh (G*H,); W_hr (P, H) projects the output of an LSTM, if there is one
    """

    W_ih: np.ndarray
    W_hh: np.ndarray
    b_ih: np.ndarray
    b_hh: np.ndarray
    W_hr: np.ndarray | None = None


@np.errstate(over="ignore")  # exp(-z) is infinite far below zero, and 1 / infinity is 0
def sigmoid(z: np.ndarray) -> np.ndarray:
    """The logistic function, 1 / (1 + exp(-z)), of each number."""
    return 1 / (1 + np.exp(-z))


# ---------------------------------------------------------------- one step of a cell: x (N, I), h (N, P), c (N, H)


def rnn_tanh(x: np.ndarray, h: np.ndarray, p: Parameters) -> tuple[np.ndarray]:
    """The next h of a simple recurrent network (Elman, Finding structure in time, 1990)."""
    return (np.tanh(x @ p.W_ih.T + p.b_ih + h @ p.W_hh.T + p.b_hh),)


def rnn_relu(x: np.ndarray, h: np.ndarray, p: Parameters) -> tuple[np.ndarray]:
    """The next h of the same network with rectified units (Le, Jaitly and Hinton 2015, arXiv:1504.00941)."""
    return (np.maximum(x @ p.W_ih.T + p.b_ih + h @ p.W_hh.T + p.b_hh, 0),)


def gru(x: np.ndarray, h: np.ndarray, p: Parameters) -> tuple[np.ndarray]:
    """The next h of a gated recurrent unit whose reset gate acts on the recurrent product, as in PyTorch and cuDNN.

    Source: https://pytorch.org/docs/stable/generated/torch.nn.GRU.html.
    """
    r_x, z_x, n_x = np.split(x @ p.W_ih.T + p.b_ih, 3, axis=1)
    r_h, z_h, n_h = np.split(h @ p.W_hh.T + p.b_hh, 3, axis=1)
    r = sigmoid(r_x + r_h)
    z = sigmoid(z_x + z_h)
    n = np.tanh(n_x + r * n_h)
    return ((1 - z) * n + z * h,)


def gru_reset_before(x: np.ndarray, h: np.ndarray, p: Parameters) -> tuple[np.ndarray]:
    """The next h of a gated recurrent unit whose reset gate acts on the state (Cho et al. 2014, arXiv:1406.1078v3)."""
    W_r, W_z, W_n = np.split(p.W_hh, 3)
    b_r, b_z, b_n = np.split(p.b_hh, 3)
    r_x, z_x, n_x = np.split(x @ p.W_ih.T + p.b_ih, 3, axis=1)
    r = sigmoid(r_x + h @ W_r.T + b_r)
    z = sigmoid(z_x + h @ W_z.T + b_z)
    n = np.tanh(n_x + (r * h) @ W_n.T + b_n)
    return ((1 - z) * n + z * h,)


def lstm(x: np.ndarray, h: np.ndarray, c: np.ndarray, p: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """The next h and c of a long short-term memory (Hochreiter and Schmidhuber 1997), with the forget gate f.

    That is from Gers, Schmidhuber and Cummins, Learning to forget, 2000. With W_hr the output is projected (Sak, Senior
    and Beaufays 2014, arXiv:1402.1128).
    """
    i, f, g, o = np.split(x @ p.W_ih.T + p.b_ih + h @ p.W_hh.T + p.b_hh, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    if p.W_hr is not None:
        h = h @ p.W_hr.T
    return h, c


STEPS: dict[str, Any] = {
    "RNN_TANH": rnn_tanh, "RNN_RELU": rnn_relu, "GRU": gru, "GRU_RESET_BEFORE": gru_reset_before, "LSTM": lstm,
}  # fmt: skip


# ---------------------------------------------------------------- loops


def direction(
    step: Any, x: np.ndarray, states: tuple, p: Parameters, lengths: np.ndarray, reverse: bool
) -> tuple[np.ndarray, tuple]:
    """The output (T, N, P) of one direction of one layer on x (T, N, I), and the states after each row's end.

    Row n has lengths[n] steps; then its states stay what they are, and its output is zero. In reverse the steps are
    taken from the last one down, so that a row begins at its own end.
    """
    T, N, _ = x.shape
    output = np.zeros((T, N, states[0].shape[1]))
    for t in reversed(range(T)) if reverse else range(T):
        alive = (t < lengths)[:, None]
        new = step(x[t], *states, p)
        states = tuple(np.where(alive, one, before) for one, before in zip(new, states))
        output[t] = np.where(alive, states[0], 0)
    return output, states


def network(
    step: Any, x: np.ndarray, initial: list, layers: list, lengths: np.ndarray, masks: list
) -> tuple[np.ndarray, list]:
    """The output (T, N, D*P) of all layers on x (T, N, I), and the final states of all layers and directions in turn.

    initial  the states of each layer and direction, in the same order;  layers  the Parameters of each layer, D of them
    masks    (T, N, D*P) for each layer but the last: what dropout multiplies its output by
    """
    final: list = []
    for number, directions in enumerate(layers):
        if number:
            x = x * masks[number - 1]
        halves = []
        for reverse, p in enumerate(directions):
            output, states = direction(step, x, initial[len(final)], p, lengths, reverse > 0)
            halves.append(output)
            final.append(states)
        x = np.concatenate(halves, axis=2)
    return x, final


# ---------------------------------------------------------------- what a caller asks for

capabilities = {
    "cells": tuple(STEPS), "dtypes": ("float32", "float64"), "bidirectional": True, "max_layers": None, "no_bias": True,
    "default_state": True, "lengths": True, "empty": True, "nonfinite": True, "batch_first": True, "unbatched": True,
    "dropout": True, "projections": True,
}  # fmt: skip


@np.errstate(all="ignore")  # inputs may be infinite or NaN, and so may be what is computed of them
def forward(case: Any, masks: list | None = None) -> tuple[np.ndarray, Any]:
    """The output and h_n of a case, of an LSTM (h_n, c_n), in its layout and dtype; computed in double precision.

    masks  as ``network`` takes them; None: drawn at random in training with dropout, else all one
    """
    c, x = case.config, np.asarray(case.x, np.float64)
    unbatched = x.ndim == 2
    if unbatched:
        x = x[:, None]
    elif c.batch_first:
        x = x.swapaxes(0, 1)
    T, N, _ = x.shape
    lengths = np.full(N, T) if case.lengths is None else case.lengths
    x = np.where((np.arange(T)[:, None] < lengths)[..., None], x, 0)  # nobody reads the padding
    layers = [[parameters_of(case, layer, reverse) for reverse in range(c.num_directions)]
              for layer in range(c.num_layers)]  # fmt: skip
    P, count = layers[0][0].W_hh.shape[1], c.num_layers * c.num_directions
    zeros = [np.zeros((count, N, size)) for size in ((P, c.hidden_size) if c.cell == "LSTM" else (P,))]
    states = [zero if a is None else np.reshape(a, zero.shape) for zero, a in zip(zeros, (case.h_0, case.c_0))]
    if masks is None:
        masks = [mask(c.dropout if case.training else 0.0, (T, N, c.num_directions * P)) for _ in layers[1:]]
    output, final = network(STEPS[c.cell], x, list(zip(*states)), layers, lengths, masks)
    if unbatched:
        output, final = output[:, 0], [tuple(a[0] for a in states) for states in final]
    elif c.batch_first:
        output = output.swapaxes(0, 1)
    last = tuple(np.stack(arrays).astype(case.x.dtype) for arrays in zip(*final))
    return output.astype(case.x.dtype), last if c.cell == "LSTM" else last[0]


def parameters_of(case: Any, layer: int, reverse: int) -> Parameters:
    """The parameters of one layer and direction of a case, in double precision; biases that it has not are zero."""
    end = f"_l{layer}" + "_reverse" * reverse
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
    p = case.parameters
    found = {kind: np.asarray(p[kind + end], np.float64) for kind in kinds if kind + end in p}
    zero = np.zeros(len(found["weight_hh"]))
    b_ih, b_hh = found.get("bias_ih", zero), found.get("bias_hh", zero)
    return Parameters(found["weight_ih"], found["weight_hh"], b_ih, b_hh, found.get("weight_hr"))


def mask(p: float, shape: tuple[int, ...]) -> np.ndarray:
    """What dropout multiplies by: 0 with probability p, else 1 / (1 - p), as in PyTorch."""
    return np.zeros(shape) if p == 1 else np.random.binomial(1, 1 - p, shape) / (1 - p)
