"""equinox.nn.GRUCell and LSTMCell: bare cells for one row, so JAX adds the batch and the kit the loop.

Source: https://docs.kidger.site/equinox/api/nn/rnn/
"""

import equinox
import jax

from conformance.adapters.cell import from_cell

KEY = jax.random.PRNGKey(0)


@jax.jit
def step(x, state, p):
    """The next state of all rows: h, or h and c."""
    sizes = p["weight_ih"].shape[1], p["weight_hh"].shape[1]
    if isinstance(state, tuple):
        weights = {"bias": p["bias_ih"] + p["bias_hh"]}
        cell = equinox.nn.LSTMCell(*sizes, key=KEY)
    else:
        b_hn = p["bias_hh"][-sizes[1] :]
        weights = {"bias": p["bias_ih"] + p["bias_hh"].at[-sizes[1] :].set(0), "bias_n": b_hn}
        cell = equinox.nn.GRUCell(*sizes, key=KEY)
    weights |= {"weight_ih": p["weight_ih"], "weight_hh": p["weight_hh"]}
    cell = equinox.tree_at(lambda c: [getattr(c, name) for name in weights], cell, list(weights.values()))
    return jax.vmap(cell)(x, state)


forward = from_cell(step, cells=("GRU", "LSTM"), nonfinite=True, recompiles=True)
capabilities = forward.capabilities
