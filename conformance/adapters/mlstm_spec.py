"""The mLSTM of the xLSTM, with the maximum that keeps its exponential gates from overflowing.

Source: https://arxiv.org/abs/2405.04517
"""

from reference_rnn import exp, maximum, recurrence, softplus, vecdot, vecmat

EPSILON = 1e-6  # that the kernels add to the denominator


@recurrence(
    inputs={"q": "K", "k": "K", "v": "V", "i": "", "f": ""},
    states={"C": "KV", "n": "K", "m": ""},
    outputs={"h": "V"},
    ranges={"i": (-4.0, 4.0), "f": (-2.0, 6.0)},
)
def mlstm(q, k, v, i, f, C, n, m):
    """The gates i and f before their activations; the states are those of the paper divided by exp(m)."""
    kept = m - softplus(-f)
    m = maximum(kept, i)
    old, new = exp(kept - m), exp(i - m)
    C = old[..., None, None] * C + (new[..., None] * k)[..., None] * v[..., None, :]
    n = old[..., None] * n + new[..., None] * k
    q = q * q.shape[-1] ** -0.5
    found = vecdot(q, n)
    return vecmat(q, C) / (maximum(maximum(found, -found), exp(-m)) + EPSILON)[..., None], C, n, m
