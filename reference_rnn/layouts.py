"""Parameters in the layouts of other libraries; each function has its inverse.

All of them start from and return to PyTorch's: a dict of ``weight_ih_l0`` (G*H, I), ``weight_hh_l0`` (G*H, H),
``bias_ih_l0`` (G*H,), ``bias_hh_l0`` (G*H,), and so on for layers and directions, with gates packed in the order
r, z, n (GRU) and i, f, g, o (LSTM). What differs: the order of the gates, transposition, one bias or two, and
whether z keeps the state or lets it go. Where a layout has one bias, the two are added up on the way there, and
bias_hh is zero on the way back.

This file needs NumPy and Python 3.8, and nothing of ours: it goes with a target into any interpreter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    Parameters = dict[str, np.ndarray]
# Written out, since a script of ``reproduce`` holds what an adapter uses of this module, and no cells.
GATES = {"RNN_TANH": "h", "RNN_RELU": "h", "GRU": "rzn", "GRU_RESET_BEFORE": "rzn", "LSTM": "ifgo"}
KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
KERAS = {"RNN_TANH": "h", "RNN_RELU": "h", "GRU": "zrn", "GRU_RESET_BEFORE": "zrn", "LSTM": "ifgo"}
PEEPHOLES, ONNX_PEEPHOLES = "ifo", "iof"
ONNX = {"RNN_TANH": "h", "RNN_RELU": "h", "GRU": "zrn", "GRU_RESET_BEFORE": "zrn", "LSTM": "iofg"}
BLOCK_LSTM = "igfo"


def suffix(layer: int, direction: int) -> str:
    """The ending of a parameter's name: ``_l0``, ``_l0_reverse`` and so on."""
    return f"_l{layer}" + ("_reverse" if direction else "")


def to_keras(parameters: Parameters, cell: str = "RNN_TANH", layer: int = 0, direction: int = 0) -> list[np.ndarray]:
    """[kernel (I, G*H), recurrent_kernel (H, G*H), bias] of one layer and direction, as ``set_weights`` takes them.

    Gates are packed z, r, n and i, f, g, o. The bias is (G*H,); for GRU, which is Keras' ``reset_after=True``, it is
    (2, 3H); GRU_RESET_BEFORE is ``reset_after=False``. Without biases the list has two arrays.
    Source: https://keras.io/api/layers/recurrent_layers/gru/
    """
    W_ih, W_hh, b_ih, b_hh = packed(parameters, layer, direction, GATES[cell], KERAS[cell])
    weights = [W_ih.T, W_hh.T]
    if b_ih is None:
        return weights
    return [*weights, np.stack([b_ih, b_hh]) if cell == "GRU" else b_ih + b_hh]


def from_keras(weights: list[np.ndarray], cell: str = "RNN_TANH", layer: int = 0, direction: int = 0) -> Parameters:
    """PyTorch's parameters of one layer and direction from Keras' weights: ``weight_ih_l0`` (G*H, I) and the others.

    weights  [kernel (I, G*H), recurrent_kernel (H, G*H)] and, with biases, bias: (G*H,), or (2, 3H) for GRU. A single
             bias comes back as bias_ih; bias_hh is zero then.

    Raises KeyError for a cell that Keras has not, ValueError where the gates do not divide an array.
    Source: https://keras.io/api/layers/recurrent_layers/gru/

    >>> parameters = {"weight_ih_l0": np.eye(3, 2), "weight_hh_l0": np.ones((3, 1))}
    >>> back = from_keras(to_keras(parameters, "GRU"), "GRU")
    >>> all((back[name] == array).all() for name, array in parameters.items())
    True
    """
    kernel, recurrent_kernel, *bias = weights
    biases = [both for b in bias for both in (b if cell == "GRU" else (b, np.zeros_like(b)))]
    return named([kernel.T, recurrent_kernel.T, *biases], layer, direction, KERAS[cell], GATES[cell])


