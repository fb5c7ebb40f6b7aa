"""brainstate.nn.ValinaRNNCell (relu), GRUCell (reset before) and LSTMCell: bare cells, so the kit adds the loop.

Their weights read x and h side by side, with one bias. The update gate of GRU lets go of what others keep, so its
weights change their sign; LSTM adds 1 to the bias of the forget gate by itself.
Source: https://github.com/chaobrain/brainstate
"""

from functools import lru_cache

import brainstate.nn as nn
import jax.numpy as jnp
import numpy as np

from conformance.adapters.cell import from_cell
from reference_rnn.layouts import complemented, reordered


def step(x, state, p):
    """The next state: h, or h and c."""
    if isinstance(state, tuple):
        return lstm(x, *state, p)
    return rnn(x, state, p) if len(p["weight_ih"]) == state.shape[1] else gru(x, state, p)


def rnn(x, h, p):
    """The next h of a plain network."""
    cell = build(nn.ValinaRNNCell, x.shape[1], h.shape[1])
    cell.W.weight.value, cell.h.value = side_by_side(p), jnp.array(h)
    return np.array(cell.update(jnp.array(x)))


def gru(x, h, p):
    """The next h of a GRU."""
    cell = build(nn.GRUCell, x.shape[1], h.shape[1])
    gates = {name: np.split(array, [2 * h.shape[1]]) for name, array in complemented(p).items()}
    for layer, part in ((cell.Wrz, 0), (cell.Wh, 1)):
        layer.weight.value = side_by_side({name: split[part] for name, split in gates.items()})
    cell.h.value = jnp.array(h)
    return np.array(cell.update(jnp.array(x)))


def lstm(x, h, c, p):
    """The next h and c of an LSTM."""
    cell = build(nn.LSTMCell, x.shape[1], h.shape[1])
    weights = side_by_side({name: reordered(array, "ifgo", "igfo") for name, array in p.items()})
    own = slice(2 * h.shape[1], 3 * h.shape[1])
    cell.W.weight.value = weights | {"bias": weights["bias"].at[own].add(-1)}
    cell.h.value, cell.c.value = jnp.array(h), jnp.array(c)
    cell.update(jnp.array(x))
    return np.array(cell.h.value), np.array(cell.c.value)


def side_by_side(p):
    """The weights of x and of h as one matrix, with one bias."""
    weight = np.concatenate([p["weight_ih"], p["weight_hh"]], axis=1).T
    return {"weight": jnp.array(weight), "bias": jnp.array(p["bias_ih"] + p["bias_hh"])}


@lru_cache(maxsize=256)
def build(kind, inputs, units):
    """A cell of this shape; its weights and states are set at every call."""
    cell = kind(inputs, units)
    cell.init_state(1)
    return cell


forward = from_cell(step, cells=("RNN_RELU", "GRU_RESET_BEFORE", "LSTM"), nonfinite=True, recompiles=True)
capabilities = forward.capabilities
