"""Drawn cases: how they are distributed, and that they keep to what is allowed."""

import re
from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis.errors import InvalidArgument

from conformance.judging.oracle import void_layers
from reference_rnn import CELLS, DTYPES, Config, anchored, arithmetic, case, cell_of, forward, rounded
from reference_rnn.case import gate_rows
from strategies import cases, layout_of
from strategies.cases import (
    BIASES,
    CONTRACTION,
    MODES,
    NETWORKS,
    PADDINGS,
    Allowed,
    Sketch,
    build,
    contractive,
    decode,
    fit_sketch,
    from_block,
    own_hidden_biases,
)
from strategies.covering import COVERING, covering
from strategies.memory import LAYOUTS, unusual

EMPTIES = ("time", "batch", "length")
NARROW = ("float16", "bfloat16")
MATRICES = ("C", *unusual(2), "read-only")  # the layouts that a matrix may have


def blocks(count):
    rng = np.random.default_rng(0)
    return [rng.bytes(48) for _ in range(count)]


@pytest.fixture(scope="module")
def drawn():
    """Two thousand cases, with everything allowed."""
    return [from_block(block, Allowed(empty=EMPTIES)) for block in blocks(2000)]


@pytest.fixture(scope="module")
def gated():
    """Two thousand cases of gated cells, with everything allowed."""
    allowed = Allowed(cells=GATED, projections=True, empty=EMPTIES)
    return [from_block(block, allowed) for block in blocks(2000)]


GATED = ("GRU", "GRU_RESET_BEFORE", "LSTM")


def share(drawn, holds):
    return np.mean([holds(c) for c in drawn])


def sizes(c):
    """L, D, T, N, I and H."""
    k = c.config
    return k.num_layers, k.num_directions, c.num_steps, c.num_rows, k.input_size, k.hidden_size


def weights(c, kind="weight"):
    return [array for name, array in c.parameters.items() if name.startswith(kind)]


# Sizes

RELATIONS = {
    "I = H": lambda L, D, T, N, I, H: I == H,
    "D*H = I": lambda L, D, T, N, I, H: D * H == I,
    "N = T": lambda L, D, T, N, I, H: N == T,
    "N = L*D": lambda L, D, T, N, I, H: N == L * D,
    "L = 1": lambda L, D, T, N, I, H: L == 1,
    "T = 1": lambda L, D, T, N, I, H: T == 1,
    "N = 1": lambda L, D, T, N, I, H: N == 1,
    "I = 1": lambda L, D, T, N, I, H: I == 1,
    "H = 1": lambda L, D, T, N, I, H: H == 1,
    "T = 0": lambda L, D, T, N, I, H: T == 0,
    "N = 0": lambda L, D, T, N, I, H: N == 0,
    "T >= 12": lambda L, D, T, N, I, H: T >= 12,
    "L >= 3, D = 2": lambda L, D, T, N, I, H: L >= 3 and D == 2,
}


@pytest.mark.sample
@pytest.mark.parametrize("relation", RELATIONS)
def test_what_hides_a_mistake_about_axes_occurs_often_enough(drawn, relation):
    assert share(drawn, lambda c: RELATIONS[relation](*sizes(c))) >= 0.04


def test_sizes_differ_in_most_cases(drawn):
    assert share(drawn, lambda c: len({*sizes(c)[2:]}) >= 3) > 0.6


@pytest.mark.parametrize("position", [2, 3, 4, 5], ids="TNIH")
@pytest.mark.parametrize("edge", [4, 8, 16])
def test_sizes_lie_on_both_sides_of_where_vectorised_code_changes(drawn, position, edge):
    seen = {sizes(c)[position] for c in drawn}

    assert min(seen) < edge
    assert max(seen) > edge or (edge == 16 and position in (2, 3))


def test_there_are_one_to_four_layers_in_one_and_two_directions(drawn):
    assert {sizes(c)[:2] for c in drawn} == {(L, D) for L in (1, 2, 3, 4) for D in (1, 2)}


