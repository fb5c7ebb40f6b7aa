"""minGRU and minLSTM in the versions whose states are above 0, so that logarithms can be added.

Source: https://arxiv.org/abs/2410.01201, appendix B
"""

from typing import Any

from reference_rnn import matvec, recurrence, relu, sigmoid

OF_UNITS: dict[str, Any] = {
    "inputs": {"x": "D"}, "states": {"h": "D"}, "outputs": {"y": "D"}, "heads": False, "ranges": {"h": (0.125, 2.0)},
}  # fmt: skip


def g(x):
    """x + 0.5 from 0 on, below it sigmoid(x)."""
    return relu(x) + sigmoid(-relu(-x))


@recurrence(**OF_UNITS, parameters={"W_h": "DD", "W_z": "DD"})
def mingru(x, h, p):
    """A gate that reads the input alone."""
    z = sigmoid(matvec(p["W_z"], x))
    h = (1 - z) * h + z * g(matvec(p["W_h"], x))
    return h, h


@recurrence(**OF_UNITS, parameters={"W_h": "DD", "W_f": "DD", "W_i": "DD"})
def minlstm(x, h, p):
    """Two gates that read the input alone, and sum to 1 after they are divided by their sum."""
    f, i = sigmoid(matvec(p["W_f"], x)), sigmoid(matvec(p["W_i"], x))
    h = f / (f + i) * h + i / (f + i) * g(matvec(p["W_h"], x))
    return h, h
