"""The operator LSTM of ONNX with coupled gates, in onnxruntime; the parameters of a forget gate are never read."""

import numpy as np
from onnx_lstm import target


def arrays(own):
    """The inputs of a node: W, R, B and P."""
    W, R, b, q = (iofc(own[kind]) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    return {"W": W, "R": R, "B": np.concatenate([b, q]), "P": np.zeros(3 * R.shape[1], R.dtype)}


def iofc(array):
    """The gates i, g, o in ONNX' order, with ones for f."""
    i, g, o = np.split(array, 3)
    return np.concatenate([i, o, np.ones_like(i), g])


capabilities, forward = target("../lstm_coupled.py:lstm_coupled", arrays, input_forget=1)