# Lengths, padding and memory


def test_half_of_the_cases_are_ragged(drawn):
    assert 0.4 < share(drawn, lambda c: c.lengths is not None) < 0.6


def test_lengths_come_in_no_order_with_0_1_and_full(drawn):
    ragged = [(c.lengths.tolist(), c.num_steps) for c in drawn if c.lengths is not None and c.num_steps > 1]

    assert np.mean([sorted(lengths, reverse=True) != lengths for lengths, _ in ragged]) > 0.4
    assert any({0, 1, T} <= {*lengths} and sorted(lengths, reverse=True) != lengths for lengths, T in ragged)
    for wanted in (lambda T: 0, lambda T: 1, lambda T: T):
        assert np.mean([wanted(T) in lengths for lengths, T in ragged]) > 0.2


PADDING = {
    "zero": lambda padding: not padding.any(),
    "garbage": lambda padding: np.isfinite(padding).all() and (padding >= 3).all(),
    "nan": lambda padding: np.isnan(padding).all(),
    "infinity": lambda padding: np.isposinf(padding).all(),
}


@pytest.mark.parametrize("kind", PADDINGS)
def test_every_kind_of_padding_occurs(drawn, kind):
    paddings = [c.x[np.arange(c.num_steps)[:, None] >= c.lengths] for c in drawn if c.lengths is not None]

    assert np.mean([PADDING[kind](padding) for padding in paddings if padding.size]) > 0.15


def test_only_the_padding_is_not_finite(drawn):
    for c in drawn:
        alive = np.arange(c.num_steps)[:, None] < c.row_lengths
        assert np.isfinite(c.x[alive]).all()
        assert all(np.isfinite(array).all() for name, array in c.arrays() if name != "x")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_memory_layout_occurs_in_parameters_x_and_h_0(drawn, layout):
    seen = {name for c in drawn for name, array in c.arrays() if layout_of(array) == layout}

    weights = {"weight_ih_l0", "weight_hh_l1_reverse"} if layout in MATRICES else set()
    assert {"x", "h_0"} | weights <= seen


# Values


def test_most_weights_differ_by_row_and_column(drawn):
    different = [
        len(np.unique(W, axis=0)) == len(W) and len(np.unique(W, axis=1).T) == len(W.T)
        for c in drawn[:800] for W in weights(c) if min(W.shape) > 1
    ]  # fmt: skip

    assert np.mean(different) > 0.6


def test_most_initial_states_are_not_zero(drawn):
    assert share(drawn, lambda c: c.h_0.any()) > 0.75


def test_half_of_the_stacked_cases_have_contractive_recurrent_weights(drawn):
    stacked = [c for c in drawn if c.config.num_layers > 1]

    assert share(stacked, lambda c: all((abs(W).sum(1) <= 0.75).all() for W in weights(c, "weight_hh"))) >= 0.5


def test_half_of_the_tanh_cases_are_off_saturation(drawn):
    def steep(c):
        output = forward(c).output[np.arange(c.num_steps)[:, None] < c.row_lengths]
        return (abs(output) < 0.99).mean() > 0.5

    tanh = [c for c in drawn[:500] if c.config.cell == "RNN_TANH" and c.row_lengths.any()]

    assert share(tanh, steep) >= 0.5


def void(c):
    """Whether some layer's ball is so wide that it verifies nothing."""
    balls = forward(c, arithmetic("float32"))
    parts = [balls.output, *(balls.h_n[entry] for entry in range(len(balls.h_n.mid)))]
    return any(part.rad.max(initial=0) > 2**-10 * abs(part.mid).max(initial=0) > 0 for part in parts)


def test_few_cases_are_void(drawn):
    assert share(drawn[:700], void) <= 0.05


