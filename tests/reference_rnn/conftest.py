"""An implementation that shares nothing with the reference: one row and one step at a time."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def looped():
    """The function ``by_loops``, for any test here."""
    return by_loops


@np.errstate(all="ignore")
def by_loops(case, step):
    """Output and final states of a time-major case in its own dtype.

    ``step(cell, x, h, *parameters)`` is one row's step; for LSTM, h is the pair (h, c), and it returns a pair.
    """
    c, D, P = case.config, case.config.num_directions, case.config.state_size
    output = np.zeros((case.num_steps, case.num_rows, D * P), c.numpy_dtype)
    finals = [np.array(state) for state in (case.h_0, case.c_0) if state is not None]
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")[: 5 if c.proj_size else 4]
    none = np.zeros(len(case.parameters["weight_hh_l0"]), c.numpy_dtype)
    for row, length in enumerate(case.row_lengths):
        below = case.x[:length, row]
        for layer in range(c.num_layers):
            above = np.zeros((length, D * P), c.numpy_dtype)
            for d, end in enumerate((f"_l{layer}", f"_l{layer}_reverse")[:D]):
                p = [case.parameters.get(kind + end, none) for kind in kinds]
                states = tuple(final[layer * D + d, row] for final in finals)
                for t in reversed(range(length)) if d else range(length):
                    new = step(c.cell, below[t], states if c.cell == "LSTM" else states[0], *p)
                    states = new if c.cell == "LSTM" else (new,)
                    above[t, d * P : d * P + P] = states[0]
                for final, state in zip(finals, states, strict=True):
                    final[layer * D + d, row] = state
            below = above
        output[:length, row] = below
    return output, *finals
