"""OpenVINO: the operators RNN, GRU and LSTM of ONNX on its CPU plugin, one node a layer.

Other activations than relu, sigmoid and tanh are refused, as documented, so they are not claimed.
Computed in float32, which is asked for below: the plugin may otherwise choose a narrower format.
Source: https://docs.openvino.ai/2025/openvino-workflow/running-inference/inference-devices-and-modes/cpu-device.html
"""

import openvino

from conformance.adapters.onnx_model import forward_of
from conformance.claims.capabilities import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "GRU_RESET_BEFORE", "LSTM"),
    bidirectional=True,
    max_layers=None,
    no_bias=True,
    default_state=True,
    lengths=True,
    nonfinite=True,
    options=("clip",),
    recompiles=True,
)

core = openvino.Core()
OPTIONS = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}


def prepare(model):
    """A compiled model as a function from inputs to outputs, both by name."""
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", OPTIONS)
    names = [output.get_any_name() for output in compiled.outputs]
    return lambda inputs: dict(zip(names, compiled(inputs, share_outputs=False).to_tuple()))


forward = forward_of(prepare)