def test_a_contractive_matrix_sums_to_little_and_keeps_its_bits():
    W = np.random.default_rng(0).standard_normal((5, 5))
    reach = abs(contractive(W)).sum(1).max()

    assert CONTRACTION / 2 < reach <= CONTRACTION
    assert np.unique(W / contractive(W)).tolist() == [8]
    assert np.array_equal(contractive(W / 64), W / 64)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("cells", [("RNN_TANH", "RNN_RELU"), GATED])
def test_numbers_are_rounded_to_the_dtype(dtype, cells):
    for block in blocks(100):
        c = from_block(block, Allowed(cells=cells, projections=True, dtypes=(dtype,)))
        for _, array in c.arrays():
            assert array.dtype == c.config.numpy_dtype


@pytest.mark.parametrize(
    "lengths",
    [False, True],
)
def test_bfloat16_values_have_nothing_in_their_lower_half(lengths):
    for block in blocks(100):
        allowed = Allowed(cells=CELLS, projections=True, dtypes=("bfloat16",), lengths=lengths)
        for _, array in from_block(block, allowed).arrays():
            assert not (np.ascontiguousarray(array).view(np.uint32) & 0xFFFF).any()


def test_bfloat16_rounds_to_nearest_even():
    config = from_block(bytes(48), Allowed(dtypes=("bfloat16",))).config
    ulp = 2.0**-7

    given = np.array([1 + ulp / 2, 1 + 3 * ulp / 2, 1 + 0.51 * ulp, -1 - 0.49 * ulp, 0.0])

    assert rounded(given, config.dtype).tolist() == [1, 1 + 2 * ulp, 1 + ulp, -1, 0]


# Gates, cell states and projections


def test_each_cell_is_drawn_as_often_as_the_others(gated):
    for cell in GATED:
        assert 0.3 < share(gated, lambda c: c.config.cell == cell) < 0.37


def lstms(gated):
    return [c for c in gated if c.config.cell == "LSTM"]


def test_about_half_of_the_lstms_have_a_projection(gated):
    wide = [c for c in lstms(gated) if c.config.hidden_size > 1]

    assert 0.4 < share(wide, lambda c: c.config.proj_size > 0) < 0.6
    assert all(0 < c.config.proj_size < c.config.hidden_size for c in wide if c.config.proj_size)
    assert not any(c.config.proj_size for c in gated if c.config.cell != "LSTM" or c.config.hidden_size == 1)


def test_projections_are_of_many_sizes(gated):
    seen = {(c.config.proj_size, c.config.hidden_size) for c in lstms(gated) if c.config.proj_size}

    assert len(seen) > 10
    assert any(P == 1 for P, _ in seen) and any(P > 8 for P, _ in seen) and any(1 < P < H - 1 for P, H in seen)


def test_there_is_a_cell_state_for_lstm_alone(gated):
    assert all((c.c_0 is not None) == (c.config.cell == "LSTM") for c in gated)
    assert all(c.check() is c for c in gated)


def test_the_cell_state_differs_from_the_hidden_one(gated):
    same_shape = [c for c in lstms(gated) if not c.config.proj_size and c.h_0.size]

    assert share(same_shape, lambda c: not np.array_equal(c.c_0, c.h_0)) > 0.95
    assert share(same_shape, lambda c: not np.intersect1d(c.c_0, c.h_0).size) > 0.4
    assert share(lstms(gated), lambda c: c.c_0.any()) > 0.75


@pytest.mark.parametrize("kind", ["weight_ih", "weight_hh", "bias_ih", "bias_hh"])
def test_most_gates_differ_from_one_another(gated, kind):
    def different(c):
        array = c.parameters[kind + "_l0"]
        gates = {array[gate_rows(c.config, gate)].tobytes() for gate in c.config.cell.gates}
        return len(gates) == len(c.config.cell.gates)

    assert share([c for c in gated if c.config.bias], different) > 0.65


