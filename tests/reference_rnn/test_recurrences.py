"""Recurrences: what is declared, what a case is, and what the equations give, on arrays and on balls."""

import re

import numpy as np
import pytest

from reference_rnn import (
    CellError,
    RecurrenceCase,
    ShapeError,
    arithmetic,
    exp,
    handed,
    matvec,
    recurrence,
    vecdot,
    vecmat,
)
from reference_rnn.bounds.ball import exact
from reference_rnn.recurrences import of_shapes, padded


@recurrence(
    inputs={"q": "K", "k": "K", "v": "V", "g": "K"}, states={"S": "KV"}, outputs={"o": "V"}, ranges={"g": (-2, 0)}
)
def gated(q, k, v, g, S):
    S = exp(g)[..., None] * S + k[..., None] * v[..., None, :]
    return vecmat(q, S), S


def drawn(T=5, N=3, M=2, K=2, V=4, lengths=None, seed=0):
    numbers = np.random.default_rng(seed)
    sizes = {"q": K, "k": K, "v": V, "g": K}
    inputs = {name: numbers.uniform(-1, 1, (T, N, M, size)) for name, size in sizes.items()}
    return gated.case(inputs, {"S": numbers.uniform(-1, 1, (N, M, K, V))}, lengths=lengths)


def test_a_run_is_what_the_equations_say():
    case = drawn(T=2, N=1, M=1, K=1, V=1)
    q, k, v, g = (case.inputs[name].astype(float).ravel() for name in "qkvg")
    S = np.exp(g[0]) * float(case.states["S"].ravel()[0]) + k[0] * v[0]
    first, S = q[0] * S, np.exp(g[1]) * S + k[1] * v[1]
    found = handed(case)
    assert found.outputs["o"].ravel() == pytest.approx([first, q[1] * S], rel=1e-14)
    assert found.states["S"].ravel() == pytest.approx([S], rel=1e-14)


def test_a_row_that_has_ended_holds_its_state_and_gives_zeros():
    case = drawn(lengths=[5, 2, 0])
    found = handed(case)
    assert not found.outputs["o"][2:, 1].any() and not found.outputs["o"][:, 2].any()
    assert (found.states["S"][2] == case.states["S"][2]).all()


def test_packed_rows_are_padded_ones():
    case = drawn(lengths=[5, 2, 0])
    inputs = {name: array[case.valid] for name, array in case.inputs.items()}
    packed = gated.case(inputs, case.states, offsets=[0, 5, 7, 7])
    assert packed.num_steps == 5 and packed.row_lengths.tolist() == [5, 2, 0]
    one, other = handed(packed), handed(case)
    assert (one.states["S"] == other.states["S"]).all()
    assert (one.outputs["o"] == other.outputs["o"][case.valid]).all()
    assert all((padded(packed).inputs[name][case.valid] == array).all() for name, array in inputs.items())


def test_no_state_is_zeros():
    case = drawn()
    none = gated.case(case.inputs)
    zeros = gated.case(case.inputs, {"S": np.zeros_like(case.states["S"])})
    assert none.stateless and not zeros.stateless
    assert (handed(none).outputs["o"] == handed(zeros).outputs["o"]).all()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_balls_contain_what_a_narrow_computation_gives(dtype):
    case = drawn(T=9).in_dtype(dtype)
    balls, S, given = handed(case, arithmetic(dtype)), case.states["S"], case.inputs
    for t in range(9):
        S = np.exp(given["g"][t])[..., None] * S + given["k"][t][..., None] * given["v"][t][..., None, :]
        o = (given["q"][t][..., None] * S).sum(-2, dtype=np.float32 if dtype == "float16" else dtype).astype(dtype)
        assert S.dtype == dtype
        assert balls.outputs["o"][t].contains(o.astype(float)).all()
    assert balls.states["S"].contains(S.astype(float)).all()
    assert not balls.states["S"].contains(S.astype(float) + 1).any()


