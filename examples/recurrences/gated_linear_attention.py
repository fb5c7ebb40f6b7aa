"""Gated linear attention: a matrix that forgets by rows."""

from reference_rnn import exp, recurrence, vecmat


@recurrence(
    inputs={"q": "K", "k": "K", "v": "V", "g": "K"}, states={"S": "KV"}, outputs={"o": "V"}, ranges={"g": (-2, 0)}
)
def gated_linear_attention(q, k, v, g, S):
    """Yang et al. (2023), arXiv:2312.06635, section 4.1; g is the logarithm of the gate."""
    S = exp(g)[..., None] * S + k[..., None] * v[..., None, :]
    return vecmat(q, S), S
