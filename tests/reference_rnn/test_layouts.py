"""Each layout comes back as it went, and its own equations give what PyTorch's give."""

import numpy as np
import pytest
from hypothesis import given, settings

from reference_rnn import CELLS, Case, Config, forward, layouts
from reference_rnn.layouts import GATES, KERAS, ONNX
from strategies import cases

SOME = settings(max_examples=60, deadline=None)
ALL = {"cells": CELLS, "dtypes": ("float64",)}


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def assert_same(before, after):
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def of_layer(parameters, layer):
    return {k: v for k, v in parameters.items() if k.removesuffix("_reverse").endswith(f"_l{layer}")}


def one_bias(parameters):
    """The same parameters with all of each bias in bias_ih."""
    summed = {
        name: array + parameters[name.replace("bias_ih", "bias_hh")]
        for name, array in parameters.items()
        if name.startswith("bias_ih")
    }
    zeros = {name: 0 * array for name, array in parameters.items() if name.startswith("bias_hh")}
    return parameters | summed | zeros


@SOME
@given(cases(**ALL))
def test_onnx_comes_back(case):
    cell = case.config.cell
    for layer in range(case.config.num_layers):
        node = layouts.to_onnx(case.parameters, cell, layer)
        D, rows, H = case.config.num_directions, len(case.parameters["weight_hh_l0"]), case.config.hidden_size
        assert node["R"].shape == (D, rows, H) and node["W"].shape[:2] == (D, rows)
        assert ("B" in node) == case.config.bias and node.get("B", np.zeros((D, 2 * rows))).shape == (D, 2 * rows)
        assert_same(layouts.from_onnx(node, cell, layer), of_layer(case.parameters, layer))


@SOME
@given(cases(**ALL, bidirectional=False, max_layers=1))
def test_keras_comes_back(case):
    cell = case.config.cell
    weights = layouts.to_keras(case.parameters, cell)
    assert len(weights) == (3 if case.config.bias else 2)
    expected = case.parameters if cell == "GRU" or not case.config.bias else one_bias(case.parameters)
    assert_same(layouts.from_keras(weights, cell), expected)


@SOME
@given(cases(cells=("LSTM",), dtypes=("float64",), bias=True, bidirectional=False, max_layers=1))
def test_the_block_lstm_comes_back(case):
    again = layouts.from_block_lstm(layouts.to_block_lstm(case.parameters))
    for name, array in one_bias(case.parameters).items():
        assert again[name] == pytest.approx(array, abs=1e-12)


@SOME
@given(cases(cells=("RNN_TANH", "GRU", "LSTM"), dtypes=("float64",), bias=True, bidirectional=False, max_layers=1))
def test_flax_comes_back(case):
    cell = case.config.cell
    params = layouts.to_flax(case.parameters, cell)
    again = layouts.to_flax(layouts.from_flax(params, cell), cell)
    assert params.keys() == again.keys()
    for name in params:
        assert_same(params[name], again[name])


@SOME
@given(cases(cells=("GRU",), max_layers=2))
def test_complemented_twice_is_nothing(case):
    assert_same(layouts.complemented(layouts.complemented(case.parameters)), case.parameters)


@pytest.fixture(params=CELLS)
def one(request):
    """A case of one step, with numbers that differ everywhere."""
    numbers = np.random.default_rng(5).standard_normal
    G, H, I = {"R": 1, "G": 3, "L": 4}[request.param[0]], 3, 2
    shapes = {"weight_ih_l0": (G * H, I), "weight_hh_l0": (G * H, H), "bias_ih_l0": (G * H,), "bias_hh_l0": (G * H,)}
    return Case(
        Config(request.param, I, H, dtype="float64"), {name: numbers(shape) for name, shape in shapes.items()},
        numbers((1, 2, I)), numbers((1, 2, H)), numbers((1, 2, H)) if request.param == "LSTM" else None,
    )  # fmt: skip


def given_and_wanted(case):
    """x, h and c of the first step, and the h that must follow."""
    c = None if case.c_0 is None else case.c_0[0]
    return case.x[0], case.h_0[0], c, forward(case).output[0]


def test_keras_equations(one):
    x, h, c, wanted = given_and_wanted(one)
    kernel, recurrent, bias = layouts.to_keras(one.parameters, one.config.cell)
    b, b_rec = bias if bias.ndim == 2 else (bias, 0 * bias)
    cell = one.config.cell
    if cell.startswith("RNN"):
        z = x @ kernel + h @ recurrent + b
        got = np.tanh(z) if cell == "RNN_TANH" else np.maximum(z, 0)
    elif cell == "LSTM":
        i, f, g, o = np.split(x @ kernel + h @ recurrent + b, 4, -1)
        got = sigmoid(o) * np.tanh(sigmoid(f) * c + sigmoid(i) * np.tanh(g))
    else:
        xz, xr, xh = np.split(x @ kernel + b, 3, -1)
        hz, hr, _ = np.split(h @ recurrent + b_rec, 3, -1)
        U, r, z = recurrent[:, 6:], sigmoid(xr + hr), sigmoid(xz + hz)
        inner = r * (h @ U + b_rec[6:]) if cell == "GRU" else (r * h) @ U
        got = z * h + (1 - z) * np.tanh(xh + inner)
    assert got == pytest.approx(wanted, abs=1e-14)


