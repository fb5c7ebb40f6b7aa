"""The functions that cells are written in, on arrays."""

import numpy as np
import pytest

from reference_rnn import functions as f


@pytest.fixture
def numbers():
    return np.random.default_rng(0).standard_normal


def test_affine_is_one_sum_for_every_row_and_unit(numbers):
    x, W_x, h, W_h, b_x, b_h = map(numbers, [(2, 3), (4, 3), (2, 4), (4, 4), (4,), (4,)])

    z = f.affine(x, W_x, h, W_h, b_x, b_h)

    for n, k in np.ndindex(2, 4):
        terms = [W_x[k, i] * x[n, i] for i in range(3)] + [W_h[k, j] * h[n, j] for j in range(4)]
        assert z[n, k] == pytest.approx(sum(terms) + b_x[k] + b_h[k], abs=1e-14)


def test_linear_is_affine_without_a_state(numbers):
    x, W, b = map(numbers, [(2, 3), (4, 3), (4,)])
    nothing = np.zeros((2, 4)), np.zeros((4, 4)), np.zeros(4)

    assert f.linear(x, W, b) == pytest.approx(f.affine(x, W, *nothing[:2], b, nothing[2]), abs=1e-15)


def test_sigmoid_is_the_logistic_function():
    z = np.linspace(-30, 30, 121)

    assert f.sigmoid(z) == pytest.approx(1 / (1 + np.exp(-z)), abs=1e-15)


def test_sigmoid_saturates_without_a_warning():
    with np.errstate(all="raise"):
        assert f.sigmoid(np.array([-1e308, 0.0, 1e308])).tolist() == [0, 0.5, 1]


def test_relu_cuts_at_zero_and_keeps_what_is_not_a_number():
    assert f.relu(np.array([-2.0, -0.0, 3.0, np.inf, -np.inf])).tolist() == [0, 0, 3, np.inf, 0]
    assert np.isnan(f.relu(np.array([np.nan]))).all()


def test_mix_is_new_where_z_is_0_and_old_where_z_is_1():
    z, n, h = np.array([0.0, 1.0, 0.25]), np.array([3.0, 3.0, 4.0]), np.array([7.0, 7.0, 8.0])

    assert f.mix(z, n, h).tolist() == [3, 7, 5]


def test_select_does_not_let_a_nan_of_the_dead_through():
    new, alive = np.array([[np.nan, 1.0], [2.0, 3.0]]), np.array([[False], [True]])

    assert f.select(new, alive, 0.0).tolist() == [[0, 0], [2, 3]]


def test_join_puts_forward_units_first():
    forward, reverse = np.ones((2, 1)), np.zeros((2, 2))

    assert f.join(forward, reverse).tolist() == [[1, 0, 0], [1, 0, 0]]
    assert f.join(forward).tolist() == forward.tolist()


@pytest.mark.parametrize(
    ("function", "derivative"),
    [
        (f.tanh, lambda z: 1 - np.tanh(z) ** 2),
        (f.sigmoid, lambda z: f.sigmoid(z) * (1 - f.sigmoid(z))),
        (f.relu, lambda z: 1.0 * (z > 0)),
    ],
)
def test_a_complex_step_differentiates(function, derivative):
    z = np.array([-2.5, -0.3, 0.4, 1.7])

    assert function(z + 1e-30j).imag / 1e-30 == pytest.approx(derivative(z), abs=1e-15)
