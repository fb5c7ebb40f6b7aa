"""The closed-form continuous-time cell of ncps.

Source: https://arxiv.org/abs/2106.13898, and the defaults of ncps.torch.CfC
"""

from typing import Any

from reference_rnn import matvec, recurrence, sigmoid, tanh

STATE: dict[str, Any] = {"states": {"h": "H"}, "outputs": {"y": "H"}, "heads": False}
HEADS = ("ff1", "ff2", "time_a", "time_b")
WEIGHTS = {"W_x": "UI", "W_h": "UH", "b": "U"}
WEIGHTS |= {f"W_{head}": "HU" for head in HEADS} | {f"b_{head}": "H" for head in HEADS}


@recurrence(inputs={"x": "I", "dt": ""}, **STATE, parameters=WEIGHTS, ranges={"dt": (0.125, 2.0)})
def cfc(x, dt, h, p):
    """A state between two candidates, the more of the second one the more time has gone by."""
    u = 1.7159 * tanh(0.666 * (matvec(p["W_x"], x) + matvec(p["W_h"], h) + p["b"]))
    first, second, a, b = (matvec(p[f"W_{head}"], u) + p[f"b_{head}"] for head in HEADS)
    gate = sigmoid(a * dt[..., None] + b)
    h = tanh(first) * (1 - gate) + gate * tanh(second)
    return h, h
