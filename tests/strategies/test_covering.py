"""The covering cases."""

import numpy as np
import pytest

from conformance.engine.coverage import AREAS, covered
from reference_rnn import DTYPES, arithmetic, forward
from strategies import layout_of
from strategies.cases import NETWORKS, PADDINGS, Allowed
from strategies.covering import COVERING, covering
from strategies.integers import representable
from strategies.memory import LAYOUTS

EVERYTHING = Allowed(empty=("time", "batch", "length"))


def not_void(c):
    """Whether the ball of the output verifies something."""
    output = forward(c, arithmetic("float32")).output
    return not output.rad.max(initial=0) > 2**-10 * abs(output.mid).max(initial=0) > 0


def test_there_are_24_and_each_is_another_one():
    assert len(covering(EVERYTHING)) == len({repr(c) for c in covering(EVERYTHING)}) == 24


@pytest.mark.parametrize("area", AREAS)
def test_every_area_is_covered_by_a_case_that_verifies_something(area):
    assert any(area in covered(c) for c in covering(EVERYTHING) if not_void(c))


def test_the_set_is_frozen():
    assert [repr(c) for c in covering(EVERYTHING)] == [repr(c) for c in covering(EVERYTHING)]


def test_both_cells_are_covered_alone_and_together():
    together = [c.config.cell for c in covering(EVERYTHING)]
    alone = covering(Allowed(cells=("RNN_RELU",)))

    assert min(together.count("RNN_TANH"), together.count("RNN_RELU")) >= 8
    assert {c.config.cell for c in alone} == {"RNN_RELU"}


def test_dtypes_take_turns():
    given = [c.config.dtype for c in covering(Allowed(dtypes=DTYPES))]

    assert given == 6 * list(DTYPES)


def test_every_kind_of_network_padding_and_memory_is_there():
    assert {sketch.network for sketch in COVERING} == set(NETWORKS)
    assert {sketch.padding for sketch in COVERING if sketch.lengths} >= set(PADDINGS) - {"zero"}
    assert {layout_of(a) for c in covering(EVERYTHING) for _, a in c.arrays()} == set(LAYOUTS)


def test_integer_networks_are_exact():
    exact = [c for c, sketch in zip(covering(EVERYTHING), COVERING) if sketch.network == "integer"]

    assert len(exact) >= 2 and all(representable(c) and forward(c).output.any() for c in exact)


def test_no_case_with_numbers_is_silent():
    results = [forward(c).output for c in covering(EVERYTHING) if c.x.size]

    assert all(np.isfinite(output).all() and output.any() for output in results)


def test_what_is_empty_is_filled_where_it_is_not_allowed():
    assert all(c.x.size and (c.row_lengths > 0).all() for c in covering(Allowed()))
