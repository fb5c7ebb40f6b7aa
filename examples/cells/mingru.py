"""The minimal GRU: neither gate nor candidate reads the state."""

from reference_rnn import cell, mix, sigmoid


@cell("zh")
def mingru(x, h, p):
    """Feng et al. (2024), Were RNNs all we needed?, arXiv:2410.01201, section 3.1, step by step."""
    z = sigmoid(p.z.input(x))
    n = p.h.input(x)
    return mix(z, h, n)
