"""The time mixing of RWKV-7 in its first layer, with one head.

Source: https://arxiv.org/abs/2503.14456, and the file rwkv/model.py of the package
"""

from reference_rnn import exp, matvec, maximum, normalised, recurrence, sigmoid, sqrt, tanh, vecdot, vecmat

MIXED = "rwkvag"  # what is made of the input and the one before it
WEIGHTS = dict.fromkeys([f"x_{name}" for name in MIXED], "C") | {
    "w0": "C", "w1": "CW", "w2": "WC", "a0": "C", "a1": "CA", "a2": "AC", "g1": "CG", "g2": "GC", "k_k": "C",
    "k_a": "C", "r_k": "C", "R_": "CC", "K_": "CC", "V_": "CC", "O_": "CC", "ln_w": "C", "ln_b": "C",
}  # fmt: skip


@recurrence(
    inputs={"x": "C"}, states={"x_prev": "C", "S": "CC"}, outputs={"y": "C"}, parameters=WEIGHTS, heads=False
)  # fmt: skip
def rwkv7(x, x_prev, S, p):
    """The delta rule with a decay for each channel, between what is mixed of two inputs and a normalisation."""
    xr, xw, xk, xv, xa, xg = (x + (x_prev - x) * p[f"x_{name}"] for name in MIXED)
    r, k, v = vecmat(xr, p["R_"]), vecmat(xk, p["K_"]), vecmat(xv, p["V_"])
    w = exp(-0.606531 * sigmoid(p["w0"] + vecmat(tanh(vecmat(xw, p["w1"])), p["w2"])))
    a = sigmoid(p["a0"] + vecmat(vecmat(xa, p["a1"]), p["a2"]))
    g = vecmat(sigmoid(vecmat(xg, p["g1"])), p["g2"])
    kk = k * p["k_k"]
    length = sqrt(vecdot(kk, kk))
    kk = kk / maximum(length, 0 * length + 1e-12)[..., None]
    k = k * (1 + (a - 1) * p["k_a"])
    S = S * w[..., None, :] - matvec(S, kk)[..., None] * (kk * a)[..., None, :] + v[..., None] * k[..., None, :]
    y = normalised(matvec(S, r), 64e-5) * p["ln_w"] + p["ln_b"]
    y = y + vecdot(r * k, p["r_k"])[..., None] * v
    return vecmat(y * g, p["O_"]), x, S
