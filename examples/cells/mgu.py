"""The minimal gated unit: one gate that forgets and resets."""

from reference_rnn import cell, mix, sigmoid, tanh


@cell("fn")
def mgu(x, h, p):
    """Zhou, Wu, Zhang and Zhou (2016), Minimal gated unit for recurrent neural networks, arXiv:1603.09420."""
    f = sigmoid(p.f(x, h))
    n = tanh(p.n(x, f * h))
    return mix(f, h, n)
