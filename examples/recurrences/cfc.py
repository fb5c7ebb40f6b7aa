"""The closed-form continuous-time cell: how far it goes from g to n depends on the time that has passed."""

from reference_rnn import matvec, mix, recurrence, sigmoid, tanh


@recurrence(
    inputs={"f": "H", "g": "H", "n": "H", "timespans": ""}, states={"h": "H"}, outputs={"y": "H"},
    parameters={"U_f": "HH", "U_g": "HH", "U_n": "HH"}, heads=False, ranges={"timespans": (0.0625, 4)},
)  # fmt: skip
def cfc(f, g, n, timespans, h, p):
    """Hasani et al. (2021), arXiv:2106.13898: f, g and n are what each network makes of the input."""
    gate = sigmoid(-(f + matvec(p["U_f"], h)) * timespans[..., None])
    g, n = tanh(g + matvec(p["U_g"], h)), tanh(n + matvec(p["U_n"], h))
    h = mix(gate, n, g)  # (1 - gate) n + gate g
    return h, h
