"""The minimal LSTM, its gates normalised in logarithms: log f is -softplus(i - f), of log-sigmoids."""

from reference_rnn import exp, maximum, recurrence, sigmoid, softplus


@recurrence(
    inputs={"f": "H", "i": "H", "n": "H"}, states={"h": "H"}, outputs={"y": "H"}, heads=False,
    ranges={"f": (-4, 4), "i": (-4, 4), "n": (-4, 4), "h": (0, 2)},
)  # fmt: skip
def minlstm(f, i, n, h):
    """Feng et al. (2024), Were RNNs all we needed?, arXiv:2410.01201, appendix B: f / (f + i) and i / (f + i)."""
    apart = softplus(-f) - softplus(-i)
    h = exp(-softplus(apart)) * h + exp(-softplus(-apart)) * maximum(n + 0.5, sigmoid(n))
    return h, h
