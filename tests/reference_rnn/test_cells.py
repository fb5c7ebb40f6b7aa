"""One step of each cell."""

import math
from typing import NamedTuple

import numpy as np
import pytest

from reference_rnn import CELLS, Config, arithmetic, cell, cells, parameter_shapes, softplus
from reference_rnn.bounds.ball import exact
from reference_rnn.cell import Parameters

N, I, H, P = 2, 3, 4, 2


class Arrays(NamedTuple):
    """The parameters of one layer and direction under short names."""

    W_ih: np.ndarray
    W_hh: np.ndarray
    b_ih: np.ndarray
    b_hh: np.ndarray
    W_hr: np.ndarray | None = None


def stepping(cell):
    """The step of a cell as a function of x, the states and Arrays."""

    def step(x, states, p):
        named = zip(("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"), p)
        return cell.run(x, states, Parameters(cell, {kind: array for kind, array in named if array is not None}), {})

    return step


rnn_tanh, rnn_relu, gru, gru_reset_before, lstm, lstm_projected = map(stepping, [*CELLS, cells.lstm])

# Each step: how many gates it has, how many states, and how many numbers h has.
SIZES = {
    rnn_tanh: (1, 1, H),
    rnn_relu: (1, 1, H),
    gru: (3, 1, H),
    gru_reset_before: (3, 1, H),
    lstm: (4, 2, H),
    lstm_projected: (4, 2, P),
}


def drawn(step, seed=1):
    """x, the states and the parameters that a step needs."""
    gates, states, size = SIZES[step]
    numbers = np.random.default_rng(seed).standard_normal
    x, h, c = map(numbers, [(N, I), (N, size), (N, H)])
    shapes = [(gates * H, I), (gates * H, size), (gates * H,), (gates * H,), (P, H)]
    return x, (h, c)[:states], Arrays(*map(numbers, shapes[: 5 if size == P else 4]))


def dot(weights, values):
    """The sum of products, in Python's own numbers."""
    return sum(float(w) * float(v) for w, v in zip(weights, values, strict=True))


def from_x(x, p, row, at):
    return dot(p.W_ih[at], x[row]) + float(p.b_ih[at])


def from_h(h, p, row, at):
    return dot(p.W_hh[at], h[row]) + float(p.b_hh[at])


def preactivation(x, h, p, row, gate, unit):
    """What a gate of a unit is the function of; gates lie below one another, H rows each."""
    return from_x(x, p, row, gate * H + unit) + from_h(h, p, row, gate * H + unit)


def logistic(z):
    return 1 / (1 + math.exp(-z))


def test_rnn_tanh_is_the_published_equation():
    x, (h,), p = drawn(rnn_tanh)

    (new,) = rnn_tanh(x, (h,), p)

    for row, unit in np.ndindex(N, H):
        assert new[row, unit] == pytest.approx(math.tanh(preactivation(x, h, p, row, 0, unit)), abs=1e-15)


def test_rnn_relu_is_the_published_equation():
    x, (h,), p = drawn(rnn_relu)

    (new,) = rnn_relu(x, (h,), p)

    for row, unit in np.ndindex(N, H):
        assert new[row, unit] == pytest.approx(max(0, preactivation(x, h, p, row, 0, unit)), abs=1e-14)
    assert (new == 0).any() and (new > 0).any()


def test_gru_is_the_published_equation():
    """The reset gate acts on the recurrent product, with its bias in it."""
    x, (h,), p = drawn(gru)

    (new,) = gru(x, (h,), p)

    for row, unit in np.ndindex(N, H):
        r = logistic(preactivation(x, h, p, row, 0, unit))
        z = logistic(preactivation(x, h, p, row, 1, unit))
        n = math.tanh(from_x(x, p, row, 2 * H + unit) + r * from_h(h, p, row, 2 * H + unit))
        assert new[row, unit] == pytest.approx((1 - z) * n + z * float(h[row, unit]), abs=1e-15)


def test_gru_reset_before_is_the_published_equation():
    """The reset gate of each unit acts on the state of that unit, before the recurrent product."""
    x, (h,), p = drawn(gru_reset_before)

    (new,) = gru_reset_before(x, (h,), p)

    for row, unit in np.ndindex(N, H):
        reset = np.array(h)
        for other in range(H):
            reset[row, other] = logistic(preactivation(x, h, p, row, 0, other)) * float(h[row, other])
        z = logistic(preactivation(x, h, p, row, 1, unit))
        n = math.tanh(preactivation(x, reset, p, row, 2, unit))
        assert new[row, unit] == pytest.approx((1 - z) * n + z * float(h[row, unit]), abs=1e-15)


def unprojected(x, h, c, p, row, unit):
    """o tanh(c') and c' of one unit of an LSTM; its gates are packed in the order i, f, g, o."""
    i, f, o = (logistic(preactivation(x, h, p, row, gate, unit)) for gate in (0, 1, 3))
    g = math.tanh(preactivation(x, h, p, row, 2, unit))
    new = f * float(c[row, unit]) + i * g
    return o * math.tanh(new), new


def test_lstm_is_the_published_equation():
    x, (h, c), p = drawn(lstm)

    h_new, c_new = lstm(x, (h, c), p)

    for row, unit in np.ndindex(N, H):
        expected = unprojected(x, h, c, p, row, unit)
        assert (h_new[row, unit], c_new[row, unit]) == pytest.approx(expected, abs=1e-15)


