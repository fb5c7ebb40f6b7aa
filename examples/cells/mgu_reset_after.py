"""A minimal gated unit with the gate behind the recurrent product, whose gate keeps: that of Flax."""

from reference_rnn import cell, mix, sigmoid, tanh


@cell("fn")
def mgu_reset_after(x, h, p):
    """https://flax.readthedocs.io/en/latest/api_reference/flax.linen/layers.html, MGUCell."""
    f = sigmoid(p.f(x, h))
    q = p.n.recurrent(h)
    n = tanh(p.n.input(x) + f * q)
    return mix(f, n, h)
