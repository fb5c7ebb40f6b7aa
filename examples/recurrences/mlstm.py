"""The matrix LSTM of xLSTM: exponential gates, held in range by m, and a normaliser n. C and n are times exp(-m)."""

from reference_rnn import absolute, exp, maximum, recurrence, softplus, vecdot, vecmat


@recurrence(
    inputs={"q": "K", "k": "K", "v": "V", "i": "", "f": ""}, states={"C": "KV", "n": "K", "m": ""},
    outputs={"h": "V"}, ranges={"i": (-4, 4), "f": (-4, 4)},
)  # fmt: skip
def mlstm(q, k, v, i, f, C, n, m):
    """Beck et al. (2024), arXiv:2405.04517, section 2.3 and appendix A; f behind a sigmoid, k divided by its root."""
    kept = m - softplus(-f)
    m = maximum(kept, i)
    forget, write = exp(kept - m), exp(i - m)
    C = forget[..., None, None] * C + (write[..., None] * k)[..., None] * v[..., None, :]
    n = forget[..., None] * n + write[..., None] * k
    h = vecmat(q, C) / maximum(absolute(vecdot(q, n)), exp(-m))[..., None]
    return h, C, n, m
