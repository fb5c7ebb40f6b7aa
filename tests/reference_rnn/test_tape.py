"""The tape: every function beside central differences, what weights collect, and a whole LSTM beside its own equations.

What it makes of whole networks is in test_gradients.py, beside complex steps.
"""

from itertools import chain

import numpy as np
import pytest

from reference_rnn import arithmetic, case, forward, gradients, result_shapes
from reference_rnn import functions as f
from reference_rnn.autodiff.tape import Read, Traced, Weight, backward
from reference_rnn.bounds.ball import Ball, exact

FLOAT32 = arithmetic("float32")
ALIVE = np.array([[True], [False], [True], [False]])
MASK = np.array([0.0, 2.0, 2.0])
# Each with the shapes of its numbers and of its weights.
FUNCTIONS = {
    "linear": (lambda x, W, b: f.linear(x, W, b), [(4, 3)], [(2, 3), (2,)]),
    "linear without a bias": (lambda x, W: f.linear(x, W, 0.0), [(4, 3)], [(2, 3)]),
    "affine": (f.affine, [(4, 3), (4, 2)], [(2, 3), (2, 2), (2,), (2,)]),
    "affine_peephole": (f.affine_peephole, [(4, 3), (4, 2), (4, 2)], [(2, 3), (2, 2), (2,), (2,), (2,)]),
    "tanh": (f.tanh, [(4, 3)], []),
    "sigmoid": (f.sigmoid, [(4, 3)], []),
    "relu": (f.relu, [(4, 3)], []),
    "softsign": (f.softsign, [(4, 3)], []),
    "hard_sigmoid": (lambda z: f.hard_sigmoid(z + z + z), [(4, 3)], []),
    "exp": (f.exp, [(4, 3)], []),
    "softplus": (f.softplus, [(4, 3)], []),
    "silu": (f.silu, [(4, 3)], []),
    "sqrt": (lambda z: f.sqrt(f.softplus(z)), [(4, 3)], []),
    "maximum": (f.maximum, [(4, 3)] * 2, []),
    "divide": (lambda a, b: f.divide(a, f.softplus(b)), [(4, 3)] * 2, []),
    "mean": (f.mean, [(4, 3)], []),
    "normalised": (f.normalised, [(4, 3)], []),
    "difference": (lambda a, b: a - b, [(4, 3)] * 2, []),
    "number and": (lambda a: 0.5 + a, [(4, 3)], []),
    "clip": (lambda z: f.clip(z, 0.75), [(4, 3)], []),
    "mix": (f.mix, [(4, 3)] * 3, []),
    "select": (lambda a, b: f.select(a, ALIVE, b), [(4, 3)] * 2, []),
    "select or nothing": (lambda a: f.select(a, ALIVE, 0.0), [(4, 3)], []),
    "select of all": (lambda a, b: f.select(a, ALIVE | True, b * b), [(4, 3)] * 2, []),
    "join": (f.join, [(4, 3), (4, 1), (4, 2)], []),
    "total": (f.total, [(4, 3)] * 3, []),
    "a number twice": (lambda a: f.total(a, a * a, f.join(a)), [(4, 3)], []),
    "sum": (lambda a, b: a + b, [(4, 3)] * 2, []),
    "product": (lambda a, b: a * b, [(4, 3)] * 2, []),
    "what is left of 1": (lambda a: 1 - a, [(4, 3)], []),
    "mask": (lambda a: MASK * a, [(4, 3)], []),
}


def placed(function, numbers, weights):
    """The result of a function whose operands are in the order of its parameters."""
    if function is f.affine:
        return f.affine(numbers[0], weights[0], numbers[1], weights[1], *weights[2:])
    if function is f.affine_peephole:
        return f.affine_peephole(numbers[0], weights[0], numbers[1], weights[1], *weights[2:], numbers[2])
    return function(*numbers, *weights)


def drawn(shapes, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.standard_normal(shape) for shape in shapes]


