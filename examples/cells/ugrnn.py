"""The update gate network: a plain one with a gate that keeps."""

from reference_rnn import cell, mix, sigmoid, tanh


@cell("gc")
def ugrnn(x, h, p):
    """Collins, Sohl-Dickstein and Sussillo (2017), Capacity and trainability in RNNs, arXiv:1611.09913."""
    g = sigmoid(p.g(x, h))
    c = tanh(p.c(x, h))
    return mix(g, c, h)