@pytest.mark.sample
@pytest.mark.parametrize("cell", GATED)
def test_gates_are_neither_all_open_nor_all_closed(gated, cell):
    """In most cases some output of a gated cell is well inside of -1 and 1, and not zero."""

    def steep(c):
        output = forward(c).output[np.arange(c.num_steps)[:, None] < c.row_lengths]
        return ((abs(output) < 0.99) & (output != 0)).mean() > 0.5

    assert share([c for c in gated[:600] if c.config.cell == cell and c.row_lengths.any()], steep) > 0.6


@pytest.mark.sample
def test_few_cases_of_gated_cells_are_void(gated):
    assert share(gated[:1400], void) <= 0.05


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_memory_layout_occurs_in_what_only_an_lstm_has(gated, layout):
    seen = {name for c in gated for name, array in c.arrays() if layout_of(array) == layout}

    assert {"c_0"} | ({"weight_hr_l0"} if layout in MATRICES else set()) <= seen


@pytest.mark.parametrize(
    ("cell", "biases", "kept"),
    [
        ("RNN_TANH", "two", [1, 1]),
        ("RNN_TANH", "one", [0, 0]),
        ("RNN_TANH", "no b_hn", [1, 1]),
        ("GRU", "two", [1, 1, 1, 1, 1, 1]),
        ("GRU", "one", [0, 0, 0, 0, 0, 0]),
        ("GRU", "no b_hn", [1, 1, 1, 1, 0, 0]),
        ("GRU_RESET_BEFORE", "no b_hn", [1, 1, 1, 1, 0, 0]),
        ("LSTM", "one", [0] * 8),
        ("LSTM", "no b_hn", [1] * 8),
    ],
)
def test_the_second_bias_holds_what_is_not_in_the_first(cell, biases, kept):
    assert own_hidden_biases(Config(cell, hidden_size=2), biases).tolist() == kept


@pytest.mark.parametrize("biases", BIASES)
def test_a_bias_that_does_not_exist_is_zero_in_every_layer_and_direction(biases):
    rows = {"two": False, "one": True, "no b_hn": True}
    without_n = []
    for block in blocks(300):
        c = from_block(block, Allowed(cells=("GRU", "GRU_RESET_BEFORE"), biases=biases, bias=True))
        second = [array for name, array in c.parameters.items() if name.startswith("bias_hh")]
        n, r = gate_rows(c.config, "n"), gate_rows(c.config, "r")
        without_n.append(not any(array[n].any() for array in second))
        if biases == "one":
            assert not any(array.any() for array in second)
        else:
            assert any(array[r].any() for array in second) or not c.parameters["bias_hh_l0"][r].any()
        assert len(second) == c.config.num_layers * c.config.num_directions

    assert all(without_n) == rows[biases]


# What is allowed

