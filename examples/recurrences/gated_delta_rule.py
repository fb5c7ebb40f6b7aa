"""The gated delta rule: all fades first, then what a key stands for is replaced."""

from reference_rnn import exp, recurrence, vecmat


@recurrence(
    inputs={"q": "K", "k": "K", "v": "V", "g": "", "beta": ""}, states={"S": "KV"}, outputs={"o": "V"},
    ranges={"k": (-0.25, 0.25), "g": (-2, 0), "beta": (0, 1)},
)  # fmt: skip
def gated_delta_rule(q, k, v, g, beta, S):
    """Yang et al. (2024), arXiv:2412.06464; g is the logarithm of their alpha, k has been normalised."""
    S = exp(g)[..., None, None] * S
    S = S + (beta[..., None] * k)[..., None] * (v - vecmat(k, S))[..., None, :]
    return vecmat(q, S), S
