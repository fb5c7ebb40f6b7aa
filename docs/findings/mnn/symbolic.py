"""The shipped target, with models whose number of steps is left open when they are converted."""

from conformance.adapters import onnx_mnn
from conformance.adapters.onnx_model import frozen_forward_of


def run(model, inputs):
    """The results of a model, by name."""
    x = next(value for value in model.graph.input if value.name == "x")
    x.type.tensor_type.shape.dim[0].dim_param = "T"
    return onnx_mnn.run(model, inputs)


capabilities = onnx_mnn.capabilities
forward = frozen_forward_of(run)
