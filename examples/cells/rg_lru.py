"""The real-gated linear recurrent unit of Griffin, behind the linear layer that it stands behind there."""

from reference_rnn import cell, exp, sigmoid, softplus, sqrt


@cell("uri", vectors=("decay",))
def rg_lru(x, h, p):
    """De et al. (2024), Griffin, arXiv:2402.19427, section 2.4: log a = -8 softplus(decay) r."""
    u = p.u.input(x)
    r = sigmoid(p.r.recurrent(u))
    i = sigmoid(p.i.recurrent(u))
    a = exp(-8 * softplus(p.decay) * r)
    return a * h + sqrt(1 - a * a) * (i * u)
