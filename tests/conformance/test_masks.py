"""Dropout in training: what is random is judged with power, and never wrongly."""

import math
import re
from dataclasses import replace
from itertools import count

import numpy as np
import pytest

import conformance
from conformance.adapters import reference
from conformance.diagnosis.faulty import FaultyTarget
from conformance.faults import FAULTS
from conformance.judging.mask_probes import STATEMENTS
from conformance.judging.mask_statistics import (
    AXES,
    FALSE_ALARM,
    agreements,
    check_share,
    check_variation,
    divergence,
    drawn_apart,
    evenest,
)
from conformance.judging.oracle import Failure
from reference_rnn import CELLS, forward
from reference_rnn import gradients as gradients_of
from strategies.cases import sizes_of

CLAIMS = replace(reference.capabilities, cells=("RNN_RELU", "LSTM"), dtypes=("float32",), options=())
RANDOM = {
    "one-mask-for-all-layers": "dropout.mask",
    "dropout-above-the-lowest-layer-only": "dropout.mask",
    "dropout-on-hidden-states": "dropout.lowest_layer_stays",
    "dropout-on-hidden-states-above": "dropout.lowest_layer_stays",
    "mask-not-scaled-in-gradient": "gradients.training",
    "another-mask-in-gradient": "gradients.training",
    "mask-of-the-layer-below-in-gradient": "gradients.training",
    "one-mask-for-all-steps-of-ragged-rows": "dropout.mask",
    "a-mask-for-each-direction": "dropout.mask",
    "mask-on-states-in-gradient": "gradients.training",
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("id", RANDOM)
@pytest.mark.sample
def test_each_is_found_whatever_is_drawn(id, cell, seed):
    target = FaultyTarget(FAULTS[id], cells=(cell,))
    [result] = conformance.check(target, properties=[RANDOM[id]], seed=seed, diagnosis=False).results

    assert result.status == "failed"
    assert result.examples <= 24, "not by luck: the covering cases show it"


CALLS_MADE = count()


class KeepsToItself:
    """Gradients without the results that they belong to."""

    capabilities = CLAIMS

    def forward(self, case):
        return reference.forward(case)

    def gradients(self, case, d_output, d_h_n, d_c_n):
        found = reference.gradients(case, d_output, d_h_n, d_c_n)
        return {name: array for name, array in found.items() if name not in ("output", "h_n", "c_n")}


class Unmasked(KeepsToItself):
    """Scaled up, and nothing dropped."""

    def gradients(self, case, *d):
        case = reference.as_case(case)
        masks = reference.masks(case)
        found = gradients_of(case, *d, masks=masks and [0 * m + m.max(initial=0) for m in masks])
        return {name: array.astype(case.x.dtype) for name, array in found.items()}


class Unscaled(KeepsToItself):
    def gradients(self, case, *d):
        case = reference.as_case(case)
        masks = reference.masks(case)
        found = gradients_of(case, *d, masks=masks and [1.0 * (m > 0) for m in masks])
        return {name: array.astype(case.x.dtype) for name, array in found.items()}


@pytest.mark.sample
@pytest.mark.parametrize("target, status", [(KeepsToItself, "passed"), (Unmasked, "failed"), (Unscaled, "failed")])
def test_a_mask_that_is_not_shown_is_read_from_the_gradient_of_x(target, status):
    [result] = conformance.check(target, properties=["gradients.training"], diagnosis=False).results

    assert result.status == status, result.message


class SameSeed(KeepsToItself):
    """Draws from the same place in every call."""

    def forward(self, case):
        state = np.random.get_state()
        np.random.seed(0)
        try:
            return reference.forward(case)
        finally:
            np.random.set_state(state)


class RecordsTheSame:
    """Its calls draw anew, and what is recorded for gradients drops the same each time."""

    capabilities = CLAIMS

    def forward(self, case):
        return reference.forward(case)

    def gradients(self, case, *d):
        state = np.random.get_state()
        np.random.seed(0)
        try:
            return reference.gradients(case, *d)
        finally:
            np.random.set_state(state)


@pytest.mark.sample
@pytest.mark.parametrize("seed", range(2))
def test_runs_that_are_recorded_for_gradients_draw_anew_too(seed):
    [result] = conformance.check(RecordsTheSame, properties=["dropout.mask"], seed=seed, diagnosis=False).results
    assert result.status == "failed" and "recorded for gradients" in result.message


class KeepsTheRunBefore(KeepsToItself):
    """Its gradients are those of the run just before, if that had the same numbers, in training or not."""

    def forward(self, case):
        self.before = case
        return reference.forward(case)

    def gradients(self, case, *d):
        before = getattr(self, "before", case)
        if before.config == case.config and np.array_equal(before.x, case.x, equal_nan=True):
            case.training = before.training
        return super().gradients(case, *d)


def test_a_run_that_is_kept_from_evaluation_is_none_of_training():
    [result] = conformance.check(KeepsTheRunBefore, properties=["gradients.dropout"], diagnosis=False).results
    assert result.status == "failed", result.message


@pytest.mark.parametrize("sizes", [{}, {"batch": (2,), "steps": (3,)}, {"batch": (1,), "num_layers": (3,)}], ids=str)
@pytest.mark.parametrize("target", [KeepsToItself, SameSeed])
@pytest.mark.sample
def test_whoever_is_right_is_never_rejected(target, sizes):
    class Target(target):
        capabilities = replace(CLAIMS, sizes=sizes)

        def gradients(self, case, *d):
            assert all(size in sizes.get(name, (size,)) for name, size in sizes_of(reference.as_case(case)).items())
            return super().gradients(case, *d)

    ids = ["dropout.mask", "dropout.lowest_layer_stays", "gradients.training"]
    report = conformance.check(Target, properties=ids, diagnosis=False)
    assert not [result.message for result in report.results if result.status == "failed"]


def test_how_many_are_kept_is_judged_by_a_bound_on_chance():
    """Chernoff's bound is above the chance itself, and not by much: sums of binomial coefficients."""
    n, must = 60, 0.25
    for k in range(n + 1):
        more = sum(math.comb(n, j) * must**j * (1 - must) ** (n - j) for j in range(k, n + 1))
        if k / n > must:
            assert more <= math.exp(-n * divergence(k / n, must)) <= 40 * more

    check_share(np.arange(1000) < 250, masks=1, p=0.75)
    check_share(np.arange(1000) < 63, masks=2, p=0.75)
    with pytest.raises(Failure, match="two masks together kept"):
        check_share(np.arange(1000) < 250, masks=2, p=0.75)


def test_a_run_cries_wolf_less_than_once_in_1e12():
    assert 5_024 * STATEMENTS * FALSE_ALARM < 1e-12


def drawn(p, shape, seed=0):
    """Masks (calls, T, N, D*H) as they must be."""
    return np.random.default_rng(seed).random(shape) >= p


def repeated(array, every, axis):
    """An array whose slices come again after so many."""
    return np.take(array, np.arange(array.shape[axis]) % every, axis)


def antithetic(uniform):
    """Numbers of which each row of odd number has what the one before it has left."""
    uniform[:, :, 1::2] = 1 - uniform[:, :, ::2][:, :, : uniform.shape[2] // 2]
    return uniform


@pytest.mark.parametrize("p", [0.1, 0.25, 0.3, 0.75])
@pytest.mark.parametrize("axis, name", list(enumerate(AXES)))
def test_slices_that_come_again_are_found_at_their_distance(p, axis, name):
    shape = [2, 12, 12, 8]
    shape[axis] = 40
    with pytest.raises(Failure, match=rf"the masks of {name}s 16 apart agree in 1\.000 of \d+ numbers") as raised:
        drawn_apart(repeated(drawn(p, shape), 16, axis), p)
    assert raised.value.shows == f"{name}s 16 apart"

    with pytest.raises(Failure, match=f"the same numbers are dropped in every {name}"):
        drawn_apart(repeated(drawn(p, shape), 1, axis), p)


@pytest.mark.parametrize("p", [0.25, 0.3, 0.75])
def test_neighbours_with_opposite_masks_are_found(p):
    kept = antithetic(np.random.default_rng(0).random((2, 12, 40, 4))) >= p
    with pytest.raises(Failure, match="the masks of rows 1 apart agree in"):
        drawn_apart(kept, p)


def test_one_pair_that_agrees_is_found_among_many():
    kept = drawn(0.3, (2, 12, 40, 8))
    kept[:, 9] = kept[:, 4]
    with pytest.raises(Failure, match="the masks of steps 4 and 9 agree in"):
        drawn_apart(kept, 0.3)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1)])
