"""tract: ONNX' RNN, GRU and LSTM in Rust. A model is prepared for the shapes that it is fed.

Source: https://sonos.github.io/tract/dev/
"""

import tempfile
from functools import lru_cache
from pathlib import Path

import tract

from conformance.adapters.onnx_model import forward_of
from conformance.claims.capabilities import Capabilities

capabilities = Capabilities(
    cells=("RNN_TANH", "RNN_RELU", "GRU", "GRU_RESET_BEFORE", "LSTM"),
    bidirectional=True,
    max_layers=None,
    no_bias=True,
    default_state=True,
    nonfinite=True,
    options=("peepholes", "coupled_gates", "clip"),
    arithmetic="lenient",  # its tanh and sigmoid are rational functions
)
TYPES = {"float32": "f32", "int32": "i32"}


def prepare(model):
    """A model as a function from inputs to outputs, both by name."""
    names = [output.name for output in model.graph.output]
    places = [value.name for value in model.graph.input]

    @lru_cache(maxsize=256)
    def runnable(*facts):
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, "model.onnx")
            file.write_bytes(model.SerializeToString())
            inferred = tract.onnx().load(file)
        for place, fact in enumerate(facts):
            inferred.set_input_fact(place, fact)
        return inferred.into_model().into_runnable()

    def run(inputs):
        arrays = [inputs[name].copy() for name in places]
        facts = [",".join([*map(str, array.shape), TYPES[array.dtype.name]]) for array in arrays]
        return {name: result.to_numpy() for name, result in zip(names, runnable(*facts).run(arrays))}

    return run


forward = forward_of(prepare)
