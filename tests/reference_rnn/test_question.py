"""The asker's own function and layout."""

import numpy as np
import pytest
from hypothesis import given, settings

from reference_rnn import ShapeError, forward, rnn
from reference_rnn.formats.fused_layout import from_question, to_question
from strategies import cases

ARRAYS = {
    "xs": np.ones((5, 3, 4)), "h": np.ones((2, 2, 3, 2)), "w0": np.ones((2, 4, 6)),
    "w": np.ones((1, 2, 2, 6)), "b": np.ones((2, 2, 2)), "bidirectional": True,
}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(cases(dtypes=("float64",), bias=True, lengths=False))
def test_it_is_the_reference_in_another_layout(case):
    c = case.config
    w0, w, b = to_question(case.parameters, c)
    h = case.h_0.reshape(c.num_layers, c.num_directions, *case.h_0.shape[1:])
    nonlinearity = "tanh" if c.cell == "RNN_TANH" else "relu"
    output, h_n = rnn(case.x, h, w0, w, b, c.num_layers, nonlinearity, 0.0, c.bidirectional)
    expected = forward(case)
    np.testing.assert_allclose(output, expected.output, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(h_n, expected.h_n, rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(cases(lengths=False))
def test_the_layout_comes_back(case):
    c = case.config
    there = to_question(case.parameters, c)
    again = to_question(from_question(*there, c), c)
    for before, after in zip(there, again):
        assert (before is None) == (after is None)
        assert before is None or (before == after).all()


def test_the_blocks_off_the_diagonal_are_never_read():
    w0 = ARRAYS["w0"].copy()
    w0[:, :2, 4:] = np.nan
    w0[:, 2:, :4] = np.nan
    output, _ = rnn(**ARRAYS | {"w0": w0})
    assert (output == rnn(**ARRAYS)[0]).all()


def test_side_by_side_holds_the_same_weights():
    assert (rnn(**ARRAYS | {"w0": np.ones((2, 2, 6))})[0] == rnn(**ARRAYS)[0]).all()


def test_shapes_are_those_of_pytorch():
    output, h_n = rnn(**ARRAYS)
    assert output.shape == (5, 3, 4) and h_n.shape == (4, 3, 2)


def test_two_steps_by_hand():
    w0 = np.array([[[0.0, 0.0], [0.0, 1.0]]])
    output, h_n = rnn(np.zeros((2, 1, 1)), np.ones((1, 1, 1, 1)), w0, num_layers=1)
    np.testing.assert_allclose(output.ravel(), [0.76159416, 0.6420150], rtol=1e-6)
    assert h_n.ravel() == output[-1].ravel()


def test_dropout_acts_in_training_only():
    assert (rnn(**ARRAYS, dropout=0.5, training=False)[0] == rnn(**ARRAYS)[0]).all()
    assert (rnn(**ARRAYS, dropout=0.5)[0] != rnn(**ARRAYS)[0]).any()
    deaf = ARRAYS | {"w": np.concatenate([np.zeros((1, 2, 2, 4)), np.ones((1, 2, 2, 2))], -1)}
    assert (rnn(**ARRAYS, dropout=1.0)[0] == rnn(**deaf)[0]).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"xs": np.ones((5, 3))}, r"xs has shape \(5, 3\), must be \(T, N, I\)"),
        ({"h": np.ones((4, 3, 2))}, r"h has shape \(4, 3, 2\), must be \(L, D, N, H\) = \(2, 2, 3, 2\)"),
        ({"w0": np.ones((4, 6))}, r"w0 has shape \(4, 6\), must be \(D, 2H, I\+H\) = \(2, 4, 6\)"),
        ({"w": None}, r"w has shape \(0,\), must be \(L-1, D, H, D\*H\+H\) = \(1, 2, 2, 6\)"),
        ({"w": np.ones((1, 2, 2, 4))}, r"w has shape \(1, 2, 2, 4\), must be"),
        ({"b": np.ones((2, 2))}, r"b has shape \(2, 2\), must be \(L, D, H\) = \(2, 2, 2\)"),
    ],
)
def test_a_wrong_shape_names_the_array(wrong, message):
    with pytest.raises(ShapeError, match=message):
        rnn(**ARRAYS | wrong)


def test_an_unknown_nonlinearity_is_refused():
    with pytest.raises(ValueError, match="nonlinearity is 'sigmoid', must be 'tanh' or 'relu'"):
        rnn(**ARRAYS, nonlinearity="sigmoid")
