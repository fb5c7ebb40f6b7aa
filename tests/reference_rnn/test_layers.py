"""Time, directions and layers: by hand, beside PyTorch, in fifty digits, and beside plain loops."""

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_rnn import anchored, arithmetic, case, forward
from strategies import cases

EMPTIES = ("time", "batch", "length")
SEEDS = st.integers(0, 2**32 - 1)
counter = {"cell": "RNN_RELU", "weight_ih_l0": 1, "weight_hh_l0": 1}
counters = counter | {"D": 2, "weight_ih_l0_reverse": 1, "weight_hh_l0_reverse": 1}


# By hand


def test_one_tanh_unit():
    result = forward(case(T=3, weight_ih_l0=1, weight_hh_l0=1, x=1))

    assert result.output.ravel() == pytest.approx([0.76159416, 0.94268079, 0.95974603], abs=1e-8)
    assert result.h_n == result.output[-1]


def test_each_bias_counts_once():
    assert forward(case("RNN_RELU", bias_ih_l0=1, bias_hh_l0=2)).output == 3


def test_a_counter_counts_from_its_initial_state():
    result = forward(case(**counter, T=4, x=1, h_0=10))

    assert result.output.ravel().tolist() == [11, 12, 13, 14]
    assert result.h_n.tolist() == [[[14]]]


def test_a_delay_line_hands_its_input_on():
    shift = {(1, 0): 1, (2, 1): 1}
    x = [[[5]], [[6]], [[7]], [[8]]]

    result = forward(case("RNN_RELU", T=4, H=3, weight_ih_l0={(0, 0): 1}, weight_hh_l0=shift, x=x))

    assert result.output[:, 0].tolist() == [[5, 0, 0], [6, 5, 0], [7, 6, 5], [8, 7, 6]]


def test_the_reverse_direction_starts_at_the_last_step():
    result = forward(case(**counters, T=3, x=1, h_0=[[[10]], [[20]]]))

    assert result.output[:, 0].tolist() == [[11, 23], [12, 22], [13, 21]]
    assert result.h_n.ravel().tolist() == [13, 23]


def test_a_row_ends_at_its_length_in_both_directions():
    result = forward(case(**counters, T=3, N=4, x=1, h_0=10, lengths=[2, 0, 3, 1]))

    assert result.output[..., 0].T.tolist() == [[11, 12, 0], [0, 0, 0], [11, 12, 13], [11, 0, 0]]
    assert result.output[..., 1].T.tolist() == [[12, 11, 0], [0, 0, 0], [13, 12, 11], [11, 0, 0]]
    assert result.h_n[..., 0].tolist() == [[12, 10, 13, 11]] * 2


def test_h_n_is_layer_major_and_direction_minor():
    biases = {"bias_ih_l0": 1, "bias_ih_l0_reverse": 2, "bias_ih_l1": 3, "bias_ih_l1_reverse": 4}

    assert forward(case(L=2, D=2, **biases)).h_n.ravel() == pytest.approx(np.tanh([1, 2, 3, 4]))


def test_each_entry_of_h_0_reaches_its_own_layer_and_direction():
    ends = ("_l0", "_l0_reverse", "_l1", "_l1_reverse")
    h_0 = [[[1]], [[2]], [[3]], [[4]]]

    result = forward(case("RNN_RELU", T=3, L=2, D=2, **{"weight_hh" + end: 1 for end in ends}, h_0=h_0))

    assert result.h_n.tolist() == h_0
    assert result.output[:, 0].tolist() == [[3, 4]] * 3


def test_a_layer_reads_both_halves_of_the_one_below():
    c = case("RNN_RELU", L=2, D=2, bias_ih_l0=1, bias_ih_l0_reverse=10, weight_ih_l1=[[2, 3]])

    assert forward(c).output.ravel().tolist() == [32, 0]


# What is empty or past the end


def test_without_steps_the_final_state_is_the_initial_one():
    result = forward(case(T=0, N=2, H=3, L=2, D=2, h_0=7))

    assert result.output.shape == (0, 2, 6)
    assert result.h_n.tolist() == np.full((4, 2, 3), 7).tolist()


