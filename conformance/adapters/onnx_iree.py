"""IREE: ONNX' RNN, GRU and LSTM in one direction, compiled for this CPU; of two directions it takes LSTM alone.

A module is compiled for each configuration and number of steps and rows, which takes about a second.
Source: https://iree.dev/guides/ml-frameworks/onnx/
"""

from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from iree import compiler, runtime
from iree.compiler.tools.import_onnx.__main__ import main, parse_arguments

from conformance.adapters.onnx_model import build, configuration_of, data_of, frozen, parameters_of, results_of
from conformance.claims.capabilities import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "GRU_RESET_BEFORE", "LSTM"),
    max_layers=None,
    no_bias=True,
    default_state=True,
    lengths=True,
    options=("peepholes",),  # it refuses input_forget, and clip of GRU and LSTM
    arithmetic="lenient",
)
TARGET = {"target_backends": ["llvm-cpu"], "extra_args": ["--iree-llvmcpu-target-cpu=host"]}


def forward(case):
    """output and h_n, or output and (h_n, c_n), of one case."""
    inputs = data_of(case) | parameters_of(case)
    shapes = tuple((name, array.shape) for name, array in inputs.items())
    names, module = compiled(configuration_of(case), shapes)
    found = module.case(*map(np.ascontiguousarray, inputs.values()))
    return results_of(case, {name: result.to_host().copy() for name, result in zip(names, found)})


@lru_cache(maxsize=256)
def compiled(configuration, shapes):
    """The names of the results of a model with inputs of these shapes, and the module that gives them."""
    model = frozen(build(*configuration), {}, {name: np.empty(shape) for name, shape in shapes})
    with TemporaryDirectory() as folder:
        source, imported = Path(folder, "model.onnx"), Path(folder, "model.mlir")
        source.write_bytes(model.SerializeToString())
        main(parse_arguments([str(source), "-o", str(imported)]))
        code = compiler.compile_file(str(imported), input_type="onnx", **TARGET)
    return [value.name for value in model.graph.output], runtime.load_vm_flatbuffer(code, driver="local-sync")
