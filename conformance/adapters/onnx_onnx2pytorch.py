"""onnx2pytorch: ONNX' RNN, GRU and LSTM, converted to modules of PyTorch with constant parameters and lengths.

"Operators and attributes that cannot be expressed in PyTorch raise rather than returning a wrong tensor": it refuses
peepholes, clip, input_forget, and activations of GRU and LSTM.
Source: https://github.com/Talmaj/onnx2pytorch
"""

import torch
from onnx.numpy_helper import from_array
from onnx2pytorch import ConvertModel

from conformance.adapters.onnx_model import frozen_forward_of
from conformance.claims.capabilities import Capabilities

torch.set_num_threads(1)

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "GRU_RESET_BEFORE", "LSTM"),
    dtypes=("float32", "float64"),
    bidirectional=True,
    max_layers=None,
    no_bias=True,
    default_state=True,
    lengths=True,
    nonfinite=True,
)


@torch.no_grad()
def run(model, inputs):
    """The results of a model, by name."""
    names = [value.name for value in model.graph.output]
    data = [torch.tensor(array.copy()) for name, array in inputs.items() if name != "lengths"]
    found = ConvertModel(with_constant_lengths(model, inputs), experimental=True).eval()(*data)
    return {name: result.numpy() for name, result in zip(names, found)}


def with_constant_lengths(model, inputs):
    """The model with lengths as a constant, where it has them."""
    if "lengths" in inputs:
        own = [value for value in model.graph.input if value.name != "lengths"]
        model.graph.ClearField("input")
        model.graph.input.extend(own)
        model.graph.initializer.append(from_array(inputs["lengths"], "lengths"))
    return model


forward = frozen_forward_of(run)
