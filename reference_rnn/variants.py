"""One step of each cell with the options of ONNX' operators: peepholes, coupled gates, clipping, other activations.

The equations are those of ``cells`` but for what is named in a docstring. W_ch (3*H,) are the peepholes of the gates
i, f and o: one number a unit, from the cell state to the gate. f, g and h are activations, in ONNX' order.

Sources: https://onnx.ai/onnx/operators/onnx__RNN.html, onnx__GRU.html, onnx__LSTM.html;
Gers and Schmidhuber (2000), Recurrent nets that time and count, for the peepholes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .case import USUAL_ACTIVATIONS, Config
from .cells import Parameters, by_gate, step_of
from .functions import (
    affine,
    affine_peephole,
    clip,
    hard_sigmoid,
    linear,
    mix,
    relu,
    sigmoid,
    softsign,
    tanh,
)

FUNCTIONS = {"tanh": tanh, "relu": relu, "sigmoid": sigmoid, "hard_sigmoid": hard_sigmoid, "softsign": softsign}


class Options(NamedTuple):
    """Activations, the bound of what they read, and whether the forget gate is 1 - i."""

    f: Callable
    g: Callable
    h: Callable
    bound: float
    coupled: bool


def rnn_variant(x: Any, state: tuple, p: Parameters, o: Options) -> tuple:
    """h' = f(clip(z))."""
    (h,) = state
    z = affine(x, p.W_ih, h, p.W_hh, p.b_ih, p.b_hh)
    return (o.f(clip(z, o.bound)),)


def gru_variant(x: Any, state: tuple, p: Parameters, o: Options) -> tuple:
    """r and z through f, n through g, each of what is clipped."""
    (h,) = state
    R, Z, N = by_gate(p, 3)
    r = o.f(clip(affine(x, R.W_ih, h, R.W_hh, R.b_ih, R.b_hh), o.bound))
    z = o.f(clip(affine(x, Z.W_ih, h, Z.W_hh, Z.b_ih, Z.b_hh), o.bound))
    q = linear(h, N.W_hh, N.b_hh)
    n = o.g(clip(linear(x, N.W_ih, N.b_ih) + r * q, o.bound))
    return (mix(z, n, h),)


def gru_reset_before_variant(x: Any, state: tuple, p: Parameters, o: Options) -> tuple:
    """The same, with the reset gate before the recurrent product."""
    (h,) = state
    R, Z, N = by_gate(p, 3)
    r = o.f(clip(affine(x, R.W_ih, h, R.W_hh, R.b_ih, R.b_hh), o.bound))
    z = o.f(clip(affine(x, Z.W_ih, h, Z.W_hh, Z.b_ih, Z.b_hh), o.bound))
    n = o.g(clip(affine(x, N.W_ih, r * h, N.W_hh, N.b_ih, N.b_hh), o.bound))
    return (mix(z, n, h),)


def lstm_variant(x: Any, state: tuple, p: Parameters, o: Options) -> tuple:
    """i and f see the cell state before, o the one after; i, f and o through f, the candidate through g, c' through h.

    Coupled gates: f = 1 - i.
    """
    (h, c) = state
    I, F, G, O = by_gate(p, 4)  # noqa: E741
    w_i, w_f, w_o = np.split(p.W_ch, 3)
    i = o.f(clip(affine_peephole(x, I.W_ih, h, I.W_hh, I.b_ih, I.b_hh, w_i, c), o.bound))
    f = o.f(clip(affine_peephole(x, F.W_ih, h, F.W_hh, F.b_ih, F.b_hh, w_f, c), o.bound))
    f = 1 - i if o.coupled else f
    g = o.g(clip(affine(x, G.W_ih, h, G.W_hh, G.b_ih, G.b_hh), o.bound))
    c = f * c + i * g
    out = o.f(clip(affine_peephole(x, O.W_ih, h, O.W_hh, O.b_ih, O.b_hh, w_o, c), o.bound))
    return out * o.h(clip(c, o.bound)), c


STEPS = {
    "RNN_TANH": rnn_variant,
    "RNN_RELU": rnn_variant,
    "GRU": gru_variant,
    "GRU_RESET_BEFORE": gru_reset_before_variant,
    "LSTM": lstm_variant,
}


def options_of(config: Config) -> Options:
    """The options of a configuration; a cell without clipping has an infinite bound."""
    f, g, h = (*(FUNCTIONS[name] for name in config.activations or USUAL_ACTIVATIONS[config.cell]), tanh, tanh)[:3]
    return Options(f, g, h, config.clip or np.inf, config.coupled_gates)


def step_with_options(config: Config) -> Callable:
    """The step of a configuration's cell, with its options if it has any."""
    return partial(STEPS[config.cell], o=options_of(config)) if config.has_options else step_of(config)