def test_without_rows_there_is_nothing_of_the_right_shape():
    result = forward(case(T=3, N=0, H=2, D=2, h_0=0))

    assert (result.output.shape, result.h_n.shape) == ((3, 0, 4), (2, 0, 2))


@settings(max_examples=60, deadline=None)
@given(cases(lengths=True, empty=EMPTIES, memory=False), st.sampled_from([np.nan, np.inf, 9.0]))
def test_what_stands_in_the_padding_changes_nothing(c, garbage):
    ended = np.arange(c.num_steps)[:, None] >= c.lengths
    clean, dirty = (c.replace(x=np.where(ended[..., None], value, c.x)) for value in (0.0, garbage))

    one, other = forward(clean), forward(dirty)

    assert np.isfinite(one.output).all() and not one.output[ended].any()
    assert np.array_equal(one.output, other.output) and np.array_equal(one.h_n, other.h_n)


@settings(max_examples=40, deadline=None)
@given(cases(lengths=True, empty=("length",)))
def test_a_row_of_length_0_keeps_its_initial_state(c):
    c = c.replace(lengths=c.lengths * (np.arange(c.num_rows) != 0))

    assert np.array_equal(forward(c).h_n[:, 0], c.h_0[:, 0])


# Layouts


@settings(max_examples=40, deadline=None)
@given(cases(empty=EMPTIES))
def test_batch_first_swaps_x_and_output_and_nothing_else(c):
    swapped = forward(c.replace(x=c.x.swapaxes(0, 1), batch_first=True))

    assert np.array_equal(swapped.output.swapaxes(0, 1), forward(c).output)
    assert np.array_equal(swapped.h_n, forward(c).h_n)


@settings(max_examples=40, deadline=None)
@given(cases(sizes={"batch": (1,)}, empty=("time", "length")), st.booleans())
def test_unbatched_is_a_batch_of_one(c, batch_first):
    alone = forward(c.replace(x=c.x[:, 0], h_0=c.h_0[:, 0], batch_first=batch_first))

    assert np.array_equal(alone.output, forward(c).output[:, 0])
    assert np.array_equal(alone.h_n, forward(c).h_n[:, 0])


@settings(max_examples=40, deadline=None)
@given(cases(empty=EMPTIES))
def test_no_state_is_a_state_of_zeros(c):
    none, zero = forward(c.replace(h_0=None)), forward(c.replace(h_0=0 * c.h_0))

    assert np.array_equal(none.output, zero.output) and np.array_equal(none.h_n, zero.h_n)


# Beside PyTorch


@pytest.fixture(scope="module")
def torch():
    """PyTorch with one thread; on a busy machine more cost thirty times the work itself."""
    torch = pytest.importorskip("torch")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)


def by_torch(torch, c):
    """Output and h_n of ``torch.nn.RNN``."""
    kind, k = c.config.cell.removeprefix("RNN_").lower(), c.config
    module = torch.nn.RNN(
        k.input_size, k.hidden_size, k.num_layers, kind, k.bias, k.batch_first,
        bidirectional=k.bidirectional, dtype=torch.float64,
    )  # fmt: skip
    tensor = lambda array: torch.from_numpy(np.ascontiguousarray(array).copy())  # noqa: E731
    module.load_state_dict({name: tensor(array) for name, array in c.parameters.items()})
    x, h_0 = tensor(c.x), None if c.h_0 is None else tensor(c.h_0)
    rnn = torch.nn.utils.rnn
    with torch.no_grad():
        if c.lengths is None:
            output, h_n = module(x, h_0)
        else:
            packed = rnn.pack_padded_sequence(x, tensor(c.lengths), k.batch_first, enforce_sorted=False)
            output, h_n = module(packed, h_0)
            output, _ = rnn.pad_packed_sequence(output, k.batch_first, total_length=c.num_steps)
    return output.numpy(), h_n.numpy()


