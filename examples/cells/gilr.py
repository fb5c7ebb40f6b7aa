"""A linear recurrence whose diagonal is a gate of the input."""

from reference_rnn import cell, mix, sigmoid, tanh


@cell("gi")
def gilr(x, h, p):
    """Martin and Cundy (2018), Parallelizing linear recurrent neural nets over sequence length, arXiv:1709.04057."""
    g = sigmoid(p.g.input(x))
    i = tanh(p.i.input(x))
    return mix(g, i, h)
