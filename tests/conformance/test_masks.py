"""Dropout in training: what is random is judged with power, and never wrongly."""

import math
from dataclasses import replace

import numpy as np
import pytest

import conformance
from conformance.adapters import reference
from conformance.diagnosis.faulty import FaultyTarget
from conformance.faults import FAULTS
from conformance.judging.judgement import Failure
from conformance.judging.masks import FALSE_ALARM, divergence, often
from reference_rnn import CELLS
from reference_rnn import gradients as gradients_of

CLAIMS = replace(reference.capabilities, cells=("RNN_RELU", "LSTM"), dtypes=("float32",), options=())
RANDOM = {
    "one-mask-for-all-layers": "dropout.mask",
    "dropout-above-the-lowest-layer-only": "dropout.mask",
    "dropout-on-hidden-states": "dropout.lowest_layer_stays",
    "dropout-on-hidden-states-above": "dropout.lowest_layer_stays",
    "mask-not-scaled-in-gradient": "gradients.training",
    "another-mask-in-gradient": "gradients.training",
    "mask-on-states-in-gradient": "gradients.training",
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("id", RANDOM)
@pytest.mark.sample(every=5)
def test_each_is_found_whatever_is_drawn(id, cell, seed):
    target = FaultyTarget(FAULTS[id], cells=(cell,))
    [result] = conformance.check(target, properties=[RANDOM[id]], seed=seed, diagnosis=False).results

    assert result.status == "failed"
    assert result.examples <= 24, "not by luck: the covering cases show it"


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


@pytest.mark.parametrize("sizes", [{}, {"batch": (2,), "steps": (3,)}, {"batch": (1,), "num_layers": (3,)}], ids=str)
@pytest.mark.parametrize("target", [KeepsToItself, SameSeed])
@pytest.mark.sample(every=2)
def test_whoever_is_right_is_never_rejected(target, sizes):
    class Target(target):
        capabilities = replace(CLAIMS, sizes=sizes)

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

    often(np.arange(1000) < 250, masks=1, p=0.75)
    often(np.arange(1000) < 63, masks=2, p=0.75)
    with pytest.raises(Failure, match="two masks together kept"):
        often(np.arange(1000) < 250, masks=2, p=0.75)


def test_a_run_cries_wolf_less_than_once_in_1e12():
    assert 5_024 * 12 * FALSE_ALARM < 1e-12


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


def test_a_mistake_of_the_kit_takes_nothing_from_a_failure_that_was_found(monkeypatch):
    monkeypatch.setattr("conformance.judging.judge.counterexample", lambda *_: 1 / 0)
    properties = ["dropout.lowest_layer_stays"]
    [result] = conformance.check(WrongInTraining(0), properties=properties, diagnosis=False).results

    assert result.status == "failed"
    assert result.message.startswith("output[0, 0, 0] is ")
    assert "ZeroDivisionError" in result.error
