"""The covering cases."""

from collections import Counter

import numpy as np
import pytest

from conformance.judging.coverage import AREAS, areas_of
from reference_rnn import CELLS, DTYPES, arithmetic, forward
from strategies import layout_of
from strategies.cases import NETWORKS, PADDINGS, Allowed
from strategies.covering import ALIKE, COVERING, covering
from strategies.integers import representable
from strategies.memory import LAYOUTS

EMPTIES = ("time", "batch", "length")
EVERYTHING = Allowed(cells=CELLS, projections=True, empty=EMPTIES)
PLAIN = Allowed(empty=EMPTIES)


def not_void(c):
    """Whether the ball of the output verifies something."""
    output = forward(c, arithmetic("float32")).output
    return not output.rad.max(initial=0) > 2**-10 * abs(output.mid).max(initial=0) > 0


@pytest.fixture(scope="module")
def exercised():
    """What the covering cases exercise that verify something: in turn, for every cell, and for plain cells only."""
    choices = {"in turn": (EVERYTHING,), "every cell": (EVERYTHING, 0, True), "plain": (PLAIN,)}
    return {
        choice: {area for c in covering(*given) if not_void(c) for area in areas_of(c)}
        for choice, given in choices.items()
    }


@pytest.mark.parametrize("allowed", [EVERYTHING, PLAIN])
def test_there_are_24_and_each_is_another_one(allowed):
    assert len(list(covering(allowed))) == len({repr(c) for c in covering(allowed)}) == 24


@pytest.mark.parametrize("area", [*AREAS, *CELLS])
def test_every_area_is_covered_by_a_case_that_verifies_something(exercised, area):
    assert area in exercised["in turn"] and area in exercised["every cell"]


@pytest.mark.parametrize("area", [area for area in AREAS if area not in ("projections", "every slice of c_0 non-zero")])
def test_plain_cells_cover_all_that_they_can(exercised, area):
    assert area in exercised["plain"]


@pytest.mark.parametrize("turn", range(1, 5))
def test_sizes_and_directions_are_covered_from_any_turn_on(turn):
    seen = {area for c in covering(EVERYTHING, turn) for area in areas_of(c)}

    assert {*AREAS, *CELLS} <= seen


def test_the_set_is_frozen():
    assert [repr(c) for c in covering(EVERYTHING)] == [repr(c) for c in covering(EVERYTHING)]


# Turns


@pytest.mark.parametrize("turn", [0, 1, 7, 4_000_000_001])
@pytest.mark.parametrize("cells", [("RNN_RELU",), ("RNN_TANH", "RNN_RELU"), ("GRU", "LSTM", "RNN_TANH"), CELLS])
def test_cells_take_turns_by_number(cells, turn):
    given = [c.config.cell for c in covering(Allowed(cells=cells), turn)]

    assert given == [cells[(turn + number) % len(cells)] for number in range(24)]


def test_dtypes_take_turns_where_there_is_one_cell():
    given = [c.config.dtype for c in covering(Allowed(cells=("GRU",), dtypes=DTYPES))]

    assert given == 6 * list(DTYPES)


@pytest.mark.parametrize("turn", [0, 1, 2, 3, 4, 11, 4_000_000_001])
@pytest.mark.parametrize("cells", [("GRU",), ("RNN_TANH", "RNN_RELU"), CELLS[:3], CELLS[:4], CELLS])
def test_each_cell_meets_each_dtype(cells, turn):
    met = Counter((c.config.cell, c.config.dtype) for c in covering(Allowed(cells=cells, dtypes=DTYPES), turn))

    assert len(met) == len(cells) * len(DTYPES)
    assert max(met.values()) - min(met.values()) <= 2


def test_dtypes_move_on_when_all_cells_have_had_their_turn():
    given = [(c.config.cell, c.config.dtype) for c in covering(Allowed(cells=CELLS, dtypes=DTYPES))]

    assert given[:10] == [(cell, dtype) for dtype in DTYPES[:2] for cell in CELLS]


@pytest.mark.parametrize("turn", [0, 3])
def test_every_cell_may_have_each_case(turn):
    given = list(covering(EVERYTHING, turn, every_cell=True))

    assert [c.config.cell for c in given] == 24 * list(CELLS)
    for number in range(24):
        group = given[5 * number : 5 * number + 5]
        shapes = {(c.x.shape, c.config.hidden_size, c.config.num_layers, c.config.bidirectional) for c in group}
        assert len(shapes) == len({c.config.dtype for c in group}) == 1


def test_every_cell_alone_is_what_there_is_without_turns():
    allowed = Allowed(cells=("LSTM",), projections=True, dtypes=DTYPES, empty=EMPTIES)

    assert [repr(c) for c in covering(allowed, 2, True)] == [repr(c) for c in covering(allowed, 2)]


def test_one_cell_is_covered_alone():
    for cell in CELLS:
        assert {c.config.cell for c in covering(Allowed(cells=(cell,)))} == {cell}


# What is in them


@pytest.mark.parametrize("allowed", [EVERYTHING, PLAIN])
def test_every_kind_of_network_padding_and_memory_is_there(allowed):
    assert {sketch.network for sketch in COVERING} == set(NETWORKS)
    assert {sketch.padding for sketch in COVERING if sketch.lengths} >= set(PADDINGS) - {"zero"}
    assert {layout_of(a) for c in covering(allowed) for _, a in c.arrays()} == set(LAYOUTS)


def test_projections_are_of_one_less_than_all_units_and_of_half_of_them():
    sizes = [(c.config.proj_size, c.config.hidden_size) for c in covering(Allowed(cells=("LSTM",), projections=True))]

    assert sum(P == H - 1 for P, H in sizes) >= 3 and sum(P == (H + 1) // 2 for P, H in sizes) >= 3
    assert sum(P == 0 for P, _ in sizes) >= 12
    assert not any(c.config.proj_size for c in covering(Allowed(cells=("LSTM",))))


def test_integer_networks_are_exact():
    alone = Allowed(cells=("RNN_RELU",), empty=EMPTIES)
    exact = [c for c, sketch in zip(covering(alone), COVERING) if sketch.network == "integer"]

    assert len(exact) >= 2 and all(representable(c) and forward(c).output.any() for c in exact)


def test_no_case_with_numbers_is_silent():
    results = [forward(c).output for c in covering(EVERYTHING, 0, True) if c.x.size]

    assert all(np.isfinite(output).all() and output.any() for output in results)


@pytest.mark.parametrize("cells", [CELLS, ("RNN_TANH", "RNN_RELU")])
def test_what_is_empty_is_filled_where_it_is_not_allowed(cells):
    assert all(c.x.size and (c.row_lengths > 0).all() for c in covering(Allowed(cells=cells)))


def test_sizes_that_all_agree_come_in_both_layouts_in_both_numbers_of_directions():
    met = {(s.form.batch_first, s.bidirectional) for s in ALIKE if s.N > 1}
    assert met == {(False, False), (False, True), (True, False), (True, True)}
    assert all(s.T == s.I == s.H and (s.N == s.T or s.form.unbatched) for s in ALIKE)
