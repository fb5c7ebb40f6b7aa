"""The block of Mamba, with four taps of its convolution and as many inner channels as outer ones.

Source: https://arxiv.org/abs/2312.00752, algorithm 2 and figure 3
"""

from reference_rnn import exp, matvec, recurrence, silu, softplus, vecdot

PAST = ("x1", "x2", "x3")  # the inputs of the convolution, the last one first
WEIGHTS = {
    "W_x": "DD", "W_z": "DD", "w0": "D", "w1": "D", "w2": "D", "w3": "D", "b_conv": "D", "W_r": "RD", "W_B": "SD",
    "W_C": "SD", "W_dt": "DR", "b_dt": "D", "A_log": "DS", "D": "D", "W_out": "DD",
}  # fmt: skip


@recurrence(
    inputs={"u": "D"},
    states={"h": "DS"} | dict.fromkeys(PAST, "D"),
    outputs={"y": "D"},
    parameters=WEIGHTS,
    heads=False,
)
def mamba(u, h, x1, x2, x3, p):
    """A state of S numbers for each channel, whose decay, input and output are read from the input."""
    x, z = matvec(p["W_x"], u), matvec(p["W_z"], u)
    taps = p["w0"] * x + p["w1"] * x1 + p["w2"] * x2 + p["w3"] * x3
    c = silu(taps + p["b_conv"])
    dt = softplus(matvec(p["W_dt"], matvec(p["W_r"], c)) + p["b_dt"])
    B, C = matvec(p["W_B"], c), matvec(p["W_C"], c)
    h = exp(-dt[..., None] * exp(p["A_log"])) * h + (dt * c)[..., None] * B[..., None, :]
    y = vecdot(h, C[..., None, :]) + p["D"] * c
    return matvec(p["W_out"], y * silu(z)), h, x, x1, x2