def test_lstm_projected_is_the_published_equation():
    x, (h, c), p = drawn(lstm_projected)

    h_new, c_new = lstm_projected(x, (h, c), p)

    assert (h_new.shape, c_new.shape) == ((N, P), (N, H))
    for row in range(N):
        units = [unprojected(x, h, c, p, row, unit) for unit in range(H)]
        assert c_new[row] == pytest.approx([c for _, c in units], abs=1e-15)
        for k in range(P):
            assert h_new[row, k] == pytest.approx(dot(p.W_hr[k], [h for h, _ in units]), abs=1e-14)


# The two places of the reset gate


def with_gate(p, gate, **parts):
    """The parameters with the rows of one gate replaced, in some of them."""
    changed = {name: getattr(p, name).copy() for name in parts}
    for name, value in parts.items():
        changed[name][gate * H : gate * H + H] = value
    return p._replace(**changed)


def variants_differ(x, h, p):
    return abs(gru(x, (h,), p)[0] - gru_reset_before(x, (h,), p)[0]).max() > 1e-3


def test_the_two_grus_differ():
    x, (h,), p = drawn(gru)

    assert variants_differ(x, h, p)
    assert variants_differ(x, h, with_gate(p, 2, b_hh=0.0))


def test_the_two_grus_are_the_same_where_the_reset_gate_is_1():
    x, (h,), p = drawn(gru)
    opened = with_gate(p, 0, W_ih=0.0, W_hh=0.0, b_ih=40.0, b_hh=0.0)

    assert gru(x, (h,), opened)[0] == pytest.approx(gru_reset_before(x, (h,), opened)[0], abs=1e-15)
    assert variants_differ(x, h, with_gate(opened, 0, b_ih=-40.0))


def test_the_two_grus_are_the_same_without_a_state_and_its_bias():
    x, (h,), p = drawn(gru)
    unbiased = with_gate(p, 2, b_hh=0.0)

    assert gru(x, (0 * h,), unbiased)[0] == pytest.approx(gru_reset_before(x, (0 * h,), unbiased)[0], abs=1e-15)
    assert variants_differ(x, 0 * h, p)


# Every step


@pytest.mark.parametrize("step", SIZES)
def test_a_step_leaves_what_it_was_given_alone(step):
    x, states, p = drawn(step)
    given = [x, *states, *(array for array in p if array is not None)]
    before = [array.copy() for array in given]

    step(x, states, p)

    assert all(np.array_equal(array, old) for array, old in zip(given, before))


@pytest.mark.parametrize("step", SIZES)
@pytest.mark.parametrize("seed", range(3))
def test_a_complex_step_through_a_cell_is_its_derivative(step, seed):
    """Along a direction in which everything moves: x, the states and all parameters."""
    x, states, p = drawn(step)
    numbers = np.random.default_rng(seed).standard_normal
    ways = [None if a is None else numbers(a.shape) for a in (x, *states, *p)]

    def moved(size):
        arrays = [None if a is None else a + size * way for a, way in zip((x, *states, *p), ways)]
        return step(arrays[0], tuple(arrays[1 : 1 + len(states)]), Arrays(*arrays[1 + len(states) :]))

    for new, ahead, behind in zip(moved(1e-30j), moved(1e-6), moved(-1e-6), strict=True):
        assert new.imag / 1e-30 == pytest.approx((ahead - behind) / 2e-6, abs=1e-7)
        assert (abs(new.imag) > 1e-32).any()


def test_a_derivative_by_complex_step_is_the_one_by_hand():
    x, (h,), p = drawn(rnn_tanh)

    (new,) = rnn_tanh(x, (h + 1e-30j * np.eye(H)[1],), p)

    assert new.imag / 1e-30 == pytest.approx((1 - new.real**2) * p.W_hh[:, 1], abs=1e-15)


def test_a_function_of_a_vector_is_known_up_to_rounding():
    """It is computed like any other, so its ball is no point."""

    @cell("h", vectors=("u",))
    def scaled(x, h, p):
        return softplus(p.u) * h + p.h.input(x)

    u, a = np.linspace(-3, 3, H), arithmetic("float32")
    arrays = {"weight_ih": np.zeros((H, I)), "bias_ih": np.zeros(H), "u": u}
    x, ones = exact(np.ones((N, I)), a), exact(np.ones((N, H)), a)
    (ball,) = scaled.run(x, (ones,), Parameters(scaled, arrays), {})
    (again,) = scaled.run(x, (ones,), Parameters(scaled, arrays | {"u": 0 * u}), {})
    np.testing.assert_allclose(ball.mid[0], np.log1p(np.exp(u)))
    assert (ball.rad > 10 * a.u * ball.mid).all() and (again.rad > 0).all()


@pytest.mark.parametrize("name", ["ih", "u_hh", "w_ch"])
def test_a_vector_may_be_called_like_a_half(name):
    @cell("hg", vectors=(name,))
    def scaled(x, h, p):
        return getattr(p, name) * h + p.h(x, h) + p.g(x, h)

    shapes = parameter_shapes(Config(cell=scaled, hidden_size=3))
    assert shapes[name + "_l0"].sizes == (3,)
