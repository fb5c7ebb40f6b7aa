"""The selective scan of Mamba: how long a step is, what is written and what is read depend on the input."""

from reference_rnn import exp, matvec, recurrence


@recurrence(
    inputs={"x": "D", "dt": "D", "B": "S", "C": "S"}, states={"h": "DS"}, outputs={"y": "D"},
    parameters={"A": "DS", "skip": "D"}, heads=False, ranges={"dt": (0.0625, 1), "A": (-4, -0.25)},
)  # fmt: skip
def selective_scan(x, dt, B, C, h, p):
    """Gu and Dao (2023), Mamba, arXiv:2312.00752, dt behind its softplus; dt B x is written, as in their code."""
    h = exp(dt[..., None] * p["A"]) * h + (dt * x)[..., None] * B[..., None, :]
    return matvec(h, C) + p["skip"] * x, h