def led_back(function, numbers, weights, d, lift=lambda array: array):
    """The value of a function, and the gradients of its numbers and of its weights, along a tape."""
    tape = []
    numbers, weights = [Traced(lift(array), tape) for array in numbers], [Weight(array) for array in weights]
    result = placed(function, numbers, weights)
    result.parts.append(lift(d))
    value = result.value
    backward(tape)
    handed = [lift(np.zeros(n.value.shape)) if n.gradient is None else n.gradient for n in numbers]
    return value, handed, [weight.gradient for weight in weights]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_has_the_slopes_of_central_differences(name):
    function, *shapes = FUNCTIONS[name]
    numbers, weights = map(drawn, shapes)
    (d,) = drawn([placed(function, numbers, weights).shape], 1)

    value, *found = led_back(function, numbers, weights, d)

    assert np.array_equal(value, placed(function, numbers, weights))
    operands = [*numbers, *weights]
    for place, gradient in enumerate(chain(*found)):
        (way,) = drawn([operands[place].shape], 2)
        ends = []
        for sign in (1, -1):
            moved = [array + sign * 1e-6 * way if at == place else array for at, array in enumerate(operands)]
            ends.append((placed(function, moved[: len(numbers)], moved[len(numbers) :]) * d).sum())
        assert gradient.shape == way.shape
        assert (gradient * way).sum() == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-8)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_midpoint_of_each_function_is_the_gradient_of_arrays_bit_for_bit(name):
    function, *shapes = FUNCTIONS[name]
    numbers, weights = ([array.astype(np.float32).astype(float) for array in drawn(shape)] for shape in shapes)
    if name == "mask":
        function = lambda a: (exact(MASK, FLOAT32) if isinstance(a.value, Ball) else MASK) * a  # noqa: E731
        d = drawn([(4, 3)], 1)[0]
    else:
        d = drawn([placed(function, numbers, weights).shape], 1)[0]

    _, *plain = led_back(function, numbers, weights, d)
    _, *balls = led_back(function, numbers, weights, d, lambda array: exact(array, FLOAT32))

    for array, ball in zip(chain(*plain), chain(*balls), strict=True):
        assert np.array_equal(array, ball.mid) and (ball.rad < 1e-4).all()


# What weights collect


def gates(x, W, b, which):
    W, b = W.reshape(3, 2, -1), b.reshape(3, 2)
    return f.join(*(f.linear(x, W[gate], b[gate]) for gate in which))


@pytest.mark.parametrize("which", [(0, 1, 2), (2, 0), (1,), (0, 0, 1), (2, 1, 0, 0)])
def test_a_weight_adds_up_what_its_gates_were_multiplied_by(which):
    """Whichever of them are used, in whichever order, and however often; of one that is not used nothing comes back."""
    x, W, b, d = drawn([(4, 3), (6, 3), (6,), (4, 2 * len(which))])

    _, (d_x,), (d_W, d_b) = led_back(lambda x, W, b: gates(x, W, b, which), [x], [W, b], d)

    expected_W, expected_b, expected_x = np.zeros(W.shape), np.zeros(b.shape), np.zeros(x.shape)
    for at, gate in enumerate(which):
        own, rows = d[:, 2 * at : 2 * at + 2], slice(2 * gate, 2 * gate + 2)
        expected_W[rows] += own.T @ x
        expected_b[rows] += own.sum(0)
        expected_x += own @ W[rows]
    for found, expected in ((d_W, expected_W), (d_b, expected_b), (d_x, expected_x)):
        assert found == pytest.approx(expected, abs=1e-14)


def test_a_weight_that_was_never_used_has_a_gradient_of_zero():
    assert not Weight(np.ones((2, 3))).gradient.any()


# What is held


