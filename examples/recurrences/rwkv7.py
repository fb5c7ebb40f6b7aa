"""RWKV-7, Goose: a delta rule whose removal key, removal rate and written key are three."""

from reference_rnn import exp, recurrence, vecmat


@recurrence(
    inputs={"r": "K", "w": "K", "k": "K", "v": "V", "kappa": "K", "a": "K"}, states={"S": "KV"}, outputs={"o": "V"},
    ranges={"w": (-0.6, 0), "kappa": (-0.25, 0.25), "a": (0, 1)},
)  # fmt: skip
def rwkv7(r, w, k, v, kappa, a, S):
    """Peng et al. (2025), arXiv:2503.14456; w is the logarithm of the decay, kappa has been normalised."""
    removed = (a * kappa)[..., None] * vecmat(kappa, S)[..., None, :]
    S = exp(w)[..., None] * S - removed + k[..., None] * v[..., None, :]
    return vecmat(r, S), S
