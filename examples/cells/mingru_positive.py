"""The minimal GRU with a candidate above zero, whose parallel form adds up logarithms."""

from reference_rnn import cell, mix, relu, sigmoid


@cell("zh")
def mingru_positive(x, h, p):
    """Feng et al. (2024), Were RNNs all we needed?, arXiv:2410.01201, appendix B: g(n) is n + 0.5, or sigmoid(n)."""
    z = sigmoid(p.z.input(x))
    n = p.h.input(x)
    return mix(z, h, relu(n) + sigmoid(-relu(-n)))
