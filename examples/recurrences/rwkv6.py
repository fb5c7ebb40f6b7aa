"""RWKV-6, Finch: a decay for each step and row, and the present counts by u. The letter H stands for heads."""

from reference_rnn import exp, recurrence, vecmat


@recurrence(
    inputs={"r": "HK", "k": "HK", "v": "HV", "w": "HK"}, states={"S": "HKV"}, outputs={"o": "HV"},
    parameters={"u": "HK"}, heads=False, ranges={"w": (-4, 1)},
)  # fmt: skip
def rwkv6(r, k, v, w, S, p):
    """Peng et al. (2024), Eagle and Finch, arXiv:2404.05892; rows decay by exp(-exp(w))."""
    now = k[..., None] * v[..., None, :]
    return vecmat(r, S + p["u"][..., None] * now), exp(-exp(w))[..., None] * S + now
