"""The operator LSTM of ONNX with peepholes, in onnxruntime."""

import numpy as np
from onnx_lstm import target


def arrays(own):
    """The inputs of a node: W, R, B and P."""
    W, R, b, q = (iofc(own[kind]) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    return {"W": W, "R": R, "B": np.concatenate([b, q]), "P": np.concatenate([own["w_ci"], own["w_co"], own["w_cf"]])}


def iofc(array):
    """The gates i, f, g, o in ONNX' order."""
    i, f, g, o = np.split(array, 4)
    return np.concatenate([i, o, f, g])


capabilities, forward = target("../lstm_peephole.py:lstm_peephole", arrays)
