"""flax.linen.MGUCell, one nn.RNN for each layer and direction. It adds the two biases of its gate up.

Source: https://flax.readthedocs.io/en/latest/api_reference/flax.linen/layers.html
"""

from functools import lru_cache

import flax.linen as nn
import jax
import numpy as np

capabilities = {
    "cells": ("../mgu_reset_after.py:mgu_reset_after",), "bidirectional": True, "max_layers": None, "recompiles": True
}  # fmt: skip


def forward(case):
    """output and h_n of one case."""
    config, output, finals = case.config, case.x, []
    for layer in range(config.num_layers):
        halves = []
        for reverse in range(config.num_directions):
            params = {"params": {"cell": dense(case.parameters, f"_l{layer}" + "_reverse" * reverse)}}
            final, half = rnn(config.hidden_size, reverse)(params, output, initial_carry=case.h_0[len(finals)])
            halves.append(np.asarray(half))
            finals.append(np.asarray(final))
        output = np.concatenate(halves, -1)
    return output, np.stack(finals)


def dense(parameters, end):
    """The parameters of a cell, as Flax has them: one dense layer for each product."""
    W_f, W_n = np.split(parameters["weight_ih" + end], 2)
    R_f, R_n = np.split(parameters["weight_hh" + end], 2)
    b_f, b_n = np.split(parameters["bias_ih" + end], 2)
    q_f, q_n = np.split(parameters["bias_hh" + end], 2)
    inputs = {"if": {"kernel": W_f.T, "bias": b_f + q_f}, "in": {"kernel": W_n.T, "bias": b_n}}
    return inputs | {"hf": {"kernel": R_f.T}, "hn": {"kernel": R_n.T, "bias": q_n}}


@lru_cache(maxsize=256)
def rnn(hidden_size, reverse):
    """One layer and direction as a compiled function, from parameters and input to final carry and output."""
    cell = nn.MGUCell(hidden_size)
    layer = nn.RNN(cell, time_major=True, return_carry=True, reverse=bool(reverse), keep_order=True)
    return jax.jit(layer.apply)
