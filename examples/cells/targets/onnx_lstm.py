"""A layer of LSTM as an operator of ONNX, run by onnxruntime: one node a layer and direction. It has no gradients.

Source: https://onnx.ai/onnx/operators/onnx__LSTM.html
"""

from functools import lru_cache

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

ARRAYS = ("x", "W", "R", "B", "lengths", "h_0", "c_0", "P")


def target(cell, arrays, **attributes):
    """capabilities and forward of a cell that is claimed as ``file.py:name``.

    arrays(own) makes W (4H, I), R (4H, H), B (8H,) and P (3H,), gates in the order i, o, f, c, of the parameters of
    one layer and direction by kind
    """

    def forward(case):
        config, output, finals = case.config, case.x, []
        T, N, _ = case.x.shape
        lengths = np.full(N, T) if case.lengths is None else case.lengths
        for layer in range(config.num_layers):
            halves = []
            for reverse in range(config.num_directions):
                end = f"_l{layer}" + "_reverse" * reverse
                own = {name.removesuffix(end): array for name, array in case.parameters.items() if name.endswith(end)}
                at = len(finals)
                fed = {"x": output, "lengths": lengths.astype("int32"), "h_0": case.h_0[[at]], "c_0": case.c_0[[at]]}
                fed |= {name: array[None] for name, array in arrays(own).items()}
                half, h_n, c_n = session(config.hidden_size, reverse, **attributes).run(None, fed)
                halves.append(half[:, 0])
                finals.append((h_n[0], c_n[0]))
            output = np.concatenate(halves, -1)
        return output, tuple(map(np.stack, zip(*finals)))

    claims = {"cells": (cell,), "bidirectional": True, "max_layers": None, "lengths": True, "arithmetic": "lenient"}
    return claims, forward


@lru_cache(maxsize=256)
def session(hidden_size, reverse, **attributes):
    """What runs one node; T, N and I stay open."""
    attributes |= {"hidden_size": hidden_size, "direction": "reverse" if reverse else "forward"}
    node = helper.make_node("LSTM", ARRAYS, ["output", "h_n", "c_n"], **attributes)
    types = {name: TensorProto.INT32 if name == "lengths" else TensorProto.FLOAT for name in (*ARRAYS, *node.output)}
    ranks = {"B": 2, "P": 2, "lengths": 1, "output": 4}
    given, made = (
        [helper.make_tensor_value_info(name, types[name], [None] * ranks.get(name, 3)) for name in names]
        for names in (ARRAYS, node.output)
    )
    model = helper.make_model(
        helper.make_graph([node], "layer", given, made), opset_imports=[helper.make_opsetid("", 14)], ir_version=8
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