@pytest.mark.parametrize("p", [0.1, 0.3, 0.75])
def test_blocks_of_random_numbers_that_overlap_are_found(p, order):
    shape = np.array((12, 40, 4))[list(order)]
    size, numbers = 12 * 40 * 4, drawn(p, 4000)
    shaped = lambda flat: flat.reshape(shape).transpose(np.argsort(order))  # noqa: E731
    calls = np.stack([shaped(numbers[:size]), shaped(numbers[1024 : 1024 + size])])
    with pytest.raises(Failure, match=f"^{size - 1024} numbers in a row .* some of the next call"):
        drawn_apart(calls, p)
    numbers[1024:2048] = numbers[4 : 4 + 1024]
    with pytest.raises(Failure, match="some of the second half of the same mask"):
        drawn_apart(shaped(numbers[:size])[None], p)


def test_what_is_kept_throughout_is_a_matter_of_how_often():
    with pytest.raises(Failure, match=r"one mask kept 1\.000"):
        drawn_apart(np.ones((1, 12, 40, 4), bool), 0.3)


@pytest.mark.parametrize("p", [0.1, 0.3, 0.75])
@pytest.mark.parametrize("shape", [(2, 40, 12, 4), (2, 12, 84, 1), (10, 3, 2, 2), (1, 1, 1, 1)], ids=str)
def test_masks_that_are_drawn_are_never_rejected(p, shape):
    for seed in range(40):
        drawn_apart(drawn(p, shape, seed), p)


