"""flax.linen.RNN around SimpleCell (tanh and relu), GRUCell (reset after) and LSTMCell.

One RNN for each layer and direction. Flax documents that it does not zero the output past the end of a
row, so that is done here. Its cells have biases always; its precision is JAX' default one.
Source: https://flax.readthedocs.io/en/latest/api_reference/flax.linen/layers.html
"""

from functools import lru_cache

import flax.linen as nn
import jax
import numpy as np

from conformance.claims.capabilities import Capabilities
from reference_rnn.layouts import to_flax

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "LSTM"),
    bidirectional=True,
    max_layers=None,
    default_state=True,
    lengths=True,
    nonfinite=True,
    recompiles=True,
)
CELLS = {
    "RNN_TANH": nn.SimpleCell,
    "RNN_RELU": lambda size: nn.SimpleCell(size, activation_fn=nn.relu),
    "GRU": nn.GRUCell,
    "LSTM": nn.LSTMCell,
}


def forward(case):
    """output and h_n, or output and (h_n, c_n), of one case."""
    c, x, finals = case.config, case.x, []
    for layer in range(c.num_layers):
        halves = []
        for direction in range(c.num_directions):
            params = {"params": {"cell": to_flax(case.parameters, c.cell, layer, direction)}}
            states = [None if state is None else state[len(finals)] for state in (case.c_0, case.h_0)]
            carry = states[1] if c.cell != "LSTM" or states[1] is None else tuple(states)  # Flax has c first
            final, half = rnn(c.cell, c.hidden_size, direction)(
                params, x, initial_carry=carry, seq_lengths=case.lengths
            )
            halves.append(np.asarray(half))
            finals.append(final if c.cell == "LSTM" else (final,))
        x = np.concatenate(halves, axis=-1)
        if case.lengths is not None:
            x[np.arange(len(x))[:, None] >= case.lengths] = 0
    h_n, *c_n = (np.stack(states) for states in list(zip(*finals))[::-1])
    return x, (h_n, *c_n) if c_n else h_n


@lru_cache(maxsize=256)
def rnn(cell, hidden_size, reverse):
    """One layer and direction as a compiled function, from parameters and input to final carry and output."""
    layer = nn.RNN(CELLS[cell](hidden_size), time_major=True, return_carry=True, reverse=bool(reverse), keep_order=True)
    return jax.jit(layer.apply)
