"""An implementation that shares nothing with the reference: one row and one step at a time."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def looped():
    """The function ``by_loops``, for any test here."""
    return by_loops


@np.errstate(all="ignore")
def by_loops(case, step):
    """Output and h_n of a time-major case in its own dtype; ``step(cell, x, h, *parameters)`` is one row's step."""
    c, D, H = case.config, case.config.num_directions, case.config.hidden_size
    output = np.zeros((case.num_steps, case.num_rows, D * H), c.numpy_dtype)
    h_n = np.array(case.h_0)
    none = np.zeros(H, c.numpy_dtype)
    for row, length in enumerate(case.row_lengths):
        below = case.x[:length, row]
        for layer in range(c.num_layers):
            above = np.zeros((length, D * H), c.numpy_dtype)
            for d, end in enumerate((f"_l{layer}", f"_l{layer}_reverse")[:D]):
                kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
                p = [case.parameters.get(kind + end, none) for kind in kinds]
                h = h_n[layer * D + d, row]
                for t in reversed(range(length)) if d else range(length):
                    h = step(c.cell, below[t], h, *p)
                    above[t, d * H : d * H + H] = h
                h_n[layer * D + d, row] = h
            below = above
        output[:length, row] = below
    return output, h_n
