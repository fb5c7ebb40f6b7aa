"""flax.nnx.RNN around SimpleCell (tanh and relu), GRUCell and OptimizedLSTMCell.

GRUCell has no b_hn: its formula names one, its text says that biases are on the side of the input. As in
flax_linen.py, zeroing the output past the end of a row is left to the caller.
Source: https://flax.readthedocs.io/en/latest/api_reference/flax.nnx/nn/recurrent.html
"""

from functools import lru_cache

import jax
import numpy as np
from flax import nnx

from conformance.claims.capabilities import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "LSTM"),
    bidirectional=True,
    max_layers=None,
    biases="no b_hn",
    default_state=True,
    lengths=True,
    nonfinite=True,
    recompiles=True,
)
CELLS = {
    "RNN_TANH": nnx.SimpleCell,
    "RNN_RELU": lambda *sizes, rngs: nnx.SimpleCell(*sizes, activation_fn=jax.nn.relu, rngs=rngs),
    "GRU": nnx.GRUCell,
    "LSTM": nnx.OptimizedLSTMCell,
}


def forward(case):
    """output and h_n, or output and (h_n, c_n), of one case."""
    c, x, finals = case.config, case.x, []
    for layer in range(c.num_layers):
        halves = []
        for end in ["", "_reverse"][: c.num_directions]:
            rnn = load(case, f"_l{layer}{end}", x.shape[-1])
            states = [None if state is None else state[len(finals)] for state in (case.c_0, case.h_0)]
            carry = states[1] if c.cell != "LSTM" or states[1] is None else tuple(states)  # Flax has c first
            final, half = run(rnn, x, carry, case.lengths, bool(end))
            halves.append(np.asarray(half))
            finals.append(final if c.cell == "LSTM" else (final,))
        x = np.concatenate(halves, axis=-1)
        if case.lengths is not None:
            x[np.arange(len(x))[:, None] >= case.lengths] = 0
    h_n, *c_n = (np.stack(states) for states in list(zip(*finals))[::-1])
    return x, (h_n, *c_n) if c_n else h_n


@lru_cache(maxsize=256)
def build(cell, input_size, hidden_size):
    """A layer of this shape; its weights are set for every case."""
    return nnx.RNN(CELLS[cell](input_size, hidden_size, rngs=nnx.Rngs(0)), time_major=True, return_carry=True)


def load(case, end, input_size):
    """The layer with the parameters of one layer and direction."""
    p, rnn = case.parameters, build(case.config.cell, input_size, case.config.hidden_size)
    biased = rnn.cell.dense_h if case.config.cell == "LSTM" else rnn.cell.dense_i  # the one bias that there is
    rnn.cell.dense_i.kernel[...] = p["weight_ih" + end].T.copy()
    rnn.cell.dense_h.kernel[...] = p["weight_hh" + end].T.copy()
    biased.bias[...] = p["bias_ih" + end] + p["bias_hh" + end]
    return rnn


@nnx.jit(static_argnames="reverse")
def run(rnn, x, carry, lengths, reverse):
    """The final carry and the output."""
    return rnn(x, initial_carry=carry, seq_lengths=lengths, reverse=reverse, keep_order=True)