def to_onnx(parameters: Parameters, cell: str = "RNN_TANH", layer: int = 0) -> dict[str, np.ndarray]:
    """W (D, G*H, I), R (D, G*H, H) and B (D, 2*G*H) of one layer, as the inputs of an ONNX RNN, GRU or LSTM node.

    Gates are packed z, r, h and i, o, f, c. B holds the input biases and then the recurrent ones; without biases it
    is left out. Where there are peepholes, P (D, 3*H) holds those of i, o and f. GRU is ``linear_before_reset=1``,
    GRU_RESET_BEFORE is 0.
    Source: https://onnx.ai/onnx/operators/onnx__LSTM.html
    """
    directions = [d for d in (0, 1) if "weight_ih" + suffix(layer, d) in parameters]
    W, R, *biases = zip(*(packed(parameters, layer, d, GATES[cell], ONNX[cell]) for d in directions))
    node = {"W": np.stack(W), "R": np.stack(R)}
    if biases[0][0] is not None:
        node["B"] = np.concatenate([np.stack(b) for b in biases], axis=1)
    peepholes = [parameters["weight_ch" + suffix(layer, d)] for d in directions if f"weight_ch_l{layer}" in parameters]
    if peepholes:
        node["P"] = np.stack([reordered(weight, PEEPHOLES, ONNX_PEEPHOLES) for weight in peepholes])
    return node


def from_onnx(node: dict[str, Any], cell: str = "RNN_TANH", layer: int = 0) -> Parameters:
    """PyTorch's parameters of one layer, in each of its directions, from the inputs of an ONNX node.

    node  W (D, G*H, I), R (D, G*H, H) and, where they are there, B (D, 2*G*H) and P (D, 3*H): the shapes of
          ``to_onnx``. They become weight_ih (G*H, I), weight_hh (G*H, H), bias_ih and bias_hh (G*H,), weight_ch (3*H,).

    Raises KeyError for a cell that ONNX has not, ValueError where the gates do not divide an array.
    Source: https://onnx.ai/onnx/operators/onnx__LSTM.html
    """
    parameters: Parameters = {}
    for d in range(len(node["W"])):
        biases = np.split(node["B"][d], 2) if "B" in node else []
        parameters.update(named([node["W"][d], node["R"][d], *biases], layer, d, ONNX[cell], GATES[cell]))
        if "P" in node:
            parameters["weight_ch" + suffix(layer, d)] = reordered(node["P"][d], ONNX_PEEPHOLES, PEEPHOLES)
    return parameters


def to_block_lstm(
    parameters: Parameters, layer: int = 0, direction: int = 0, forget_bias: float = 1.0
) -> dict[str, np.ndarray]:
    """w (I+H, 4H) and b (4H,) of one layer and direction of an LSTM, as TensorFlow's BlockLSTM takes them.

    Gates are packed i, g, f, o; the operation adds ``forget_bias`` itself, so it is taken off here.
    Source: https://www.tensorflow.org/api_docs/python/tf/raw_ops/BlockLSTM
    """
    W_ih, W_hh, b_ih, b_hh = packed(parameters, layer, direction, GATES["LSTM"], BLOCK_LSTM)
    b = np.zeros(len(W_ih), W_ih.dtype) if b_ih is None else b_ih + b_hh
    return {"w": np.concatenate([W_ih, W_hh], axis=1).T, "b": b - forget_bias * forget_rows(b)}


def from_block_lstm(
    block: dict[str, np.ndarray], layer: int = 0, direction: int = 0, forget_bias: float = 1.0
) -> Parameters:
    """PyTorch's parameters of one layer and direction from w (I+H, 4H) and b (4H,) of a BlockLSTM.

    The bias comes back as bias_ih (4H,), with ``forget_bias`` in it, which the operation adds itself; bias_hh is zero.
    Source: https://www.tensorflow.org/api_docs/python/tf/raw_ops/BlockLSTM
    """
    w, b = block["w"], block["b"] + forget_bias * forget_rows(block["b"])
    H = w.shape[1] // 4
    return named([w[:-H].T, w[-H:].T, b, np.zeros_like(b)], layer, direction, BLOCK_LSTM, GATES["LSTM"])


