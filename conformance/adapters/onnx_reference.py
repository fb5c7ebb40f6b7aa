"""onnx.reference.ReferenceEvaluator: the operators RNN, GRU and LSTM of ONNX, as ONNX itself runs them.

Source: https://onnx.ai/onnx/api/reference.html
"""

from onnx.reference import ReferenceEvaluator

from conformance.adapters.onnx_model import forward_of
from conformance.claims.capabilities import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "GRU_RESET_BEFORE", "LSTM"),
    dtypes=("float32", "float64"),
    bidirectional=True,
    max_layers=None,
    no_bias=True,
    default_state=True,
    lengths=True,
    nonfinite=True,
    options=("peepholes", "coupled_gates", "clip", "activations"),
)


def prepare(model):
    """An evaluator as a function from inputs to outputs, both by name."""
    evaluator = ReferenceEvaluator(model)
    return lambda inputs: dict(zip(evaluator.output_names, evaluator.run(None, inputs)))


forward = forward_of(prepare)
