"""A case as an ONNX model: one RNN, GRU or LSTM node a layer, and what is fed to it.

Everything but the configuration is an input of the model, so that a runtime prepares it once for many
cases. Whatever runs ONNX models becomes a target in a few lines: see onnx_runtime.py.
Source: https://onnx.ai/onnx/operators/onnx__GRU.html
"""

from functools import lru_cache

from onnx import TensorProto, checker
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor, make_tensor_value_info

from reference_rnn.layouts import to_onnx

OPSET, IR_VERSION = 17, 8  # old enough for every runtime
ACTIVATIONS = {
    "tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid", "hard_sigmoid": "HardSigmoid", "softsign": "Softsign",
}  # fmt: skip
# In ONNX' order: of the gates, of the candidate, of the cell state.
USUAL = {
    "RNN_TANH": ("tanh",), "RNN_RELU": ("relu",), "GRU": ("sigmoid", "tanh"), "GRU_RESET_BEFORE": ("sigmoid", "tanh"),
    "LSTM": ("sigmoid", "tanh", "tanh"),
}  # fmt: skip
FLOATS = {"float16": TensorProto.FLOAT16, "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}


def forward_of(prepare):
    """The forward of a runtime: ``prepare(model)`` returns a function from inputs to outputs, both by name."""
    session = lru_cache(maxsize=256)(lambda *configuration: prepare(build(*configuration)))

    def forward(case):
        c = case.config
        given = (case.h_0 is not None, case.lengths is not None)
        options = (c.peepholes, c.coupled_gates, c.clip, tuple(c.activations))
        sizes = (c.input_size, c.hidden_size, c.num_layers, c.num_directions)
        run = session(c.cell, *sizes, c.bias, c.dtype, *given, *options)
        results = run(inputs_of(case))
        return results["output"], (results["h_n"], results["c_n"]) if c.cell == "LSTM" else results["h_n"]

    return forward


def inputs_of(case):
    """What the model of a case is fed, by name: x, lengths, and weights and initial states of every layer."""
    c, inputs = case.config, {"x": case.x}
    if case.lengths is not None:
        inputs["lengths"] = case.lengths.astype("int32")
    for layer in range(c.num_layers):
        own = slice(layer * c.num_directions, (layer + 1) * c.num_directions)
        states = {"h": case.h_0, "c": case.c_0}
        arrays = to_onnx(case.parameters, c.cell, layer) | {n: s[own] for n, s in states.items() if s is not None}
        inputs |= {f"{name}{layer}": array for name, array in arrays.items()}
    return inputs


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
    attributes["activations"] = [ACTIVATIONS[name] for name in activations or USUAL[cell]] * D
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