def test_a_row_that_has_ended_hands_its_gradient_on_untouched():
    """Neither what the step made of padding, nor a rounding, reaches it."""
    state, d = exact(np.ones((4, 2)), FLOAT32), exact(drawn([(4, 2)])[0], FLOAT32)
    weight = Weight(np.full((2, 2), np.nan))
    tape = []
    before = Traced(state, tape)
    after = f.select(f.linear(Read(before, before.value), weight, 0.0), ALIVE, before)
    after.parts.append(d)

    backward(tape)

    ended = ~ALIVE[:, 0]
    assert np.array_equal(before.gradient.mid[ended], d.mid[ended]) and not before.gradient.rad[ended].any()
    assert np.isnan(before.gradient.mid[~ended]).all()


def test_a_state_that_was_returned_has_the_gradient_of_the_one_it_stands_for():
    tape = []
    state = Traced(exact(np.ones((4, 2)), FLOAT32), tape)
    own = f.returned(state, np.full((4, 2), 3.0), ALIVE)
    result = own * own
    result.parts.append(exact(np.ones((4, 2)), FLOAT32))

    backward(tape)

    assert np.array_equal(own.value.mid, np.where(ALIVE, [3.0, 3.0], 1.0))
    assert np.array_equal(state.gradient.mid, 2 * own.value.mid)


def test_a_tape_is_empty_once_it_has_been_read():
    tape = []
    number = Traced(np.ones((1, 1)), tape)
    f.tanh(number).parts.append(np.ones((1, 1)))

    backward(tape)

    assert not tape and number.back is None


# A whole network beside equations of its own


def lstm_by_hand(c, d):
    """The gradients of one layer and direction of an LSTM, written line by line, from the last line to the first."""
    p = {name.removesuffix("_l0"): array for name, array in c.parameters.items()}
    sigmoid = lambda z: 1 / (1 + np.exp(-z))  # noqa: E731
    h, cell, seen = c.h_0[0], c.c_0[0], []
    for x in c.x:
        z = x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"]
        i, forget, g, o = np.split(z, 4, -1)
        i, forget, g, o = sigmoid(i), sigmoid(forget), np.tanh(g), sigmoid(o)
        seen.append((x, h, cell, i, forget, g, o))
        cell = forget * cell + i * g
        h = o * np.tanh(cell)
    found = {name: np.zeros(array.shape) for name, array in c.arrays()}
    d_h, d_c = d["d_h_n"][0], d["d_c_n"][0]
    for t, (x, h, cell, i, forget, g, o) in reversed(list(enumerate(seen))):
        y = np.tanh(forget * cell + i * g)
        d_h = d_h + d["d_output"][t]
        d_c = d_c + d_h * o * (1 - y * y)
        d_i, d_f = d_c * g * i * (1 - i), d_c * cell * forget * (1 - forget)
        d_g, d_o = d_c * i * (1 - g * g), d_h * y * o * (1 - o)
        d_z = np.concatenate([d_i, d_f, d_g, d_o], -1)
        found["weight_ih_l0"] += d_z.T @ x
        found["weight_hh_l0"] += d_z.T @ h
        found["bias_ih_l0"] += d_z.sum(0)
        found["bias_hh_l0"] += d_z.sum(0)
        found["x"][t] = d_z @ p["weight_ih"]
        d_h, d_c = d_z @ p["weight_hh"], d_c * forget
    return found | {"h_0": d_h[None], "c_0": d_c[None]}


@pytest.mark.parametrize("T", [0, 1, 7])
@pytest.mark.parametrize("H", [1, 4])
def test_an_lstm_has_the_gradients_that_are_derived_by_hand(T, H):
    plain = case("LSTM", T=T, N=3, I=2, H=H, dtype="float64", h_0=0, c_0=0)
    generator = np.random.default_rng(T)
    c = plain.map(lambda name, array: generator.standard_normal(array.shape))
    d = {f"d_{name}": generator.standard_normal(shape.sizes) for name, shape in result_shapes(c).items()}

    found, expected = gradients(c, **d), lstm_by_hand(c, d)

    for name, array in c.arrays():
        assert found[name] == pytest.approx(expected[name], rel=1e-12, abs=1e-13), name
    balls = gradients(c, **d, arithmetic=arithmetic("float64"), output=forward(c).output)
    assert all(balls[name].contains(expected[name]).all() for name, _ in c.arrays())