def forget_rows(b: np.ndarray) -> np.ndarray:
    """(4H,) 1 where a bias of a BlockLSTM is that of the forget gate."""
    return np.repeat([gate == "f" for gate in BLOCK_LSTM], len(b) // 4).astype(b.dtype)


def to_flax(parameters: Parameters, cell: str = "LSTM", layer: int = 0, direction: int = 0) -> dict[str, Any]:
    """The params of flax.linen's SimpleCell, GRUCell or LSTMCell: one dense layer for each gate, named by it.

    Kernels are (I, H) and (H, H). An LSTM has its biases on the recurrent side, SimpleCell on that of the input;
    GRUCell (reset after) has b_hn beside those of the input. Without biases, those of a cell that has them are zero.
    Source: https://flax.readthedocs.io/en/latest/api_reference/flax.linen/layers.html
    """
    gates = GATES[cell]
    W_ih, W_hh, b_ih, b_hh = packed(parameters, layer, direction, gates, gates)
    zero = np.zeros(len(W_ih), W_ih.dtype)
    b_ih, b_hh = (zero, zero) if b_ih is None else (b_ih, b_hh)
    found: dict[str, Any] = {}
    for gate, W, R, b, c in zip(gates, *(np.split(array, len(gates)) for array in (W_ih, W_hh, b_ih, b_hh))):
        name = "" if gates == "h" else gate
        found.update({"i" + name: {"kernel": W.T}, "h" + name: {"kernel": R.T}})
        if gate == "n":
            found["in"]["bias"], found["hn"]["bias"] = b, c
        else:
            found[("h" if cell == "LSTM" else "i") + name]["bias"] = b + c
    return found


def from_flax(params: dict[str, Any], cell: str = "LSTM", layer: int = 0, direction: int = 0) -> Parameters:
    """PyTorch's parameters of one layer and direction from the params of a cell of flax.linen.

    params  kernels (I, H) and (H, H) and biases (H,) by gate, as ``to_flax`` names them: ``ii``, ``hi`` and so on. A
            bias that a gate has not is zero here.

    Raises KeyError where a gate has no kernel.
    Source: https://flax.readthedocs.io/en/latest/api_reference/flax.linen/layers.html
    """
    gates = ["" if gate == "h" else gate for gate in GATES[cell]]
    W_ih, W_hh = (np.concatenate([params[side + gate]["kernel"].T for gate in gates]) for side in "ih")
    zero = np.zeros(W_hh.shape[1], W_hh.dtype)
    b_ih, b_hh = (np.concatenate([params[side + gate].get("bias", zero) for gate in gates]) for side in "ih")
    return named([W_ih, W_hh, b_ih, b_hh], layer, direction, GATES[cell], GATES[cell])


def complemented(parameters: Parameters) -> Parameters:
    """The parameters of a GRU whose z means what 1 - z meant: its rows change their sign. It is its own inverse."""

    gates = {name: np.split(array, 3) for name, array in parameters.items()}
    return {name: np.concatenate([r, -z, n]) for name, (r, z, n) in gates.items()}


def packed(parameters: Parameters, layer: int, direction: int, order: str, wanted: str) -> list[Any]:
    """W_ih (G*H, I), W_hh (G*H, H), b_ih and b_hh (G*H,) with the gates in another order; None for what is not there.

    order, wanted  the gates as they are and as they shall be, a letter each, "ifgo" for an LSTM of PyTorch
    """
    arrays = [parameters.get(kind + suffix(layer, direction)) for kind in KINDS]
    return [None if array is None else reordered(array, order, wanted) for array in arrays]


def named(arrays: list[np.ndarray], layer: int, direction: int, order: str, wanted: str) -> Parameters:
    """PyTorch's names for W_ih (G*H, I), W_hh (G*H, H) and, where they are there, b_ih and b_hh (G*H,).

    order, wanted  the gates as they are and as they shall be, a letter each
    """
    end = suffix(layer, direction)
    return {kind + end: reordered(array, order, wanted) for kind, array in zip(KINDS, arrays)}


def reordered(array: np.ndarray, order: str, wanted: str) -> np.ndarray:
    """An array (G*H, ...) with its gates, blocks of H rows, in another order.

    order, wanted  the gates as they are and as they shall be, a letter each

    Raises ValueError where the rows are no multiple of the gates, KeyError for a gate that is not there.

    >>> reordered(np.array([1, 2, 3, 4]), "ifgo", "iofg")
    array([1, 4, 2, 3])
    """
    blocks = dict(zip(order, np.split(array, len(order))))
    return np.concatenate([blocks[gate] for gate in wanted])
