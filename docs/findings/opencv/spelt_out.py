"""The shipped target, with LSTMs of two directions whose models name the activations that are the default."""

from dataclasses import replace

from onnx.helper import make_attribute

from conformance.adapters import onnx_opencv
from conformance.adapters.onnx_model import frozen_forward_of


def run(model, inputs):
    """The results of a model, by name."""
    for node in model.graph.node:
        if node.op_type == "LSTM":
            node.attribute.append(make_attribute("activations", ["Sigmoid", "Tanh", "Tanh"] * 2))
    return onnx_opencv.run(model, inputs)


capabilities = replace(onnx_opencv.capabilities, cells=("LSTM",), bidirectional="only")
forward = frozen_forward_of(run)
