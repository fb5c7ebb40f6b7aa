"""The two cells of xlstm, with the maximum that keeps their exponential gates from overflowing.

Source: https://arxiv.org/abs/2405.04517
"""

from reference_rnn import exp, matvec, maximum, recurrence, sigmoid, softplus, tanh, vecdot, vecmat

UNITS = "AH"  # heads, and the units of each; parameters have both axes, too


@recurrence(
    inputs={"i": UNITS, "f": UNITS, "z": UNITS, "o": UNITS},
    states={"h": UNITS, "c": UNITS, "n": UNITS, "m": UNITS},
    outputs={"y": UNITS},
    parameters={"R_i": "AHH", "R_f": "AHH", "R_z": "AHH", "R_o": "AHH", "b_i": UNITS, "b_f": UNITS, "b_z": UNITS,
                "b_o": UNITS},
    heads=False,
    ranges={"n": (0.5, 2.0)},
)  # fmt: skip
def slstm(i, f, z, o, h, c, n, m, p):
    """The inputs are the products with x; c and n are those of the paper divided by exp(m)."""
    i, f, z, o = (
        x + matvec(p[f"R_{gate}"], h) + p[f"b_{gate}"] for gate, x in {"i": i, "f": f, "z": z, "o": o}.items()
    )
    kept = m - softplus(-f)
    m = maximum(kept, i)
    old, new = exp(kept - m), exp(i - m)
    c, n = old * c + new * tanh(z), old * n + new
    h = sigmoid(o) * c / n
    return h, h, c, n, m


@recurrence(
    inputs={"q": "D", "k": "D", "v": "D", "i": "", "f": ""},
    states={"C": "DD", "n": "D", "m": ""},
    outputs={"h": "D"},
    ranges={"i": (-4.0, 4.0), "f": (-2.0, 6.0)},
)
def mlstm(q, k, v, i, f, C, n, m):
    """A matrix of keys and values, and a normalizer; the package adds 1e-6 to the denominator."""
    kept = m - softplus(-f)
    m = maximum(kept, i)
    old, new = exp(kept - m), exp(i - m)
    k = k * k.shape[-1] ** -0.5
    C = old[..., None, None] * C + (new[..., None] * k)[..., None] * v[..., None, :]
    n = old[..., None] * n + new[..., None] * k
    found = vecdot(q, n)
    return vecmat(q, C) / (maximum(maximum(found, -found), exp(-m)) + 1e-6)[..., None], C, n, m