RESTRICTIONS = {
    "bidirectional": ({"bidirectional": True}, lambda c: c.config.bidirectional),
    "one direction": ({"bidirectional": False}, lambda c: not c.config.bidirectional),
    "bias": ({"bias": True}, lambda c: c.config.bias),
    "no bias": ({"bias": False}, lambda c: not weights(c, "bias")),
    "lengths": ({"lengths": True}, lambda c: c.lengths is not None and (c.lengths > 0).all()),
    "no lengths": ({"lengths": False}, lambda c: c.lengths is None),
    "one layer": ({"max_layers": 1}, lambda c: c.config.num_layers == 1),
    "two or three layers": ({"min_layers": 2, "max_layers": 3}, lambda c: c.config.num_layers in (2, 3)),
    "two steps or more": ({"min_steps": 2, "empty": EMPTIES}, lambda c: c.num_steps >= 2),
    "nothing empty": ({}, lambda c: c.x.size and (c.row_lengths > 0).all()),
    "no rows": ({"empty": ("batch",)}, lambda c: c.num_steps and (c.row_lengths > 0).all()),
    "no steps": ({"empty": ("time",), "lengths": False}, lambda c: c.num_rows and c.lengths is None),
    "length 0": ({"empty": ("length",)}, lambda c: c.x.size),
    "no initial state": ({"initial_state": False}, lambda c: c.h_0 is None and c.c_0 is None),
    "one bias": ({"biases": "one"}, lambda c: not any(b.any() for b in weights(c, "bias_hh"))),
    "plain memory": ({"memory": False}, lambda c: {layout_of(a) for _, a in c.arrays()} == {"C"}),
    "cells": ({"cells": ("RNN_RELU",)}, lambda c: c.config.cell == "RNN_RELU"),
    "gated cells": ({"cells": ("GRU", "LSTM")}, lambda c: c.config.cell in ("GRU", "LSTM") and not c.config.proj_size),
    "gated cells of one bias": (
        {"cells": ("GRU", "LSTM"), "biases": "one"},
        lambda c: c.config.cell in ("GRU", "LSTM") and not any(b.any() for b in weights(c, "bias_hh")),
    ),
    "projections": (
        {"cells": ("LSTM",), "projections": True, "sizes": {"hidden_size": (4, 8)}},
        lambda c: c.config.cell == "LSTM" and c.config.proj_size in (0, 2, 3, 4, 7),
    ),
    "no state of an lstm": (
        {"cells": ("LSTM",), "initial_state": False, "projections": True}, lambda c: c.h_0 is None and c.c_0 is None
    ),
    "dtypes": ({"dtypes": ("float64", "float16")}, lambda c: c.config.dtype in ("float64", "float16")),
    "sizes": (
        {"sizes": {"input_size": (3, 8), "hidden_size": (4,), "num_layers": (1, 2), "batch": (2, 16), "steps": (5,)}},
        lambda c: (c.config.input_size in (3, 8), *sizes(c)[2:4], c.config.hidden_size)
        in [(True, 5, N, 4) for N in (2, 16)] and c.config.num_layers < 3,
    ),
}  # fmt: skip


@pytest.mark.sample
@pytest.mark.parametrize("restriction", RESTRICTIONS)
def test_every_case_keeps_to_what_is_allowed(restriction):
    options, holds = RESTRICTIONS[restriction]
    allowed = Allowed(**options)

    for c in [*(from_block(block, allowed) for block in blocks(200)), *covering(allowed)]:
        assert holds(c.check()) and allowed.admits(c), repr(c)


@pytest.mark.parametrize("restriction", [name for name in RESTRICTIONS if name != "nothing empty"])
def test_a_restriction_is_no_accident(restriction):
    """Without it, some of the same cases would be others; so the test above can fail."""
    holds = RESTRICTIONS[restriction][1]

    assert not all(holds(from_block(block, Allowed(empty=EMPTIES))) for block in blocks(200))


def test_no_row_has_length_0_where_only_steps_may_be_missing():
    allowed = Allowed(empty=("time",), lengths=True)

    for c in [*(from_block(block, allowed) for block in blocks(200)), *covering(allowed)]:
        assert 0 not in c.lengths and allowed.admits(c), repr(c)


NOT_ADMITTED = {
    "cells": {"cells": ("RNN_RELU",)},
    "other cells": {"cells": ("GRU", "LSTM")},
    "layers": {"max_layers": 1},
    "more layers": {"min_layers": 4},
    "directions": {"bidirectional": False},
    "bias": {"bias": False},
    "no lengths": {"lengths": False},
    "steps": {"min_steps": 5},
    "length 0": {"empty": ("time", "batch")},
    "sizes": {"sizes": {"hidden_size": (2, 4)}},
}


@pytest.mark.parametrize("reason", NOT_ADMITTED)
def test_a_case_that_is_not_allowed_is_not_admitted(reason):
    sketch = {"bidirectional": True, "lengths": True, "min_layers": 2, "max_layers": 3, "cells": ("RNN_TANH",)}
    sketch |= {"bias": True, "sizes": {"steps": (4,), "hidden_size": (3,), "batch": (3,)}, "empty": EMPTIES}
    c = next(c for c in (from_block(block, Allowed(**sketch)) for block in blocks(200)) if 0 in c.lengths)

    assert Allowed(empty=EMPTIES).admits(c)
    assert not Allowed(**{"empty": EMPTIES} | NOT_ADMITTED[reason]).admits(c)


