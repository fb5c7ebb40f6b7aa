"""Just another network: an LSTM with nothing but its forget gate."""

from reference_rnn import cell, sigmoid, tanh

BETA = 1.0


@cell("fc")
def janet(x, h, p):
    """Van der Westhuizen and Lasenby (2018), The unreasonable effectiveness of the forget gate, arXiv:1804.04849."""
    s = p.f(x, h)
    c = tanh(p.c(x, h))
    return sigmoid(s) * h + (1 - sigmoid(s - BETA)) * c
