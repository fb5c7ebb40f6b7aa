"""The minimal GRU with a candidate above zero, which parallel forms compute in logarithms."""

from reference_rnn import maximum, recurrence, sigmoid


@recurrence(
    inputs={"k": "H", "n": "H"}, states={"h": "H"}, outputs={"y": "H"}, heads=False,
    ranges={"k": (-4, 4), "n": (-4, 4), "h": (0, 2)},
)  # fmt: skip
def mingru(k, n, h):
    """Feng et al. (2024), Were RNNs all we needed?, arXiv:2410.01201, appendix B: g(n) is n + 0.5 or sigmoid(n)."""
    h = sigmoid(-k) * h + sigmoid(k) * maximum(n + 0.5, sigmoid(n))
    return h, h