def test_a_projection_is_admitted_only_where_it_is_allowed():
    projected, plain = case("LSTM", H=3, P=2), case("LSTM", H=3)

    assert Allowed(cells=("LSTM",), projections=True).admits(projected)
    assert not Allowed(cells=("LSTM",)).admits(projected)
    assert Allowed(cells=("LSTM",)).admits(plain) and Allowed(cells=("LSTM",), projections=True).admits(plain)


@pytest.mark.parametrize(("empty", "c"), [("time", case(T=0)), ("batch", case(N=0)), ("length", case(lengths=[0]))])
def test_what_is_empty_is_admitted_only_where_it_is_allowed(empty, c):
    assert Allowed(empty=(empty,)).admits(c)
    assert not Allowed(empty=[other for other in EMPTIES if other != empty]).admits(c)


SIZES, POSITIVE = "sizes['", "must be a sequence of positive integers"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cells": ("RNN",)}, f"cells has 'RNN', must be one of {', '.join(CELLS)}"),
        ({"dtypes": ("float8",)}, f"dtypes has 'float8', must be of {', '.join(DTYPES)}"),
        ({"empty": ("rows",)}, "empty has 'rows', must be of time, batch, length"),
        ({"network": "deep"}, "network has 'deep', must be of dense, integer, linear, automaton"),
        ({"sizes": {"H": (1,)}}, "sizes has 'H', must be of input_size, hidden_size, num_layers, batch, steps"),
        ({"min_layers": 3, "max_layers": 2}, "min_layers is 3, must be from 1 to max_layers = 2"),
        ({"min_layers": 0}, "min_layers is 0, must be from 1 to max_layers = 4"),
        ({"cells": ("GRU", "LSTM_PEEPHOLE")}, f"cells has 'LSTM_PEEPHOLE', must be one of {', '.join(CELLS)}"),
        ({"cells": ()}, "cells"),
        ({"dtypes": ()}, "dtypes"),
        ({"sizes": {"steps": ()}}, SIZES + "steps'] is (), " + POSITIVE),
        ({"sizes": {"input_size": (0,)}}, SIZES + "input_size'] is (0,), " + POSITIVE),
        ({"sizes": {"batch": (2, -1)}}, SIZES + "batch'] is (2, -1), " + POSITIVE),
        ({"sizes": {"batch": (True,)}}, SIZES + "batch'] is (True,), " + POSITIVE),
        ({"sizes": {"batch": (2.0,)}}, SIZES + "batch'] is (2.0,), " + POSITIVE),
        ({"sizes": {"batch": (None,)}}, SIZES + "batch'] is (None,), " + POSITIVE),
        ({"sizes": {"batch": "33"}}, SIZES + "batch'] is '33', " + POSITIVE),
        ({"sizes": {"batch": {3: 4}}}, SIZES + "batch'] is {3: 4}, " + POSITIVE),
        ({"sizes": {"batch": 33}}, SIZES + "batch'] is 33, " + POSITIVE),
        ({"sizes": {"batch": np.array([2, -1])}}, SIZES + "batch'] is array([ 2, -1]), " + POSITIVE),
        ({"sizes": {3: (1,)}}, "sizes has 3, must be of input_size, hidden_size, num_layers, batch, steps"),
        ({"sizes": (33,)}, "sizes is (33,), must be a dict from input_size, hidden_size, num_layers, batch, steps to"),
        ({"sizes": []}, "sizes is [], must be a dict"),
        (
            {"sizes": {"num_layers": (5,)}, "max_layers": 4},
            SIZES + "num_layers'] is (5,), and none of them is from min_layers = 1 to max_layers = 4",
        ),
        (
            {"sizes": {"num_layers": (1,)}, "min_layers": 2},
            SIZES + "num_layers'] is (1,), and none of them is from min_layers = 2 to max_layers = 4",
        ),
        ({"max_layers": 0}, "min_layers is 1, must be from 1 to max_layers = 0"),
    ],
)
def test_an_argument_that_does_not_exist_is_refused_with_those_that_do(options, message):
    with pytest.raises(InvalidArgument, match=re.escape(message)):
        cases(**options)


