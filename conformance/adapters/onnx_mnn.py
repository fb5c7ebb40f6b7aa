"""MNN: ONNX' RNN, GRU and LSTM, converted with constant parameters and run on its CPU backend.

Its converter reads subnormal numbers as zero, unless it is asked not to.
Source: https://mnn-docs.readthedocs.io/en/latest/tools/convert.html
"""

import tempfile
from pathlib import Path

import MNN.expr
import MNN.nn
import numpy as np
from _tools import mnnconvert  # what MNN.tools.mnnconvert calls, whose import installs a package

from conformance.adapters.onnx_model import frozen_forward_of
from conformance.claims.capabilities import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "GRU_RESET_BEFORE", "LSTM"),
    bidirectional=True,
    max_layers=None,
    no_bias=True,
    default_state=True,
    options=("coupled_gates", "clip"),  # it refuses the others, and says that lengths are not supported
    arithmetic="lenient+flush-to-zero",
)
TYPES = {"float32": MNN.expr.float, "int32": MNN.expr.int}


def run(model, inputs):
    """The results of a model, by name."""
    results = [value.name for value in model.graph.output]
    with tempfile.TemporaryDirectory() as folder:
        source, converted = Path(folder, "model.onnx"), Path(folder, "model.mnn")
        source.write_bytes(model.SerializeToString())
        mnnconvert(["mnnconvert", "-f", "ONNX", "--modelFile", str(source), "--MNNModel", str(converted)])
        module = MNN.nn.load_module_from_file(str(converted), list(inputs), results)
    found = module.forward([variable(array) for array in inputs.values()])
    if len(found) < len(results):
        raise RuntimeError(f"the model gave {len(found)} of {len(results)} results")
    return {name: np.array(value.read()) for name, value in zip(results, found)}


def variable(array):
    """A variable with a copy of the numbers."""
    return MNN.expr.const(array.copy(), list(array.shape), MNN.expr.NCHW, TYPES[array.dtype.name])


forward = frozen_forward_of(run)