def test_onnx_equations(one):
    x, h, c, wanted = given_and_wanted(one)
    node = layouts.to_onnx(one.parameters, one.config.cell)
    W, R, (Wb, Rb) = node["W"][0], node["R"][0], np.split(node["B"][0], 2)
    cell = one.config.cell
    if cell.startswith("RNN"):
        z = x @ W.T + h @ R.T + Wb + Rb
        got = np.tanh(z) if cell == "RNN_TANH" else np.maximum(z, 0)
    elif cell == "LSTM":
        i, o, f, g = np.split(x @ W.T + h @ R.T + Wb + Rb, 4, -1)
        got = sigmoid(o) * np.tanh(sigmoid(f) * c + sigmoid(i) * np.tanh(g))
    else:
        xz, xr, xh = np.split(x @ W.T + Wb, 3, -1)
        hz, hr, _ = np.split(h @ R.T + Rb, 3, -1)
        r, z = sigmoid(xr + hr), sigmoid(xz + hz)
        inner = r * (h @ R[6:].T + Rb[6:]) if cell == "GRU" else (r * h) @ R[6:].T + Rb[6:]
        got = (1 - z) * np.tanh(xh + inner) + z * h
    assert got == pytest.approx(wanted, abs=1e-14)


@pytest.mark.parametrize("one", ["LSTM"], indirect=True)
def test_block_lstm_equations(one):
    x, h, c, wanted = given_and_wanted(one)
    block = layouts.to_block_lstm(one.parameters, forget_bias=1.0)
    i, g, f, o = np.split(np.concatenate([x, h], -1) @ block["w"] + block["b"], 4, -1)
    got = sigmoid(o) * np.tanh(sigmoid(f + 1.0) * c + sigmoid(i) * np.tanh(g))
    assert got == pytest.approx(wanted, abs=1e-14)


@pytest.mark.parametrize("one", ["RNN_TANH", "GRU", "LSTM"], indirect=True)
def test_flax_equations(one):
    x, h, c, wanted = given_and_wanted(one)
    params = layouts.to_flax(one.parameters, one.config.cell)

    def dense(name, array):
        return array @ params[name]["kernel"] + params[name].get("bias", 0)

    if one.config.cell == "RNN_TANH":
        got = np.tanh(dense("i", x) + dense("h", h))
    elif one.config.cell == "LSTM":
        i, f, g, o = (dense("i" + gate, x) + dense("h" + gate, h) for gate in "ifgo")
        got = sigmoid(o) * np.tanh(sigmoid(f) * c + sigmoid(i) * np.tanh(g))
    else:
        r, z = (sigmoid(dense("i" + gate, x) + dense("h" + gate, h)) for gate in "rz")
        got = (1 - z) * np.tanh(dense("in", x) + r * dense("hn", h)) + z * h
    assert got == pytest.approx(wanted, abs=1e-14)


@pytest.mark.parametrize("one", ["GRU", "GRU_RESET_BEFORE"], indirect=True)
def test_the_complemented_update_gate_lets_go_what_it_kept(one):
    other = one.replace(parameters=layouts.complemented(one.parameters))
    h, both = one.h_0[0], forward(one).output[0] + forward(other).output[0]
    # z n + (1 - z) h and (1 - z) n + z h add up to n + h
    opened = {name: a.copy() for name, a in one.parameters.items()}
    for name, array in opened.items():
        array[3:6] = -100 if name == "bias_ih_l0" else 0
    candidate = forward(one.replace(parameters=opened)).output[0]
    assert both == pytest.approx(candidate + h, abs=1e-13)


def test_keras_adds_the_biases_up_and_transposes():
    parameters = {
        "weight_ih_l0": np.array([[1.0, 2.0]]), "weight_hh_l0": np.array([[3.0]]),
        "bias_ih_l0": np.array([4.0]), "bias_hh_l0": np.array([5.0]),
    }  # fmt: skip
    kernel, recurrent, bias = layouts.to_keras(parameters)
    assert kernel.tolist() == [[1.0], [2.0]] and recurrent.tolist() == [[3.0]] and bias.tolist() == [9.0]


@pytest.mark.parametrize("cell", CELLS)
def test_layouts_know_the_gates_of_every_cell(cell):
    orders = [GATES[cell], KERAS[cell], ONNX[cell]]
    assert orders[0] == cell.gates and {"".join(sorted(order)) for order in orders} == {"".join(sorted(cell.gates))}
