"""The minimal LSTM: its gates read no state, and add up to one."""

from reference_rnn import cell, sigmoid


@cell("fih")
def minlstm(x, h, p):
    """Feng et al. (2024), Were RNNs all we needed?, arXiv:2410.01201, section 3.2, step by step."""
    f = sigmoid(p.f.input(x))
    i = sigmoid(p.i.input(x))
    n = p.h.input(x)
    return f / (f + i) * h + i / (f + i) * n
