"""A case as an ONNX model: one RNN, GRU or LSTM node a layer, and what is fed to it.

Everything but the configuration is an input of the model, so that a runtime prepares it once for many
cases. Whatever runs ONNX models becomes a target in a few lines: see onnx_runtime.py. For tools that want constant
parameters and known shapes, as converters do, each case is a model of its own: see onnx_mnn.py.
Source: https://onnx.ai/onnx/operators/onnx__GRU.html
"""

from functools import lru_cache

import numpy as np
from onnx import ModelProto, TensorProto, checker
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor, make_tensor_value_info
from onnx.numpy_helper import from_array

from reference_rnn.layouts import to_onnx

OPSET, IR_VERSION = 17, 8  # old enough for every runtime
ACTIVATIONS = {
    "tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid", "hard_sigmoid": "HardSigmoid", "softsign": "Softsign",
}  # fmt: skip
OTHER = {"RNN_RELU": ("relu",)}  # than the operator has by default
FLOATS = {"float16": TensorProto.FLOAT16, "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}


def forward_of(prepare):
    """The forward of a runtime: ``prepare(model)`` returns a function from inputs to outputs, both by name."""
    session = lru_cache(maxsize=256)(lambda *configuration: prepare(build(*configuration)))

    def forward(case):
        return results_of(case, session(*configuration_of(case))(data_of(case) | parameters_of(case)))

    return forward


def frozen_forward_of(run):
    """The forward of a converter: ``run(model, inputs)`` returns the results of a frozen model, by name."""

    def forward(case):
        model, data = build(*configuration_of(case)), data_of(case)
        return results_of(case, run(frozen(model, parameters_of(case), data), data))

    return forward


def configuration_of(case):
    """What the model of a case is built from."""
    c = case.config
    sizes = (c.input_size, c.hidden_size, c.num_layers, c.num_directions)
    given = (case.h_0 is not None, case.lengths is not None)
    return c.cell, *sizes, c.bias, c.dtype, *given, c.peepholes, c.coupled_gates, c.clip, tuple(c.activations)


def data_of(case):
    """What the model of a case is fed beside the parameters, by name: x, lengths, and the states of every layer."""
    D, data = case.config.num_directions, {"x": case.x}
    if case.lengths is not None:
        data["lengths"] = case.lengths.astype("int32")
    for name, states in (("h", case.h_0), ("c", case.c_0)):
        if states is not None:
            data |= {f"{name}{layer}": states[layer * D : (layer + 1) * D] for layer in range(case.config.num_layers)}
    return data


def parameters_of(case):
    """The parameters that the model of a case is fed, by name: W, R and what else there is of every layer."""
    arrays = [to_onnx(case.parameters, case.config.cell, layer) for layer in range(case.config.num_layers)]
    return {f"{name}{layer}": array for layer, found in enumerate(arrays) for name, array in found.items()}


def results_of(case, results):
    """output and h_n, or output and (h_n, c_n), of results by name."""
    h_n = (results["h_n"], results["c_n"]) if case.config.cell == "LSTM" else results["h_n"]
    return results["output"], h_n


def frozen(model, parameters, data):
    """A copy of a model with the parameters as constants, and with the shapes of the data."""
    own = ModelProto()
    own.CopyFrom(model)
    own.graph.initializer.extend(from_array(np.ascontiguousarray(array), name) for name, array in parameters.items())
    types = {value.name: value.type.tensor_type.elem_type for value in model.graph.input}
    inputs = [make_tensor_value_info(name, types[name], array.shape) for name, array in data.items()]
    own.graph.ClearField("input")
    own.graph.input.extend(inputs)
    return own


def build(
    cell, input_size, H, num_layers, D, bias, dtype, has_state, has_lengths, peepholes, coupled_gates, clip, activations
):
    """The model of a configuration; T and N stay open. It is a valid one, or this raises."""
    lstm, x, nodes, inputs = cell == "LSTM", "x", [], []
    finals = ["h_n", "c_n"] if lstm else ["h_n"]

    def declare(name, shape, type=FLOATS[dtype]):
        inputs.append(make_tensor_value_info(name, type, shape))
        return name

    declare("x", ["T", "N", input_size])
    lengths = declare("lengths", ["N"], TensorProto.INT32) if has_lengths else ""
    operator, attributes, G = operator_of(cell)
    attributes |= {"hidden_size": H, "direction": "bidirectional" if D == 2 else "forward"}
    activations = activations or OTHER.get(cell, ())
    attributes |= {"activations": [ACTIVATIONS[name] for name in activations] * D} if activations else {}
    attributes |= {"clip": clip} if clip else {}
    attributes |= {"input_forget": 1} if coupled_gates else {}
    for i in range(num_layers):
        width = D * H if i else input_size
        weights = [declare(f"W{i}", [D, G * H, width]), declare(f"R{i}", [D, G * H, H])]
        weights.append(declare(f"B{i}", [D, 2 * G * H]) if bias else "")
        states = [declare(f"{name[0]}{i}", [D, "N", H]) if has_state else "" for name in finals]
        states += [declare(f"P{i}", [D, 3 * H])] if peepholes else []
        results = [f"Y{i}", *(f"{name}{i}" for name in finals)]
        nodes.append(make_node(operator, [x, *weights, lengths, *states], results, **attributes))
        # (T, D, N, H) to (T, N, D*H); a 0 keeps the size of an axis
        nodes.append(make_node("Transpose", [f"Y{i}"], [f"rows{i}"], perm=[0, 2, 1, 3]))
        x = "output" if i == num_layers - 1 else f"x{i + 1}"
        nodes.append(make_node("Reshape", [f"rows{i}", "joined"], [x]))
    nodes += [make_node("Concat", [f"{name}{i}" for i in range(num_layers)], [name], axis=0) for name in finals]
    joined = make_tensor("joined", TensorProto.INT64, [3], [0, 0, D * H])
    shapes = {"output": ["T", "N", D * H]} | {name: [num_layers * D, "N", H] for name in finals}
    outputs = [make_tensor_value_info(name, FLOATS[dtype], shape) for name, shape in shapes.items()]
    graph = make_graph(nodes, "case", inputs, outputs, [joined])
    model = make_model(graph, opset_imports=[make_opsetid("", OPSET)], ir_version=IR_VERSION)
    checker.check_model(model, full_check=True)
    return model


def operator_of(cell):
    """Operator, attributes and number of gates of a cell."""
    if cell in ("GRU", "GRU_RESET_BEFORE"):
        return "GRU", {"linear_before_reset": int(cell == "GRU")}, 3
    return ("LSTM", {}, 4) if cell == "LSTM" else ("RNN", {}, 1)
