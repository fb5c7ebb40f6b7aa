"""onnxruntime: the operators RNN, GRU and LSTM of ONNX on its CPU provider, one node a layer.

Its table of kernels promises float32 to all three of them; the text of ONNX' operators, which it
implements, leaves open what the final state of a row without steps is.
Sources: https://github.com/microsoft/onnxruntime/blob/main/docs/OperatorKernels.md and
https://onnx.ai/onnx/operators/onnx__GRU.html
"""

import onnxruntime

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
    options=("peepholes", "coupled_gates", "clip", "activations"),
    arithmetic="lenient",  # its tanh is accurate in absolute terms only, and nothing promises more
)


def prepare(model):
    """A session of one thread, as a function from inputs to outputs, both by name."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs)))


prepare.capabilities = {"arithmetic": capabilities.arithmetic}  # type: ignore[attr-defined]  # of chains that end here

forward = forward_of(prepare)