def test_products_of_vectors_and_matrices():
    numbers = np.random.default_rng(1)
    x, y, A = (numbers.standard_normal(shape) for shape in ((3, 2), (3, 4), (3, 2, 4)))
    a = arithmetic("float32")
    for function, one, other, must in (
        (vecdot, x, x, np.einsum("nk,nk->n", x, x)),
        (vecmat, x, A, np.einsum("nk,nkv->nv", x, A)),
        (matvec, A, y, np.einsum("nkv,nv->nk", A, y)),
    ):
        assert function(one, other) == pytest.approx(must, rel=1e-13)
        ball = function(exact(one, a), exact(other, a))
        assert ball.mid == pytest.approx(must, rel=1e-13)
        narrow = function(one.astype("f4"), other.astype("f4"))
        reach = np.abs(one).sum() * np.abs(other).sum() * 2.0**-23  # of rounding the factors themselves
        assert (abs(narrow - ball.mid) <= ball.rad + reach).all() and (ball.rad < 1e-5).all()
        assert (ball.rad > 0).all()


def test_complex_numbers_are_never_conjugated():
    assert vecdot(np.array([1j]), np.array([1j])) == -1


def test_shapes_alone_make_a_recurrence():
    shapes = recurrence(inputs={"x": "K"}, states={"s": "K"}, outputs={"y": ""}, heads=False, name="sums")
    case = shapes.case({"x": np.ones((3, 2, 4))}, {"s": np.ones((2, 4))})
    assert shapes == "SUMS" and case.config.sizes == {"K": 4}
    assert {name: shape.sizes for name, shape in case.result_shapes().items()} == {"y": (3, 2), "s": (2, 4)}
    with pytest.raises(ValueError, match="SUMS has no equations"):
        handed(case)


def test_parameters_are_the_last_argument():
    @recurrence(inputs={"x": "K"}, states={"s": "K"}, outputs={"y": "K"}, parameters={"a": "K"}, heads=False)
    def leaky(x, s, p):
        s = p["a"] * s + x
        return s, s

    case = leaky.case({"x": [[[1.0]], [[1.0]]]}, {"s": [[4.0]]}, {"a": [0.5]})
    assert handed(case).outputs["y"].ravel().tolist() == [3.0, 2.5]


@pytest.mark.parametrize("changes", [{}, {"lengths": [1, 2]}, {"mode": "chunk"}, {"dtype": "float64"}])
def test_a_case_prints_as_what_rebuilds_it(changes):
    ragged = drawn(N=2)
    case = gated.case(ragged.inputs, ragged.states, **changes)
    again = eval(repr(case), {"gated": gated})
    assert isinstance(again, RecurrenceCase) and again.config == case.config and again.mode == case.mode
    assert repr(again) == repr(case)
    assert all(np.array_equal(dict(again.arrays())[name], array) for name, array in case.arrays())
    assert [one.tolist() for _, one in again.counts()] == [one.tolist() for _, one in case.counts()]


def test_a_case_prints_what_is_not_zero():
    sizes = {"T": 2, "N": 1, "M": 1, "K": 1, "V": 1}
    case = gated.case(sizes=sizes, inputs={"k": {(1, 0, 0, 0): 2}}, states={"S": 0})
    assert repr(case) == f"gated.case(sizes={sizes}, inputs={{'k': {{(1, 0, 0, 0): 2}}}}, states={{'S': 0}})"
    packed = gated.case(sizes={"M": 1, "K": 1, "V": 1}, offsets=[0, 1, 3], inputs={"q": [[[1]], [[2]], [[3]]]})
    assert [array.shape for _, array in packed.arrays()] == [(3, 1, 1)] * 4 and packed.num_rows == 2
    assert eval(repr(packed), {"gated": gated}).inputs["q"].ravel().tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sizes": {"T": 1}}, "sizes has T, must have T, N, M, K, V"),
        ({"sizes": {}}, "sizes has nothing, must have T, N, M, K, V"),
        ({"inputs": {"z": 1}}, "z is not an array of this case; it has q, k, v, g, S"),
        ({"inputs": {"q": [[[[1, 1]]]]}}, "q has shape (1, 1, 1, 2), must be (1, 1, 1, 1)"),
        ({"sizes": {"T": 1, "N": 1, "M": 1, "K": 1, "V": 1}, "offsets": [0, 1]}, "must have M, K, V"),
    ],
)
def test_sizes_are_all_that_a_case_needs(wrong, said):
    with pytest.raises(ShapeError, match=re.escape(said)):
        gated.case(**{"sizes": {"T": 1, "N": 1, "M": 1, "K": 1, "V": 1}} | wrong)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"inputs": {}}, "inputs is empty, must name at least one array and its letters"),
        ({"states": {"x": "K"}}, "x stands for two arrays"),
        ({"outputs": {"s": "K"}}, "s stands for two arrays"),
        ({"inputs": {"x": "T"}}, "T, N and M stand for steps, rows and heads"),
        ({"inputs": {"x": "K1"}}, "must be letters, one for each axis"),
        ({"inputs": {"lengths": "K"}}, "an array cannot be called lengths"),
        ({"ranges": {"z": (0, 1)}}, "ranges has 'z', must be of x, s"),
        ({"ranges": {"x": (1, 0)}}, "must be two finite numbers, the lower one first"),
        ({"ranges": {"x": (-np.inf, 0)}}, "must be two finite numbers"),
        ({"ranges": {"x": 3}}, "must be two finite numbers"),
        ({"inputs": ["x"]}, "inputs is ['x'], must be a dict by name"),
        ({"given_out": ("y",)}, "given_out is ('y',), must be a tuple of names of states: s"),
        ({"given_out": "s"}, "given_out is 's', must be a tuple of names of states: s"),
        ({"heads": "yes"}, "heads is 'yes', must be True or False"),
        ({"axes": 2}, "a recurrence has no axes; what can be said of it is inputs, states, outputs"),
    ],
)
def test_what_is_no_shape_is_refused(changes, said):
    with pytest.raises(CellError) as error:
        recurrence(**({"inputs": {"x": "K"}, "states": {"s": "K"}, "outputs": {"y": "K"}} | changes))
    assert said in str(error.value)


