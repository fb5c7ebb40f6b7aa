"""The delta rule: what a key stands for is replaced, and not added to.

The matrix is written out as in the paper: with such numbers the bounds of a product with it hold for the usual
S + beta k (v - k^T S)^T, too. Those of the latter, which rounds S only once, would not hold for the matrix.
"""

import numpy as np

from reference_rnn import recurrence, vecmat


@recurrence(
    inputs={"q": "K", "k": "K", "v": "V", "beta": ""}, states={"S": "KV"}, outputs={"o": "V"},
    ranges={"k": (-0.25, 0.25), "beta": (0, 1)},
)  # fmt: skip
def delta_rule(q, k, v, beta, S):
    """Yang et al. (2024), arXiv:2406.06484, section 2.2, by (I - beta k k^T); k has been normalised."""
    written = beta[..., None] * k
    kept = np.eye(k.shape[-1]) - written[..., None] * k[..., None, :]
    S = vecmat(kept, S[..., None, :, :]) + written[..., None] * v[..., None, :]
    return vecmat(q, S), S