def tamed(c):
    """The case with recurrent rows that sum to at most 1, so that no rounding grows."""
    reach = {name: max(1, abs(a).sum(1).max()) for name, a in c.parameters.items() if name.startswith("weight_hh")}
    return c.map(lambda name, array: array / reach.get(name, 1))


def equals_torch(torch, c):
    output, h_n = by_torch(torch, c)
    result = forward(c)
    assert output == pytest.approx(result.output, rel=1e-12, abs=1e-12 * (1 + abs(result.output).max()))
    assert h_n == pytest.approx(result.h_n, rel=1e-12, abs=1e-12 * (1 + abs(result.h_n).max()))


@settings(max_examples=200, deadline=None)
@given(c=cases(dtypes=("float64",)).map(tamed), batch_first=st.booleans(), default_state=st.booleans())
def test_torch_computes_the_same(torch, c, batch_first, default_state):
    if batch_first:
        c = c.replace(x=c.x.swapaxes(0, 1), batch_first=True)
    if default_state:
        c = c.replace(h_0=None)
    equals_torch(torch, c)


@settings(max_examples=40, deadline=None)
@given(c=cases(dtypes=("float64",), sizes={"batch": (1,)}, lengths=False).map(tamed))
def test_torch_computes_the_same_unbatched(torch, c):
    equals_torch(torch, c.replace(x=c.x[:, 0], h_0=c.h_0[:, 0]))


# In fifty digits


def in_digits(c):
    """The exact final state of one direction and layer, as ``h[row][unit]``."""
    numbers = lambda array: [[mpmath.mpf(float(v)) for v in row] for row in array]  # noqa: E731
    p = c.parameters
    weights = numbers(np.hstack([p["weight_ih_l0"], p["weight_hh_l0"]]))
    biases = [mpmath.mpf(float(a)) + float(b) for a, b in zip(p["bias_ih_l0"], p["bias_hh_l0"])]
    activation = mpmath.tanh if c.config.cell == "RNN_TANH" else lambda z: max(z, mpmath.mpf(0))
    rows = numbers(c.h_0[0])
    for row, length in enumerate(c.row_lengths):
        for x in numbers(c.x[:length, row]):
            now = [*x, *rows[row]]
            rows[row] = [activation(mpmath.fdot(W, now) + b) for W, b in zip(weights, biases)]
    return rows


@settings(max_examples=60, deadline=None)
@given(cases(dtypes=("float64",), max_layers=1, bidirectional=False, bias=True, sizes={"hidden_size": (1, 2, 3, 5)}))
def test_the_exact_result_lies_in_the_ball(c):
    ball = forward(c, arithmetic("float64")).h_n[0]

    with mpmath.workdps(50):
        exact = in_digits(c)
        for row, unit in np.ndindex(ball.shape):
            error = abs(exact[row][unit] - float(ball.mid[row, unit]))
            assert error <= float(ball.rad[row, unit])


# Beside plain loops


def in_random_order(seed):
    """A step whose sums are added up one term after the other, in another order each time."""
    rng = np.random.default_rng(seed)

    def step(cell, x, h, W_ih, W_hh, b_ih, b_hh):
        terms = np.column_stack([W_ih * x, W_hh * h, b_ih, b_hh])
        z = np.cumsum(terms[:, rng.permutation(terms.shape[1])], axis=1)[:, -1]
        return np.tanh(z) if cell == "RNN_TANH" else np.maximum(z, 0)

    return step


@pytest.mark.sample
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=200, deadline=None)
@given(data=st.data(), seed=SEEDS)
def test_a_loop_in_random_order_lies_in_its_balls(looped, dtype, data, seed):
    c = data.draw(cases(dtypes=(dtype,), empty=EMPTIES))

    output, h_n = looped(c, in_random_order(seed))

    for balls in (forward(c, arithmetic(dtype)), anchored(c, output, arithmetic(dtype))):
        assert balls.output.contains(output).all()
        assert balls.h_n.contains(h_n).all()


