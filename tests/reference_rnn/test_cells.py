"""One step of each cell."""

import numpy as np
import pytest

from reference_rnn import CELLS
from reference_rnn.cells import STEPS, Parameters, rnn_relu, rnn_tanh


@pytest.fixture
def given():
    """Two rows, three inputs, four units."""
    numbers = np.random.default_rng(1).standard_normal
    return numbers((2, 3)), numbers((2, 4)), Parameters(*map(numbers, [(4, 3), (4, 4), (4,), (4,)]))


def preactivation(x, h, p, row, unit):
    return p.W_ih[unit] @ x[row] + p.b_ih[unit] + p.W_hh[unit] @ h[row] + p.b_hh[unit]


def test_rnn_tanh_is_the_published_equation(given):
    x, h, p = given

    (new,) = rnn_tanh(x, (h,), p)

    for row, unit in np.ndindex(2, 4):
        assert new[row, unit] == pytest.approx(np.tanh(preactivation(x, h, p, row, unit)), abs=1e-15)


def test_rnn_relu_is_the_published_equation(given):
    x, h, p = given

    (new,) = rnn_relu(x, (h,), p)

    for row, unit in np.ndindex(2, 4):
        assert new[row, unit] == pytest.approx(max(0, preactivation(x, h, p, row, unit)), abs=1e-14)
    assert (new == 0).any() and (new > 0).any()


def test_a_step_leaves_the_old_state_alone(given):
    x, h, p = given
    before = h.copy()

    for step in STEPS.values():
        step(x, (h,), p)

    assert (h == before).all()


def test_a_complex_step_through_a_cell_is_its_derivative(given):
    x, h, p = given

    (new,) = rnn_tanh(x, (h + 1e-30j * np.eye(4)[1],), p)

    assert new.imag / 1e-30 == pytest.approx((1 - new.real**2) * p.W_hh[:, 1], abs=1e-15)


def test_every_step_belongs_to_a_cell_that_a_case_may_name():
    assert {"RNN_TANH", "RNN_RELU"} <= STEPS.keys() <= set(CELLS)