def test_a_way_to_hold_biases_that_does_not_exist_is_refused():
    with pytest.raises(InvalidArgument, match="biases has 'three', must be of two, one, no b_hn"):
        Allowed(biases="three")


@pytest.mark.parametrize("chosen", [(7,), [7], {7}, range(7, 8), np.array([7]), (np.int64(7),)])
def test_sizes_come_in_any_collection(chosen):
    allowed = Allowed(sizes={"batch": chosen})

    assert allowed.sizes == {"batch": (7,)} and type(allowed.sizes["batch"][0]) is int
    assert all(c.num_rows == 7 for c in (from_block(block, allowed) for block in blocks(20)))


@pytest.mark.sample
def test_as_many_layers_are_drawn_as_sizes_say():
    for count in (5, 64):
        c = find(cases(sizes={"num_layers": (count,)}), lambda c: True, settings=settings(database=None, deadline=None))
        assert c.config.num_layers == count


# Large sizes

LARGE = [(dimension, 4096) for dimension in ("input_size", "batch", "steps")] + [("num_layers", 64)]
SMALL = {dimension: range(1, 9) for dimension in ("input_size", "hidden_size", "num_layers", "batch", "steps")}


def large(dimension, size, **options):
    """What is allowed where one dimension is large, and no other one above 8."""
    return Allowed(sizes=SMALL | {dimension: (size,)}, max_layers=max(8, size), empty=EMPTIES, **options)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("dimension", "size"), [*LARGE, *(("hidden_size", size) for size in (33, 67, 68, 129, 257))])
@pytest.mark.sample
def test_one_dimension_may_be_large(dimension, size, cell, network):
    for dtype in DTYPES:
        allowed = large(dimension, size, cells=(cell,), dtypes=(dtype,), network=network, projections=True)
        for c in [*map(partial(build, allowed=allowed), COVERING[::6]), *(from_block(b, allowed) for b in blocks(3))]:
            assert allowed.admits(c.check()), c.config
            assert all(np.array_equal(a, rounded(a, dtype), equal_nan=True) for _, a in c.arrays())


@pytest.mark.sample
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_four_thousand_units_are_no_obstacle(dtype, network):
    allowed = large("hidden_size", 4096, cells=("RNN_TANH",), dtypes=(dtype,), network=network, min_layers=1)

    assert allowed.admits(build(COVERING[0], allowed).check())


@pytest.mark.parametrize("mode", [3, 4, 5, 6])
@pytest.mark.parametrize(
    ("cell", "size"),
    [*product(CELLS, (33, 64, 128, 192, 193, 256, 257)), ("RNN_RELU", 512), ("LSTM", 512), ("RNN_TANH", 1024)],
)
@pytest.mark.sample
def test_no_two_gates_rows_or_columns_of_a_dense_weight_are_alike(cell, size, mode):
    for dtype in DTYPES:
        for contract in (True, False):
            sketch = Sketch(T=1, I=8, H=size, num_layers=2, mode=mode, contract=contract, seed=mode)
            c = build(sketch, Allowed(cells=(cell,), dtypes=(dtype,)))
            for W in weights(c):
                gates = W.reshape(len(cell_of(cell).gates), -1)
                assert len({gate.tobytes() for gate in gates}) == len(gates)
                assert len({row.tobytes() for row in W}) == len(W)
                assert len({column.tobytes() for column in W.T.copy()}) == W.shape[1]