def like_torch(rng, **sizes):
    """A float32 case with weights as PyTorch initialises them and Gaussian x and h_0."""
    k = 1 / np.sqrt(sizes["H"])

    def drawn(name, array):
        numbers = rng.standard_normal if name in ("x", "h_0") else lambda shape: rng.uniform(-k, k, shape)
        return numbers(array.shape).astype(np.float32)

    return case(**sizes, h_0=0).map(drawn)


@pytest.mark.parametrize(("sizes", "widest"), [({"L": 1}, 1e-5), ({"L": 2, "D": 2}, 1e-3)])
def test_balls_are_narrow_for_usual_weights(sizes, widest):
    rng = np.random.default_rng(0)
    radii = np.concatenate([
        forward(like_torch(rng, T=8, N=2, I=4, H=H, **sizes), arithmetic("float32")).output.rad.ravel()
        for H in (2, 5, 8, 16)
    ])  # fmt: skip

    assert 2.0**-24 < np.median(radii) < widest


@pytest.mark.parametrize("seed", range(30))
def test_one_wrong_number_is_rejected(looped, seed):
    rng = np.random.default_rng(seed)
    c = like_torch(rng, T=6, N=3, I=3, H=4, L=2, D=2, lengths=rng.integers(2, 7, 3))
    output, _ = looped(c, in_random_order(seed))
    row = rng.integers(3)
    at = rng.integers(c.row_lengths[row]), row, rng.integers(8)

    output[at] += 1e-4

    assert not anchored(c, output, arithmetic("float32")).output.contains(output)[at]


def test_a_run_that_goes_wrong_once_is_wrong_there_and_nowhere_else(looped):
    """Each step is judged from the state that the implementation itself had before it."""
    c = like_torch(np.random.default_rng(3), T=9, N=1, I=2, H=3)
    step, calls = in_random_order(0), iter(range(9))

    output, _ = looped(c, lambda *given: step(*given) + np.float32(1e-3 if next(calls) == 4 else 0))

    wrong = ~anchored(c, output, arithmetic("float32")).output.contains(output)
    assert np.flatnonzero(wrong.any((1, 2))).tolist() == [4]
    assert (~forward(c, arithmetic("float32")).output.contains(output)).any((1, 2))[5]


def test_chaos_widens_the_run_but_not_its_steps(looped):
    rng = np.random.default_rng(1)
    c = like_torch(rng, T=60, N=2, I=3, H=8)
    c = c.replace(parameters=c.parameters | {"weight_hh_l0": 2 * c.parameters["weight_hh_l0"]})
    output, h_n = looped(c, in_random_order(1))

    free, steps = forward(c, arithmetic("float32")), anchored(c, output, arithmetic("float32"))

    assert free.output.rad[-1].max() > 1
    assert steps.output.rad.max() < 1e-4
    assert steps.output.contains(output).all() and steps.h_n.contains(h_n).all()


def test_a_state_may_be_kept_wider_than_it_is_returned():
    c = case("RNN_RELU", T=2, weight_hh_l0=3, h_0=1)
    u = arithmetic("float32").u

    rad = anchored(c, forward(c).output, arithmetic("float32")).output.rad.ravel()

    assert rad[1] - 3 * rad[0] == pytest.approx(3 * u * 3, rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(cases(empty=EMPTIES), st.booleans())
def test_anchored_balls_come_in_the_layout_of_the_case(c, batch_first):
    changed = c.replace(x=c.x.swapaxes(0, 1), batch_first=True) if batch_first else c
    own = forward(changed).output

    balls = anchored(changed, own, arithmetic("float32"))

    assert balls.output.shape == own.shape
    assert balls.output.contains(own).all()


@pytest.mark.parametrize("length", [0, 1, 2])
def test_an_anchored_final_state_is_the_last_step_in_walking_order(length):
    c = case(**counters, T=2, x=1, h_0=10, lengths=[length])

    balls = anchored(c, forward(c).output, arithmetic("float32"))

    assert balls.h_n.mid.ravel().tolist() == [10 + length] * 2
    assert (balls.h_n.rad > 0).all() == (length > 0)
