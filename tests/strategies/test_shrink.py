"""Counterexamples made small: planted mistakes end in what a person can work by hand."""

import time

import numpy as np
import pytest

from reference_rnn import CELLS, case, forward, parameter_shapes, result_shapes, state_shapes
from strategies import layout_of, relaid, shrink
from strategies.cases import Allowed, from_block
from strategies.shrink import axes, size_of, without

USUAL = Allowed()
LSTMS = Allowed(cells=("LSTM",), projections=True)
GRUS = Allowed(cells=("GRU", "GRU_RESET_BEFORE"))


def drawn(count, fails, allowed=USUAL):
    """Random cases on which ``fails`` is true."""
    rng = np.random.default_rng(0)
    failing = (c for c in iter(lambda: from_block(rng.bytes(48), allowed), None) if fails(c))
    return [next(failing) for _ in range(count)]


def sizes(c):
    """L, D, T, N, I and H."""
    k = c.config
    return k.num_layers, k.num_directions, c.num_steps, c.num_rows, k.input_size, k.hidden_size


def nonzero(c):
    return sum(np.count_nonzero(array) for _, array in c.arrays())


def differ(one, other):
    return not all(np.allclose(a, b, atol=1e-6) for (_, a), (_, b) in zip(forward(one).items(), forward(other).items()))


def forgets_the_initial_state(c):
    return differ(c, c.replace(h_0=None))


def transposes_recurrent_weights(c):
    return differ(c, c.map(lambda name, array: array.T if name.startswith("weight_hh") else array))


def loses_the_second_bias(c):
    return differ(c, c.map(lambda name, array: 0 * array if name.startswith("bias_hh") else array))


def ignores_lengths(c):
    return c.lengths is not None and np.isfinite(c.x).all() and differ(c, c.replace(lengths=None))


def swaps_states_of_directions(c):
    D = c.config.num_directions
    return D == 2 and differ(c, c.replace(h_0=c.h_0.reshape(-1, D, *c.h_0.shape[1:])[:, ::-1].reshape(c.h_0.shape)))