@pytest.mark.parametrize("size", [33, 512])
@pytest.mark.parametrize("mode", range(len(MODES)))
@pytest.mark.parametrize("network", ["dense", "automaton"])
def test_gates_differ_at_every_level_of_large_sizes(size, mode, network):
    for cell in GATED:
        c = build(Sketch(T=1, I=8, H=size, mode=mode, network=network), Allowed(cells=(cell,)))
        for array in c.parameters.values():
            gates = array.reshape(len(cell_of(cell).gates), -1)
            assert len({gate.tobytes() for gate in gates}) == len(gates)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("dimension", "size"), [("hidden_size", 129), ("hidden_size", 512), ("input_size", 512)])
@pytest.mark.sample
def test_half_of_the_large_cases_are_not_void(dimension, size, cell, dtype):
    sizes = {dimension: (size,), "steps": (1, 2, 5), "batch": (2,)}
    allowed = Allowed(cells=(cell,), dtypes=(dtype,), sizes=sizes, max_layers=2)

    def verifies(c):
        balls = anchored(c, np.asarray(forward(c).output, float), arithmetic(dtype))
        return not any(void_layers(balls, c))

    assert share([from_block(block, allowed) for block in blocks(30)], verifies) >= 0.5


def test_covering_cases_are_built_one_by_one():
    allowed = Allowed(sizes={"hidden_size": (4096,)}, max_layers=1)
    each = covering(allowed)

    assert next(each).config.hidden_size == next(each).config.hidden_size == 4096


def test_layers_are_few_where_they_would_fill_the_memory():
    allowed = Allowed(cells=("LSTM",), sizes={"hidden_size": (4096,)}, bidirectional=True)

    def layers(**options):
        return fit_sketch(Sketch(num_layers=4), replace(allowed, **options))[0].num_layers

    assert layers() == 1
    assert layers(min_layers=2) == 2 and layers(sizes={"hidden_size": (4096,), "num_layers": (3,)}) == 3
    assert layers(sizes={"hidden_size": (512,)}) == 4


# Decoding and shrinking


def test_a_block_stands_for_one_case():
    one, other = (from_block(blocks(1)[0], Allowed()) for _ in range(2))

    assert repr(one) == repr(other)
    assert not any(np.shares_memory(a, b) for (_, a), (_, b) in zip(one.arrays(), other.arrays()))


def test_the_zero_block_is_the_simplest_case():
    assert repr(from_block(bytes(48), Allowed())) == "case('RNN_TANH', T=1, N=1, I=1, H=1, h_0=0)"
    assert decode(bytes(48)).memory == "C"


@pytest.mark.parametrize(
    ("wanted", "smallest"),
    [
        (lambda c: True, (1, 1, 1, 1, 1, 1)),
        (lambda c: c.config.bidirectional and c.config.num_layers > 1, (2, 2, 1, 1, 1, 1)),
        (lambda c: c.num_steps > 1 and c.config.hidden_size > 1 and c.h_0.any(), (1, 1, 2, 1, 1, 2)),
    ],
)
def test_hypothesis_shrinks_to_small_sizes(wanted, smallest):
    assert sizes(find(cases(), wanted, settings=settings(database=None, deadline=None))) == smallest


def test_hypothesis_shrinks_to_a_small_projection():
    lstm = cases(cells=("RNN_TANH", "LSTM"), projections=True)

    smallest = find(lstm, lambda c: c.config.proj_size > 0, settings=settings(database=None, deadline=None))

    assert (sizes(smallest), smallest.config.proj_size) == ((1, 1, 1, 1, 1, 2), 1)


@settings(max_examples=100, deadline=None)
@given(cases(cells=CELLS, projections=True, dtypes=DTYPES, empty=EMPTIES))
def test_every_case_has_the_right_shapes(c):
    c.check()


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_of_16_bits_are_small_enough_for_balls_that_say_something(dtype):
    allowed = Allowed(CELLS, (dtype,))
    drawn = [*map(allowed.from_block, blocks(256)), *covering(allowed, every_cell=True)]
    largest = max(float(abs(one.h_0).max(initial=0)) for one in drawn if one.h_0 is not None)
    assert largest < 16 if dtype in NARROW else largest > 100
