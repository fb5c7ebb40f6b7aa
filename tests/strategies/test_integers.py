"""Networks of integers: nothing rounds, in any order, so results are compared by ==."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reference_rnn import DTYPES, PRECISION, case, forward, rounded
from strategies import cases
from strategies.cases import Allowed, from_block
from strategies.integers import banded, growth, integer_network, representable, valid_steps

EMPTIES = ("time", "batch", "length")


def in_its_dtype(c, rng, activation):
    """Output of a case, summed one term after the other in random order, each number stored in its dtype."""
    D, H = c.config.num_directions, c.config.hidden_size
    store = lambda array: rounded(array, c.config.dtype)  # noqa: E731
    below = c.x
    for layer in range(c.config.num_layers):
        above = np.zeros((c.num_steps, c.num_rows, D * H), c.config.numpy_dtype)
        for d, end in enumerate((f"_l{layer}", f"_l{layer}_reverse")[:D]):
            W = np.hstack([c.parameters["weight_ih" + end], c.parameters["weight_hh" + end]])
            biases = [c.parameters[kind + end] for kind in ("bias_ih", "bias_hh") if c.config.bias]
            for row, length in enumerate(c.row_lengths):
                h = c.h_0[layer * D + d, row]
                for t in reversed(range(length)) if d else range(length):
                    terms = np.column_stack([store(W * np.concatenate([below[t, row], h])), *biases])
                    z = np.zeros_like(h)
                    for term in rng.permutation(terms, axis=1).T:
                        z = store(z + term)
                    h = above[t, row, d * H : d * H + H] = activation(z)
        below = above
    return below


def relu(z):
    return np.maximum(z, 0)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=40, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_every_order_of_the_sums_gives_the_same_bits(dtype, data, seed):
    c = data.draw(cases(cells=("RNN_RELU",), dtypes=(dtype,), network="integer", empty=EMPTIES))

    assert representable(c)
    assert np.array_equal(in_its_dtype(c, np.random.default_rng(seed), relu), forward(c).output)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_linear_relu_network_is_exact_too(dtype, data):
    c = data.draw(cases(cells=("RNN_RELU",), dtypes=(dtype,), network="linear", empty=EMPTIES))

    assert representable(c)


@settings(max_examples=40, deadline=None)
@given(cases(cells=("RNN_TANH",), network="linear", empty=EMPTIES), st.integers(0, 2**32 - 1))
def test_in_a_linear_network_tanh_is_the_identity(c, seed):
    with_tanh = in_its_dtype(c, np.random.default_rng(seed), np.tanh)
    without = in_its_dtype(c, np.random.default_rng(seed + 1), lambda z: z)

    assert np.array_equal(with_tanh, without)


def drawn(count, **restrictions):
    rng = np.random.default_rng(0)
    return [from_block(rng.bytes(48), Allowed(**restrictions)) for _ in range(count)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_most_integer_networks_have_something_to_say(dtype):
    outputs = [forward(c).output for c in drawn(300, cells=("RNN_RELU",), dtypes=(dtype,), network="integer")]

    assert np.mean([output.any() for output in outputs]) > 0.7
    assert np.mean([len(np.unique(output)) > 3 for output in outputs]) > 0.4


def test_operands_cut_to_16_bits_show():
    def shortened(c):
        return c.map(lambda name, array: array.astype(np.float16).astype(np.float32))

    networks = drawn(300, cells=("RNN_RELU",), network="integer")

    assert np.mean([not np.array_equal(forward(c).output, forward(shortened(c)).output) for c in networks]) > 0.4


@pytest.mark.parametrize(
    "options",
    [{"bias": True}, {"bias": False}, {"initial_state": False}],
)
def test_every_unit_of_an_automaton_is_saturated(options):
    values = set()
    for c in drawn(200, cells=("RNN_TANH",), network="automaton", **options):
        output = forward(c).output
        alive = np.arange(c.num_steps)[:, None] < c.row_lengths
        values |= set(np.unique(output[alive]))

    assert values == {-1.0, 1.0}


@pytest.mark.parametrize("cell", ["GRU", "GRU_RESET_BEFORE"])
@pytest.mark.parametrize("bias", [True, False])
def test_every_unit_of_an_automaton_of_gates_is_saturated(cell, bias):
    """Gates are at 0 or 1, so a unit keeps its state or takes another one, and both happen."""
    values, kept = set(), []
    for c in drawn(200, cells=(cell,), network="automaton", bias=bias, max_layers=1, bidirectional=False):
        output = forward(c).output
        values |= set(np.unique(output[np.arange(c.num_steps)[:, None] < c.row_lengths]))
        kept += (output[0] == c.h_0[0]).ravel().tolist()

    assert values == {-1.0, 1.0}
    assert 0.2 < np.mean(kept) < 0.9


@pytest.mark.parametrize("cell", ["RNN_TANH", "GRU", "GRU_RESET_BEFORE"])
def test_the_state_has_a_say_in_most_automata(cell):
    def depends(c):
        other = forward(c.replace(h_0=-c.h_0)).output
        return not np.array_equal(forward(c).output, other)

    automata = drawn(100, cells=(cell,), network="automaton", max_layers=1)

    assert np.mean([depends(c.replace(x=c.x[:1], lengths=None)) for c in automata]) > 0.6


# Large sizes


@pytest.mark.sample
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "sizes", [{"hidden_size": (512,)}, {"input_size": (4096,)}, {"steps": (4096,)}, {"num_layers": (64,)}], ids=str
)
def test_a_large_integer_network_is_exact(sizes, dtype):
    rest = {"steps": (1, 2, 5), "batch": (2, 3)}
    most = max(sizes.get("num_layers", (2,)))

    for c in drawn(12, cells=("RNN_RELU",), dtypes=(dtype,), network="integer", max_layers=most, sizes=rest | sizes):
        assert representable(c)
        assert growth(c) < 2 ** PRECISION[dtype]


@pytest.mark.parametrize("sizes", [{"hidden_size": (512,)}, {"input_size": (512,)}], ids=str)
@pytest.mark.parametrize("cell", ["RNN_TANH", "GRU", "GRU_RESET_BEFORE"])
def test_a_large_automaton_is_saturated_and_its_units_differ(cell, sizes):
    for c in drawn(8, cells=(cell,), network="automaton", max_layers=1, memory=False, lengths=False, sizes=sizes):
        output = forward(c).output
        assert set(np.unique(output)) <= {-1.0, 1.0}
        if c.parameters["weight_ih_l0"].any():
            assert len({unit.tobytes() for unit in c.parameters["weight_ih_l0"]}) > 1


@pytest.mark.filterwarnings("error")
def test_what_grows_beyond_all_bounds_is_not_representable():
    c = case("RNN_RELU", T=4096, x=1, weight_ih_l0=2, weight_hh_l0=2)

    assert growth(c) == np.inf and not representable(c)
    assert representable(integer_network(c))


def test_what_is_kept_of_a_matrix_reads_every_column():
    W = np.arange(1.0, 21.0).reshape(5, 4)

    kept = banded(W, 2, 1, lambda numbers: numbers)

    assert ((kept == W) | (kept == 0)).all() and kept.any(0).all()
    assert [np.flatnonzero(row).tolist() for row in kept] == [[1, 2], [2, 3], [0, 3], [0, 1], [1, 2]]
    assert np.array_equal(banded(W, 9, 0, lambda numbers: numbers), W)


# What is representable


@pytest.mark.parametrize(
    "c",
    [
        case(x=1, weight_ih_l0=1),
        case("GRU", h_0=1),
        case("LSTM", H=2, P=1),
        case("RNN_RELU", weight_ih_l0=0.5),
        case("RNN_RELU", x=2.0**-12),
        case("RNN_RELU", weight_ih_l0=np.nan),
        case("RNN_RELU", x=np.inf),
        case("RNN_RELU", h_0=np.nan),
        case("RNN_RELU", x=2.0**24, weight_ih_l0=1),
        case("RNN_RELU", x=2.0**13, bias_ih_l0=2.0**-11, weight_ih_l0=1),
        case("RNN_RELU", T=9, weight_hh_l0=8, h_0=1),
        case("RNN_RELU", x=2.0**8, weight_ih_l0=1, dtype="bfloat16"),
        case("RNN_RELU", x=1, weight_ih_l0=2.0**11, dtype="float16"),
    ],
    ids=repr,
)
def test_what_may_round_is_not_representable(c):
    assert not representable(c)


@pytest.mark.parametrize(
    "c",
    [
        case("RNN_RELU", x=1, weight_ih_l0=1),
        case("RNN_RELU", x=2.0**-11, weight_ih_l0=3),
        case("RNN_RELU", x=2.0**23, weight_ih_l0=1),
        case("RNN_RELU", T=7, weight_hh_l0=8, h_0=1),
        case("RNN_RELU", T=2, lengths=[1], x={(0, 0, 0): 1, (1, 0, 0): np.nan}, weight_ih_l0=1),
        case("RNN_RELU", x=2.0**23, weight_ih_l0=1, dtype="float64"),
        case("RNN_RELU", x=2.0**7 - 1, weight_ih_l0=1, dtype="bfloat16"),
        case("RNN_RELU", x=31, weight_ih_l0=1, dtype="float16"),
    ],
    ids=repr,
)
def test_what_cannot_round_is_representable(c):
    assert representable(c)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_integer_of_float16_is_representable():
    assert representable(case("RNN_RELU", x=32, weight_ih_l0=1, dtype="float16"))


@settings(max_examples=80, deadline=None)
@given(cases(cells=("RNN_RELU",), network="integer"))
def test_no_sum_grows_beyond_the_bound(c):
    result = forward(c)

    assert max(abs(result.output).max(), abs(result.h_n).max()) <= max(growth(c), abs(c.h_0).max())


def test_steps_past_the_end_are_not_counted():
    c = case("RNN_RELU", T=2, N=2, lengths=[1, 2], x=5)
    swapped = c.replace(x=c.x.swapaxes(0, 1), batch_first=True)

    assert valid_steps(c)[..., 0].tolist() == [[5, 5], [0, 5]]
    assert valid_steps(swapped)[..., 0].tolist() == [[5, 0], [5, 5]]