# A mistake; how large L, D, T, N, I and H may be in the end; how many numbers may be left.
PLANTED = {
    "two layers": (lambda c: c.config.num_layers >= 2, (2, 1, 1, 1, 1, 1), 0),
    "a reverse direction": (lambda c: c.config.bidirectional, (1, 2, 1, 1, 1, 1), 0),
    "a third step": (lambda c: c.num_steps >= 3, (1, 1, 3, 1, 1, 1), 0),
    "rows of several lengths": (lambda c: len({*c.row_lengths}) >= 2, (1, 1, 2, 2, 1, 1), 0),
    "two steps and a state": (lambda c: c.num_steps >= 2 and c.h_0[..., -1].any(), (1, 2, 2, 1, 1, 1), 1),
    "a state in the second unit": (lambda c: c.h_0[..., 1:].any(), (1, 2, 1, 1, 1, 2), 4),
    "forgets the initial state": (forgets_the_initial_state, (1, 2, 1, 1, 1, 2), 4),
    "transposes recurrent weights": (transposes_recurrent_weights, (1, 2, 2, 1, 1, 2), 4),
    "loses the second bias": (loses_the_second_bias, (1, 2, 1, 1, 1, 1), 1),
    "ignores lengths": (ignores_lengths, (1, 1, 2, 1, 1, 1), 2),
    "swaps states of directions": (swaps_states_of_directions, (1, 2, 1, 1, 1, 2), 4),
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_a_planted_mistake_ends_in_a_case_to_work_by_hand(mistake):
    fails, largest, numbers = PLANTED[mistake]

    for c in drawn(5, fails):
        end = shrink(c, fails, USUAL.admits)
        assert fails(end) and nonzero(end) <= numbers, repr(end)
        assert all(size <= limit for size, limit in zip(sizes(end), largest)), repr(end)


def test_the_search_comes_to_rest():
    calls = {mistake: [] for mistake in PLANTED}
    for mistake, (fails, *_) in PLANTED.items():
        for c in drawn(4, fails):
            runs = []
            shrink(c, lambda c, runs=runs, fails=fails: runs.append(c) or fails(c), USUAL.admits)
            calls[mistake].append(len(runs))

    assert all(max(counts) < 200 for counts in calls.values()), calls


def test_the_numbers_left_are_round():
    for c in drawn(6, forgets_the_initial_state):
        end = shrink(c, forgets_the_initial_state, USUAL.admits)
        left = {float(v) for _, array in end.arrays() for v in array.ravel()}
        assert left <= {0, 1, -1}, repr(end)


def test_lengths_and_memory_that_do_not_matter_go():
    relaid_and_ragged = drawn(10, lambda c: c.lengths is not None and any(layout_of(a) != "C" for _, a in c.arrays()))

    for c in relaid_and_ragged:
        end = shrink(c, lambda c: c.num_steps > 0, USUAL.admits)
        assert end.lengths is None and {layout_of(array) for _, array in end.arrays()} == {"C"}


@pytest.mark.parametrize("index", range(3))
def test_any_unneeded_unit_goes_and_not_only_the_last(index):
    """The unit that matters is the one whose bias is 7."""
    c = drawn(1, lambda c: c.config.bias and c.config.hidden_size >= 3 and c.config.num_layers == 1)[0]
    c.parameters["bias_ih_l0"] = np.where(np.arange(c.config.hidden_size) == index, 7, 0).astype(np.float32)

    end = shrink(c, lambda c: 7 in c.parameters["bias_ih_l0"], USUAL.admits)

    assert end.parameters["bias_ih_l0"].tolist() == [7]


LEGAL = {
    "two layers": Allowed(min_layers=2),
    "both directions": Allowed(bidirectional=True),
    "lengths": Allowed(lengths=True),
    "bias": Allowed(bias=True),
    "three steps": Allowed(min_steps=3),
    "sizes": Allowed(sizes={"hidden_size": (2, 4, 8), "batch": (3,)}),
    "no rows, no steps": Allowed(empty=("time", "batch", "length")),
}


@pytest.mark.parametrize("legal", LEGAL)
def test_every_case_on_the_way_is_whole_and_legal(legal):
    allowed = LEGAL[legal]
    tried = []

    for c in drawn(4, lambda c: c.x.any(), allowed):
        shrink(c, lambda c: tried.append(c.check()) or bool(c.x.any()), allowed.admits)

    assert len(tried) > 20
    assert all(allowed.admits(c) for c in tried)


def test_a_legal_size_is_reached_over_illegal_ones():
    allowed = Allowed(sizes={"hidden_size": (4, 8)})

    for c in drawn(5, lambda c: c.config.hidden_size == 8, allowed):
        assert shrink(c, lambda c: True, allowed.admits).config.hidden_size == 4


@pytest.mark.parametrize("runs", [0, 7, 60])
def test_the_implementation_runs_no_more_often_than_it_may(runs):
    for c in drawn(4, forgets_the_initial_state):
        calls = []
        end = shrink(c, lambda c: calls.append(c) or forgets_the_initial_state(c), USUAL.admits, runs=runs)
        assert len(calls) <= runs
        assert forgets_the_initial_state(end)


def test_a_slow_implementation_ends_the_search_in_time():
    (c,) = drawn(1, lambda c: c.config.hidden_size > 8)

    start = time.monotonic()
    shrink(c, lambda c: time.sleep(0.02), USUAL.admits, seconds=0.1)

    assert time.monotonic() - start < 1


def test_the_given_case_is_not_changed():
    for c in drawn(4, forgets_the_initial_state):
        before = repr(c)
        shrink(c, forgets_the_initial_state, USUAL.admits)
        assert repr(c) == before


def test_what_is_smallest_stays():
    (c,) = drawn(1, transposes_recurrent_weights)
    end = shrink(c, transposes_recurrent_weights, USUAL.admits)

    assert repr(shrink(end, transposes_recurrent_weights, USUAL.admits)) == repr(end)


@pytest.mark.parametrize("layout", ["F", "strided", "negative", "wide", "tall", "read-only"])
def test_numbers_go_from_an_array_whose_layout_matters(layout):
    c = drawn(1, lambda c: min(c.x.shape) >= 2 and np.isfinite(c.x).all() and c.x.all())[0]
    c = c.replace(x=relaid(c.x, layout))

    end = shrink(c, lambda c: c.num_steps >= 2 and c.config.input_size >= 2 and layout_of(c.x) == layout, USUAL.admits)

    assert not end.x.any()


def test_building_cases_takes_no_longer_than_it_may():
    c = case("RNN_TANH", T=3, N=2, I=4, H=700, x=1, weight_hh_l0=1)
    began = time.monotonic()

    assert shrink(c, lambda c: False, lambda c: False, seconds=0.2) is c
    assert shrink(c, lambda c: True, lambda c: c.config.hidden_size == 700, runs=0) is c
    assert time.monotonic() - began < 5


def test_what_is_large_by_claim_stays_large_and_is_small_elsewhere():
    c = case("LSTM", T=5, N=3, I=4, H=300, L=2, D=2, x=1, weight_hh_l0=0.5, bias_hh_l1=1)

    small = shrink(c, lambda c: bool(c.x.size and c.x.flat[0] == 1), lambda c: c.config.hidden_size == 300, seconds=60)

    sizes = [size_of(small, axis) for axis in "LDTNIH"]
    assert sizes == [1, 1, 1, 1, 1, 300]
    assert [name for name, array in small.arrays() if array.any()] == ["x"]


@pytest.mark.parametrize(
    ("axis", "kept"), [("T", [0, 3, 4]), ("N", [0, 3]), ("I", [0, 3]), ("H", [0, 3, 4]), ("L", [0, 3])]
)
def test_several_are_taken_away_at_once_as_one_by_one(axis, kept):
    sizes = {"steps": (5,), "batch": (4,), "input_size": (4,), "hidden_size": (5,), "num_layers": (4,)}
    allowed = Allowed(cells=("LSTM",), lengths=True, bidirectional=True, memory=False, sizes=sizes)
    c = from_block(bytes(range(48)), allowed)

    at_once, singly = without(c, axis, 1, 2).check(), without(without(c, axis, 1), axis, 1)

    assert size_of(at_once, axis) == len(kept)
    assert repr(at_once) == repr(singly)


def test_a_nan_that_matters_does_not_use_up_the_runs():
    calls = []
    for c in drawn(1, lambda c: np.isnan(c.x).any()):
        shrink(c, lambda c: calls.append(c) or bool(np.isnan(c.x).any()), USUAL.admits, runs=400)

    assert len(calls) < 150


# Gates, cell states and projections


def projected(c):
    return c.config.proj_size > 0


def units(c):
    """P and H."""
    return c.config.proj_size, c.config.hidden_size


def forgets_the_cell_state(c):
    return differ(c, c.replace(c_0=None))


def forgets_the_state(c):
    return differ(c, c.replace(h_0=None))


def transposes_the_projection(c):
    return projected(c) and differ(c, c.map(lambda name, array: array[::-1] if name.startswith("weight_hr") else array))


def swaps_gates(first, second):
    """A mistake that takes two gates for one another."""

    def swapped(name, array, H):
        if name in ("x", "h_0", "c_0") or name.startswith("weight_hr"):
            return array
        gates = array.reshape(-1, H, *array.shape[1:]).copy()
        gates[[first, second]] = gates[[second, first]]
        return gates.reshape(array.shape)

    return lambda c: differ(c, c.map(lambda name, array: swapped(name, array, c.config.hidden_size)))


def resets_before(c):
    return c.config.cell == "GRU" and differ(c, c.replace(cell="GRU_RESET_BEFORE"))


# What is drawn; a mistake; how large L, D, T, N, I and H may be in the end; how many numbers may be left.
GATED = {
    "a projection": (LSTMS, projected, (1, 1, 1, 1, 1, 2), 0),
    "two projected numbers": (LSTMS, lambda c: c.config.proj_size >= 2, (1, 1, 1, 1, 1, 3), 0),
    "forgets the cell state": (LSTMS, forgets_the_cell_state, (1, 2, 1, 1, 1, 2), 4),
    "forgets the state of an LSTM": (LSTMS, forgets_the_state, (1, 2, 1, 1, 1, 2), 5),
    "turns the projection over": (LSTMS, transposes_the_projection, (1, 2, 2, 1, 1, 3), 6),
    "takes i for f": (LSTMS, swaps_gates(0, 1), (1, 2, 2, 1, 1, 2), 6),
    "takes i for o": (LSTMS, swaps_gates(0, 3), (1, 2, 2, 1, 1, 2), 6),
    "takes r for z": (GRUS, swaps_gates(0, 1), (1, 2, 2, 1, 1, 2), 6),
    "resets before": (GRUS, resets_before, (1, 2, 2, 1, 1, 2), 6),
}


@pytest.mark.parametrize("mistake", GATED)
def test_a_mistake_in_a_gated_cell_ends_in_a_case_to_work_by_hand(mistake):
    allowed, fails, largest, numbers = GATED[mistake]

    for c in drawn(4, fails, allowed):
        tried = []
        end = shrink(c, lambda c: tried.append(c.check()) or fails(c), allowed.admits)
        assert fails(end) and nonzero(end) <= numbers, repr(end)[:300]
        assert all(size <= limit for size, limit in zip(sizes(end), largest)), repr(end)[:300]
        assert all(allowed.admits(c) and c.config.proj_size < c.config.hidden_size for c in tried)
        assert len(tried) < 300


def test_a_projection_keeps_its_kind_and_becomes_small():
    """What fails with any projection ends with one projected number of two units; one without has no projection."""
    for c in drawn(6, projected, LSTMS):
        assert units(shrink(c, projected, LSTMS.admits)) == (1, 2)
    for c in drawn(6, lambda c: not projected(c), LSTMS):
        assert units(shrink(c, lambda c: True, LSTMS.admits)) == (0, 1)


@pytest.mark.parametrize("least", [2, 3, 5])
def test_there_are_always_more_units_than_projected_numbers(least):
    for c in drawn(4, lambda c: c.config.proj_size >= least, LSTMS):
        assert units(shrink(c, lambda c: c.config.proj_size >= least, LSTMS.admits)) == (least, least + 1)


def test_units_may_matter_that_are_not_projected():
    for c in drawn(4, lambda c: projected(c) and c.config.hidden_size >= 5, LSTMS):
        end = shrink(c, lambda c: projected(c) and c.config.hidden_size >= 5, LSTMS.admits)
        assert units(end) == (1, 5)


@pytest.mark.parametrize("index", range(3))
def test_any_unneeded_projected_number_goes_and_not_only_the_last(index):
    """The projected number that matters is the one whose initial state is 7."""
    c = drawn(1, lambda c: c.config.proj_size >= 3 and c.config.num_layers == 1 and not c.config.bidirectional, LSTMS)
    c = c[0].replace(h_0=np.where(np.arange(c[0].config.proj_size) == index, 7 + 0 * c[0].h_0, 0))

    end = shrink(c, lambda c: 7 in c.h_0, LSTMS.admits)

    assert end.h_0.tolist() == [[[7]]] and units(end) == (0, 1)


@pytest.mark.parametrize("gate", range(4))
def test_a_unit_goes_from_every_gate(gate):
    """The bias of each gate and unit is another number, and the third unit matters in one gate."""
    c = drawn(
        1, lambda c: c.config.bias and c.config.hidden_size >= 4 and sizes(c)[0] == 1 and not projected(c), LSTMS
    )[0]
    H = c.config.hidden_size
    c.parameters["bias_ih_l0"] = (100 * np.arange(4)[:, None] + np.arange(H) + 1).astype(np.float32).ravel()

    end = shrink(c, lambda c: 100 * gate + 3 in c.parameters["bias_ih_l0"], LSTMS.admits)

    assert end.parameters["bias_ih_l0"].tolist() == [(100 * gate + 3) * (g == gate) for g in range(4)]


def numbered(cell, **sizes):
    """A case in which every number of every array is another one."""
    sizes = {"T": 3, "N": 2, "I": 3, "H": 4, "L": 2, "D": 2, "dtype": "float64"} | sizes
    c = case(cell, **sizes, h_0=0, **({"c_0": 0} if cell == "LSTM" else {}))
    counter = iter(range(1, 10**6))
    return c.map(lambda name, array: np.array([next(counter) for _ in range(array.size)], float).reshape(array.shape))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("axis", "TNIHPLD")
def test_without_one_of_any_axis_the_case_is_whole(cell, axis):
    for P in (0, 2) if cell == "LSTM" else (0,):
        c = numbered(cell, P=P)
        for index in range(size_of(c, axis)):
            smaller = without(c, axis, index).check()
            assert size_of(smaller, axis) == size_of(c, axis) - 1
            assert all(size_of(smaller, other) == size_of(c, other) for other in "TNIHPLD" if other != axis)


@pytest.mark.parametrize(("P", "kept"), [(0, "H"), (2, "P")])
def test_what_goes_with_a_unit_is_what_belongs_to_it(P, kept):
    c = numbered("LSTM", P=P)
    H, state = 4, P or 4

    smaller = without(c, "H", 1)

    units = [unit for unit in range(4 * H) if unit % H != 1]
    columns = [column for column in range(2 * state) if kept == "P" or column % H != 1]
    here = smaller.parameters
    assert np.array_equal(here["weight_ih_l0"], c.parameters["weight_ih_l0"][units])
    assert np.array_equal(here["weight_ih_l1"], c.parameters["weight_ih_l1"][units][:, columns])
    assert np.array_equal(here["weight_hh_l1"], c.parameters["weight_hh_l1"][units][:, columns[: len(columns) // 2]])
    assert np.array_equal(here["bias_hh_l1_reverse"], c.parameters["bias_hh_l1_reverse"][units])
    assert np.array_equal(smaller.c_0, c.c_0[..., [0, 2, 3]])
    assert np.array_equal(smaller.h_0, c.h_0 if P else c.h_0[..., [0, 2, 3]])
    if P:
        assert np.array_equal(here["weight_hr_l1"], c.parameters["weight_hr_l1"][:, [0, 2, 3]])


def test_what_goes_with_a_projected_number_is_what_reads_and_gives_it():
    c = numbered("LSTM", P=3)

    smaller = without(c, "P", 1)

    assert np.array_equal(smaller.parameters["weight_hr_l0_reverse"], c.parameters["weight_hr_l0_reverse"][[0, 2]])
    assert np.array_equal(smaller.parameters["weight_hh_l0"], c.parameters["weight_hh_l0"][:, [0, 2]])
    assert np.array_equal(smaller.parameters["weight_ih_l1"], c.parameters["weight_ih_l1"][:, [0, 2, 3, 5]])
    assert np.array_equal(smaller.parameters["weight_ih_l0"], c.parameters["weight_ih_l0"])
    assert np.array_equal(smaller.h_0, c.h_0[..., [0, 2]]) and np.array_equal(smaller.c_0, c.c_0)


def test_what_goes_with_a_layer_or_a_direction_is_its_projection_and_its_states():
    c = numbered("LSTM", P=2, I=4)

    upper, forwards = without(c, "L", 0), without(c, "D", 1)

    assert np.array_equal(upper.parameters["weight_hr_l0_reverse"], c.parameters["weight_hr_l1_reverse"])
    assert np.array_equal(upper.c_0, c.c_0[2:]) and np.array_equal(upper.h_0, c.h_0[2:])
    assert np.array_equal(forwards.parameters["weight_ih_l1"], c.parameters["weight_ih_l1"][:, :2])
    assert np.array_equal(forwards.c_0, c.c_0[::2]) and np.array_equal(forwards.h_0, c.h_0[::2])


def test_what_is_needed_stays():
    least = case("LSTM", H=3, P=2)

    assert without(least, "H", 0) is least
    assert without(case("LSTM", H=2, P=1), "P", 0).config.proj_size == 1
    assert without(case("LSTM"), "P", 0).config.proj_size == 0


@pytest.mark.parametrize("layout", [{}, {"batch_first": True}, {"unbatched": True, "N": 1}])
@pytest.mark.parametrize("cell", CELLS)
def test_the_axes_of_every_array_and_result_are_known(cell, layout):
    for P in (0, 2) if cell == "LSTM" else (0,):
        c = numbered(cell, P=P, **layout)
        shapes = {**parameter_shapes(c.config), **state_shapes(c), **result_shapes(c)}
        for name, shape in shapes.items():
            known = [4 if letter == "K" else size_of(c, letter) * blocks for letter, blocks in axes(name, c)]
            assert tuple(known) == shape.sizes, name
