"""An LSTM that forgets as much as it takes in (CIFG)."""

from reference_rnn import cell, sigmoid, tanh


@cell("igo", states="hc")
def lstm_coupled(x, h, c, p):
    """Greff et al. (2017), LSTM: a search space odyssey, arXiv:1503.04069."""
    i = sigmoid(p.i(x, h))
    f = 1 - i
    g = tanh(p.g(x, h))
    o = sigmoid(p.o(x, h))
    c = f * c + i * g
    return o * tanh(c), c
