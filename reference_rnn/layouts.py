"""Parameters in the layouts of other libraries; each function has its inverse.

All of them start from and return to PyTorch's: a dict of ``weight_ih_l0`` (H, I), ``weight_hh_l0`` (H, H),
``bias_ih_l0`` (H,), ``bias_hh_l0`` (H,), and so on for layers and directions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .case import suffix

Parameters = dict[str, np.ndarray]
KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def to_keras(parameters: Parameters, layer: int = 0, direction: int = 0) -> list[np.ndarray]:
    """[kernel (I, H), recurrent_kernel (H, H), bias (H,)] of one layer and direction, as ``set_weights`` takes them.

    Keras has one bias: the two are added up. Without biases the list has two arrays.
    Source: https://keras.io/api/layers/recurrent_layers/simple_rnn/
    """
    W_ih, W_hh, b_ih, b_hh = (parameters.get(kind + suffix(layer, direction)) for kind in KINDS)
    assert W_ih is not None and W_hh is not None
    weights = [W_ih.T, W_hh.T]
    return weights if b_ih is None or b_hh is None else [*weights, b_ih + b_hh]


def from_keras(weights: list[np.ndarray], layer: int = 0, direction: int = 0) -> Parameters:
    """PyTorch's parameters of one layer and direction; the bias becomes bias_ih, and bias_hh is zero."""
    kernel, recurrent_kernel, *bias = weights
    end = suffix(layer, direction)
    parameters = {"weight_ih" + end: kernel.T, "weight_hh" + end: recurrent_kernel.T}
    for b in bias:
        parameters |= {"bias_ih" + end: b, "bias_hh" + end: np.zeros_like(b)}
    return parameters


def to_onnx(parameters: Parameters, layer: int = 0) -> dict[str, np.ndarray]:
    """W (D, H, I), R (D, H, H) and B (D, 2H) of one layer, as the inputs of an ONNX RNN node.

    B holds the input bias and then the recurrent one; without biases it is left out.
    Source: https://onnx.ai/onnx/operators/onnx__RNN.html
    """
    ends = [suffix(layer, d) for d in (0, 1) if "weight_ih" + suffix(layer, d) in parameters]
    node = {
        "W": np.stack([parameters["weight_ih" + end] for end in ends]),
        "R": np.stack([parameters["weight_hh" + end] for end in ends]),
    }
    if "bias_ih" + ends[0] in parameters:
        both = [[parameters["bias_ih" + end], parameters["bias_hh" + end]] for end in ends]
        node["B"] = np.stack([np.concatenate(biases) for biases in both])
    return node


def from_onnx(node: dict[str, Any], layer: int = 0) -> Parameters:
    """PyTorch's parameters of one layer from the inputs of an ONNX RNN node."""
    parameters = {}
    for d in range(len(node["W"])):
        end = suffix(layer, d)
        parameters["weight_ih" + end], parameters["weight_hh" + end] = node["W"][d], node["R"][d]
        if "B" in node:
            parameters["bias_ih" + end], parameters["bias_hh" + end] = np.split(node["B"][d], 2)
    return parameters
