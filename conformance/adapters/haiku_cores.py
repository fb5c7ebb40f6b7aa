"""haiku.VanillaRNN (relu), GRU (reset before) and LSTM: bare cells, so the kit adds the loop.

Haiku's update gate lets go of what others keep, so its weights change their sign; its LSTM adds 1 to the
bias of the forget gate by itself.
Source: https://dm-haiku.readthedocs.io/en/latest/api.html#recurrent
"""

import haiku
import jax

from conformance.adapters.cell import from_cell
from reference_rnn.layouts import complemented, reordered, to_block_lstm


def step(x, state, p):
    """The next state: h, or h and c."""
    if isinstance(state, tuple):
        linear = to_block_lstm({f"{name}_l0": array for name, array in p.items()})
        return lstm({"lstm/linear": linear}, x, state)
    if len(p["weight_ih"]) == state.shape[-1]:
        first = {"w": p["weight_ih"].T, "b": p["bias_ih"]}
        second = {"w": p["weight_hh"].T, "b": p["bias_hh"]}
        return vanilla_rnn({"vanilla_rnn/linear": first, "vanilla_rnn/linear_1": second}, x, state)
    own = {name: reordered(array, "rzn", "zrn") for name, array in complemented(p).items()}
    weights = {"w_i": own["weight_ih"].T, "w_h": own["weight_hh"].T, "b": own["bias_ih"] + own["bias_hh"]}
    return gru({"gru": weights}, x, state)


def compiled(core):
    """A core as a function from parameters, input and state to the next state."""
    return jax.jit(haiku.without_apply_rng(haiku.transform(core)).apply)


vanilla_rnn = compiled(lambda x, h: haiku.VanillaRNN(h.shape[-1])(x, h)[1])
gru = compiled(lambda x, h: haiku.GRU(h.shape[-1])(x, h)[1])
lstm = compiled(lambda x, state: tuple(haiku.LSTM(state[0].shape[-1])(x, haiku.LSTMState(*state))[1]))

forward = from_cell(step, cells=("RNN_RELU", "GRU_RESET_BEFORE", "LSTM"), nonfinite=True, recompiles=True)
capabilities = forward.capabilities
