"""Retention: each head forgets at a rate of its own. A letter stands for the heads, since parameters have them too."""

from reference_rnn import recurrence, vecmat


@recurrence(
    inputs={"q": "HK", "k": "HK", "v": "HV"}, states={"S": "HKV"}, outputs={"o": "HV"}, parameters={"gamma": "H"},
    heads=False, ranges={"gamma": (0.5, 1)},
)  # fmt: skip
def retention(q, k, v, S, p):
    """Sun et al. (2023), Retentive Network, arXiv:2307.08621, section 2.1; q and k are rotated already."""
    S = p["gamma"][:, None, None] * S + k[..., None] * v[..., None, :]
    return vecmat(q, S), S
