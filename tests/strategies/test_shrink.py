"""Counterexamples made small: planted mistakes end in what a person can work by hand."""

import time

import numpy as np
import pytest

from reference_rnn import forward
from strategies import layout_of, relaid, shrink
from strategies.cases import Allowed, from_block

USUAL = Allowed()


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


@pytest.mark.parametrize("layout", ["F", "strided", "negative", "read-only"])
def test_numbers_go_from_an_array_whose_layout_matters(layout):
    c = drawn(1, lambda c: min(c.x.shape) >= 2 and np.isfinite(c.x).all() and c.x.all())[0]
    c = c.replace(x=relaid(c.x, layout))

    end = shrink(c, lambda c: c.num_steps >= 2 and c.config.input_size >= 2 and layout_of(c.x) == layout, USUAL.admits)

    assert not end.x.any()


def test_a_nan_that_matters_does_not_use_up_the_runs():
    calls = []
    for c in drawn(1, lambda c: np.isnan(c.x).any()):
        shrink(c, lambda c: calls.append(c) or bool(np.isnan(c.x).any()), USUAL.admits, runs=400)

    assert len(calls) < 150
