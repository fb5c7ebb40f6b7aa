"""The real-gated linear recurrent unit of Griffin, behind the products that give its gates."""

from reference_rnn import exp, recurrence, sigmoid, softplus, sqrt


@recurrence(
    inputs={"x": "H", "r": "H", "i": "H"}, states={"h": "H"}, outputs={"y": "H"}, parameters={"decay": "H"},
    heads=False, ranges={"r": (-4, 4), "i": (-4, 4), "decay": (-4, 2)},
)  # fmt: skip
def rg_lru(x, r, i, h, p):
    """De et al. (2024), Griffin, arXiv:2402.19427, section 2.4: log a is -8 softplus(decay) sigmoid(r)."""
    a = exp(-8 * softplus(p["decay"]) * sigmoid(r))
    h = a * h + sqrt(1 - a * a) * (sigmoid(i) * x)
    return h, h