def test_agreements_are_binomial_along_each_axis():
    """Their variance is that of independent numbers: with p = 0.1, it is twice that if numbers are counted twice."""
    p, shares = 0.1, []
    for seed in range(2000):
        first, *_ = agreements(drawn(p, (40, 6), seed), "step")
        shares.append(first.share)
    must = p**2 + (1 - p) ** 2
    assert first.size == 120 and np.mean(shares) == pytest.approx(must, abs=0.005)
    assert np.var(shares) == pytest.approx(must * (1 - must) / first.size, rel=0.15)


def shared_out(uniform, axes):
    """Numbers of which, along some axes together, each equal part has one: a share p is below p to within one."""
    last = range(-len(axes), 0)
    moved = np.moveaxis(uniform, axes, last)
    flat = moved.reshape(*moved.shape[: -len(axes)], -1)
    ranks = flat.argsort(-1).argsort(-1) + np.random.default_rng(flat.size).random(flat.shape)
    return np.moveaxis((ranks / flat.shape[-1]).reshape(moved.shape), last, axes)


@pytest.mark.parametrize("p", [0.1, 0.25, 0.3125, 0.75])
@pytest.mark.parametrize(
    "shape, axes, where",
    [
        ((300, 3, 1, 4), (1, 2, 3), "call"),
        ((2, 41, 13, 8), (2, 3), "step of a call"),
        ((2, 12, 40, 17), (3,), "row of a step of a call"),
        ((2, 12, 40, 5), (1, 3), "row of a call"),
        ((2, 12, 40, 2), (1,), "unit of a row of a call"),
        ((2, 12, 40, 34), (1, 2), "unit of a call"),
        ((72, 3, 7, 6), (0,), "unit of a row of a step"),
    ],
    ids=str,
)
def test_shares_are_found_in_whatever_they_are_drawn(shape, axes, where, p):
    kept = shared_out(np.random.default_rng(1).random(shape), axes) >= p
    with pytest.raises(Failure, match="varies less than by chance") as raised:
        check_variation(kept, p)
    assert raised.value.shows == where


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5, 0.9375])
@pytest.mark.parametrize("shape", [(2, 40, 12, 4), (10, 3, 2, 2), (72, 1, 3, 2), (72, 1, 1, 1), (1, 1, 1, 1)], ids=str)
def test_masks_that_are_drawn_are_never_too_even(p, shape):
    assert max(evenest(drawn(p, shape, seed), p).surprise for seed in range(40)) < 15


def test_how_even_shares_are_is_judged_by_a_bound_on_chance():
    """The bound is above the chance itself, and not by much: that each of some calls drops the nearest number."""
    for size, p, calls in ((4, 0.5, 40), (7, 0.25, 40), (60, 0.3125, 20), (1000, 0.1, 12)):
        drop = round(size * p)
        kept = np.tile(np.arange(size) >= drop, (calls, 1))[:, None, None]
        chance = calls * math.log(math.comb(size, drop) * p**drop * (1 - p) ** (size - drop))
        found = evenest(kept, p)
        assert found.where == "call" and -chance - 5 < found.surprise < -chance


def test_a_mask_of_one_number_is_never_too_even():
    check_variation(np.arange(72).reshape(72, 1, 1, 1) % 2 > 0, 0.5)


