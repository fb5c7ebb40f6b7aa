"""S5 in complex numbers: step by step, and as a convolution with the powers of d."""

import numpy as np
from rows import each, target


def discrete(p):
    """What a state is multiplied with in a step, and what an input is."""
    a = p["a_re"] + 1j * p["a_im"]
    d = np.exp(a * np.exp(p["dt_log"]))
    return d, (d - 1) / a


def read(z, p):
    """The output by name."""
    return {"y": 2 * (z @ (p["C_re"] + 1j * p["C_im"]).T).real}


def step(x, s, p):
    """The outputs and the states after one step."""
    d, gain = discrete(p)
    z = d * (s["x_re"] + 1j * s["x_im"]) + gain * (x["u_re"] + 1j * x["u_im"])
    return read(z, p), {"x_re": z.real, "x_im": z.imag}


def convolution(x, s, p):
    """All steps at once: each state is the sum of all inputs before it, times powers of d."""
    d, gain = discrete(p)
    u = x["u_re"] + 1j * x["u_im"]
    t = np.arange(len(u))
    powers = np.where((t[:, None] >= t)[..., None], d ** np.maximum(t[:, None] - t, 0)[..., None], 0)
    z = np.einsum("tsp,sp->tp", powers, gain * u) + d ** (t[:, None] + 1) * (s["x_re"] + 1j * s["x_im"])
    z = z.astype(u.dtype)
    return read(z, p), {"x_re": z[-1].real, "x_im": z[-1].imag}


modes = {"step": ("steps", each(step)), "convolution": ("scan", convolution)}
capabilities, forward = target("../s5.py:s5", {"x_re": "P", "x_im": "P"}, modes, heads=False)
