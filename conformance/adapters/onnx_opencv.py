"""OpenCV's module dnn: ONNX' GRU and LSTM, imported with constant parameters and run on the CPU. RNN it refuses.

Source: https://docs.opencv.org/5.x/d6/d0f/group__dnn.html
"""

import re

import cv2
import numpy as np

from conformance.adapters.onnx_model import frozen_forward_of
from conformance.claims.capabilities import Capabilities

capabilities = Capabilities(
    cells=("GRU", "GRU_RESET_BEFORE", "LSTM"),
    bidirectional=True,
    max_layers=None,
    no_bias=True,
    default_state=True,
    lengths=True,
    options=("peepholes", "coupled_gates", "clip"),  # other activations are refused
    arithmetic="lenient",
)


def run(model, inputs):
    """The results of a model, by name."""
    names = [value.name for value in model.graph.output]
    try:
        net = cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), "uint8"))
        for name, array in inputs.items():
            net.setInput(array.copy(), name)
        return dict(zip(names, net.forward(names)))
    except cv2.error as error:  # its text has the folders of the machine that built it
        raise RuntimeError(re.sub(r"\S*/(?=modules/)", "", str(error)).strip()) from None


forward = frozen_forward_of(run)
