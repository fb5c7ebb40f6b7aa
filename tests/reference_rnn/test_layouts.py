"""Each layout comes back as it went."""

import numpy as np
from hypothesis import given, settings

from reference_rnn import layouts
from strategies import cases

SOME = settings(max_examples=60, deadline=None)


def assert_same(before, after):
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[name], after[name]) for name in before)


def of_layer(parameters, layer):
    return {k: v for k, v in parameters.items() if k.removesuffix("_reverse").endswith(f"_l{layer}")}


@SOME
@given(cases())
def test_onnx(case):
    for layer in range(case.config.num_layers):
        node = layouts.to_onnx(case.parameters, layer)
        D, H = case.config.num_directions, case.config.hidden_size
        assert node["R"].shape == (D, H, H) and node["W"].shape[:2] == (D, H)
        assert ("B" in node) == case.config.bias and node.get("B", np.zeros((D, 2 * H))).shape == (D, 2 * H)
        assert_same(layouts.from_onnx(node, layer), of_layer(case.parameters, layer))


@SOME
@given(cases())
def test_keras(case):
    for layer in range(case.config.num_layers):
        for direction in range(case.config.num_directions):
            weights = layouts.to_keras(case.parameters, layer, direction)
            assert len(weights) == (3 if case.config.bias else 2)
            again = layouts.to_keras(layouts.from_keras(weights, layer, direction), layer, direction)
            assert all(np.array_equal(before, after) for before, after in zip(weights, again, strict=True))


def test_keras_adds_the_biases_up_and_transposes():
    parameters = {
        "weight_ih_l0": np.array([[1.0, 2.0]]), "weight_hh_l0": np.array([[3.0]]),
        "bias_ih_l0": np.array([4.0]), "bias_hh_l0": np.array([5.0]),
    }  # fmt: skip
    kernel, recurrent, bias = layouts.to_keras(parameters)
    assert kernel.tolist() == [[1.0], [2.0]] and recurrent.tolist() == [[3.0]] and bias.tolist() == [9.0]