def in_fours(uniform):
    """Numbers that are drawn four at a time: a rest is left out."""
    rest = uniform.copy()
    for layer in rest.reshape(len(rest), -1):
        layer[len(layer) // 4 * 4 :] = 0
    return rest


class Drawing(KeepsToItself):
    """Draws its masks in a way of its own."""

    way = staticmethod(lambda kept: kept)

    def forward(self, case):
        given, p = reference.as_case(case), case.config.dropout
        if not case.training or not 0 < p < 1:
            return reference.forward(case)
        width = case.config.num_directions * case.config.hidden_size
        shape = (case.config.num_layers - 1, case.num_steps, case.num_rows, width)
        result = forward(given, masks=list((self.way(np.random.random(shape)) >= p) / (1 - p)))
        output, *final = (array.astype(case.x.dtype) for _, array in result.items())
        return output, tuple(final) if case.config.num_states == 2 else final[0]


@pytest.mark.parametrize(
    "way, found",
    [
        (lambda uniform: uniform, None),
        (lambda uniform: repeated(uniform, 16, 1), "steps 16 apart"),
        (lambda uniform: repeated(uniform, 16, 2), "rows 16 apart"),
        (antithetic, "rows 1 apart"),
        (lambda uniform: repeated(uniform, 64, 3), "units 64 apart"),
        (lambda uniform: np.random.default_rng(next(CALLS_MADE) % 16).random(uniform.shape), "calls 16 apart"),
        (in_fours, "was kept with a frequency of 0.000"),
        (
            lambda uniform: np.where(np.arange(uniform[0].size).reshape(uniform.shape[1:]) == 0, 1, uniform),
            "unit 0 of step 0 and row 0 was kept with a frequency of 1.000",
        ),
    ],
)
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.sample
def test_a_mask_that_is_not_drawn_for_every_number_fails(way, found, seed):
    class Target(Drawing):
        capabilities = replace(CLAIMS, projections=False)

    Target.way = staticmethod(way)
    [result] = conformance.check(Target, properties=["dropout.mask"], seed=seed, diagnosis=False).results
    assert result.status == ("failed" if found else "passed"), result.message
    assert found is None or found in result.message


@pytest.mark.parametrize("axes", [(), (0, 1, 2), (1, 2), (2,)], ids=["each number", "call", "step", "row"])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.sample
def test_a_share_that_is_drawn_fails(axes, seed):
    class Target(Drawing):
        capabilities = CLAIMS

    Target.way = staticmethod(lambda uniform: np.stack([shared_out(u, axes) if axes else u for u in uniform]))
    [result] = conformance.check(Target, properties=["dropout.independent"], seed=seed, diagnosis=False).results
    assert result.status == ("failed" if axes else "passed"), result.message
    assert not axes or "varies less than by chance" in result.message


class WrongInTraining:
    """One number of the output is wrong in training, whatever is dropped."""

    capabilities = CLAIMS

    def __init__(self, place):
        self.place = place

    def forward(self, case):
        output, *states = reference.forward(case)
        if case.training and output.size:
            output = output.copy()
            output.flat[self.place % output.size] += 1
        return output, *states


@pytest.mark.parametrize("place", range(0, 40, 7))
def test_a_number_is_shown_where_the_target_gave_it_whatever_the_form(place):
    properties = ["dropout.lowest_layer_stays"]
    [result] = conformance.check(WrongInTraining(place), properties=properties, diagnosis=False).results

    assert result.status == "failed", result.message


def test_a_number_of_a_ragged_batch_is_shown_where_it_stands():
    target = FaultyTarget(FAULTS["dropout-not-scaled"], cells=("LSTM",))
    unscaled = target.forward
    target.forward = lambda case: (reference.forward if case.lengths is None else unscaled)(case)
    [result] = conformance.check(target, properties=["dropout.mask"], diagnosis=False).results

    assert re.match(r"output\[\d+, \d+, \d+\] shows 1 of x", result.message), result.message


def test_a_mistake_of_the_kit_takes_nothing_from_a_failure_that_was_found(monkeypatch):
    monkeypatch.setattr("conformance.judging.judge.counterexample", lambda *_: 1 / 0)
    properties = ["dropout.lowest_layer_stays"]
    [result] = conformance.check(WrongInTraining(0), properties=properties, diagnosis=False).results

    assert result.status == "failed"
    assert result.message.startswith("output[0, 0, 0] is ")
    assert "ZeroDivisionError" in result.error