def gives_out(x, s, n):
    return s, s + x, x


def reads_what_it_gives_out(x, s, n):
    return s, s + x, n + x


def test_a_step_does_not_read_what_it_only_gives_out():
    shapes = {"inputs": {"x": "K"}, "states": {"s": "K", "n": "K"}, "outputs": {"y": "K"}, "given_out": ("n",)}
    known = recurrence(gives_out, **shapes)
    assert known.given_out == of_shapes(known.shapes).given_out == ("n",)
    with pytest.raises(CellError, match="its step reads n, which is only given out"):
        recurrence(reads_what_it_gives_out, **shapes)


def wrong_arguments(s, x):
    return s, s


def too_few(x, s):
    return s


def wrong_shape(x, s):
    return s[..., :1], s


def not_on_balls(x, s):
    return np.tanh(s), s


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (wrong_arguments, "its step takes s, x, must take x, s"),
        (too_few, "its step returns 1, must return y, s"),
        (wrong_shape, "its step returns y of shape (5, 2, 1), must be (5, 2, 3) = (N, M, K)"),
        (not_on_balls, "on balls: write it in the functions of reference_rnn"),
    ],
)
def test_a_step_that_does_not_fit_is_refused(step, said):
    with pytest.raises(CellError) as error:
        recurrence(step, inputs={"x": "K"}, states={"s": "K"}, outputs={"y": "K"})
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda inputs: inputs | {"q": inputs["q"][..., :1]}, "q has shape (5, 3, 2, 1), must be (5, 3, 2, 2)"),
        (lambda inputs: inputs | {"q": inputs["q"][0]}, "q has shape (3, 2, 2), must be (T, N, M, K)"),
        (lambda inputs: {name: inputs[name] for name in "kvg"}, "q is missing"),
        (lambda inputs: inputs | {"z": inputs["q"]}, "z is not an array of this case"),
    ],
)
def test_arrays_that_do_not_fit_are_named(change, said):
    case = drawn()
    with pytest.raises(ShapeError) as error:
        gated.case(change(case.inputs), case.states)
    assert said in str(error.value)


def test_offsets_that_fall_are_refused():
    inputs = {name: np.zeros((4, 1, 2)) for name in "qkvg"}
    with pytest.raises(ShapeError, match=r"offsets is .* must begin with 0 and never fall"):
        gated.case(inputs, offsets=[0, 5, 4])
    with pytest.raises(ShapeError, match=r"offsets is \[\], must begin with 0"):
        drawn().replace(offsets=np.array([])).check()


@pytest.mark.parametrize(("shape", "offsets"), [((), None), ((4,), None), ((), np.array([0, 1]))])
def test_inputs_that_lack_the_first_axes_are_refused(shape, offsets):
    first = r"\(steps of all rows\)" if offsets is not None else r"\(T, N\)"
    with pytest.raises(ShapeError, match=rf"q has shape \(.*\), must begin with {first}"):
        drawn().replace(inputs={name: np.zeros(shape) for name in "qkvg"}, offsets=offsets).check()
