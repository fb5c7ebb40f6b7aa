"""Arrays that are what they must be times a factor are told so, with the factor, and nothing else is."""

from dataclasses import replace

import numpy as np
import pytest

from conformance import Capabilities
from conformance.adapters import reference
from conformance.adapters.reference import as_case
from conformance.diagnosis.probes import answered as answer
from conformance.diagnosis.probes import answers, forward_is_wrong
from conformance.diagnosis.proportion import Seen, factor_of, proportion
from conformance.diagnosis.work import CALLS, Work
from conformance.harness.load import open_target
from conformance.judging.subject import Subject
from reference_rnn import Case, Config

CLAIMS = Capabilities(cells=("GRU",), bidirectional=True, max_layers=None, lengths=True, gradients=True)


class Told:
    """The reference, with results or gradients told otherwise."""

    capabilities = CLAIMS

    def __init__(self, results=lambda case, name, array: array, gradients=lambda case, name, array: array):
        self.results = results
        self.told = gradients

    def forward(self, case):
        output, h_n = reference.forward(case)
        return self.results(case, "output", output), self.results(case, "h_n", h_n)

    def gradients(self, case, *d):
        return {name: self.told(case, name, array) for name, array in reference.gradients(case, *d).items()}


def answered(target):
    opened = open_target(target, in_process=True)
    try:
        return answers(Subject(opened, anew=True), Work(CALLS))
    finally:
        opened.stop()


def of_weight_hh(factor):
    return lambda case, name, array: array * factor(case, array) if name.startswith("weight_hh") else array


GRADIENTS = {
    "half": (of_weight_hh(lambda case, a: 0.5), "the gradient of weight_hh is 0.5 times what it must be"),
    "negative": (of_weight_hh(lambda case, a: -1), "the gradient of weight_hh is -1 times what it must be"),
    "a mean over rows": (
        of_weight_hh(lambda case, a: 1 / case.x.shape[1]), "the gradient of weight_hh is what it must be divided by N",
    ),
    "a mean over steps and rows": (
        lambda case, name, a: a / (case.x.shape[0] * case.x.shape[1]) if name.startswith(("weight", "bias")) else a,
        "the gradients of weight_ih, weight_hh, bias_ih, bias_hh are what they must be divided by T*N",
    ),
    "by the root of the width": (
        of_weight_hh(lambda case, a: 1 / np.sqrt(a.shape[1])),
        "the gradient of weight_hh is what it must be divided by the root of H",
    ),
    "in some calls": (
        of_weight_hh(lambda case, a: 2 if case.x.shape[0] > 4 else 1),
        "the gradient of weight_hh is 2 times what it must be, in some calls: if it is long",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", GRADIENTS)
def test_a_factor_of_gradients(mistake):
    change, sentence = GRADIENTS[mistake]
    found = answered(Told(gradients=change))
    assert not forward_is_wrong(found)
    told = proportion([a for a in found if a.probe.d is not None], lambda: "if it is long", "gradient")
    assert told == [sentence]


def test_the_mean_of_nothing_is_a_mean():
    @np.errstate(all="ignore")
    def mean(case, name, array):
        steps = as_case(case).row_lengths.sum()
        return array / np.float64(steps) if name.startswith("bias") else array

    target = Told(gradients=mean)
    target.capabilities = replace(CLAIMS, empty=("length",))
    found = [a for a in answered(target) if a.probe.d is not None]
    ragged = next(a.probe for a in found if a.probe.case.lengths is not None)
    none = replace(ragged, case=ragged.case.replace(lengths=0 * ragged.case.lengths))
    found.append(answer(Subject(open_target(target, in_process=True)), none))
    assert np.isnan(found[-1].given["bias_ih_l0"]).all()
    [told] = proportion(found, of="gradient")
    assert told == "the gradients of bias_ih, bias_hh are what they must be divided by the sum of the lengths"


def test_a_size_of_zero_admits_no_other_factor_than_a_number_that_is_none():
    """What is 7 times what it must be where there is no step is not divided by T."""
    cases = [Case(Config("GRU", 1, 1), {}, np.zeros((steps, 1, 1))) for steps in (2, 3, 4, 0)]
    seen = [Seen(case, "h_0", 1 / max(case.num_steps, 1), True) for case in cases]
    divided = [one._replace(factor=np.inf) if one.case.num_steps == 0 else one for one in seen]
    assert factor_of(divided).words == "{} divided by T"
    assert factor_of([one._replace(factor=7.0) if one.case.num_steps == 0 else one for one in seen]) is None
    assert factor_of([one._replace(factor=np.inf, several=False) for one in seen]) is None


def test_a_factor_of_results():
    found = answered(Told(results=lambda case, name, array: 3 * array if name == "output" else array))
    assert forward_is_wrong(found)
    assert proportion([a for a in found if a.probe.d is None]) == ["output is 3 times what it must be"]


@pytest.mark.parametrize(
    "change",
    {
        "nothing is wrong": lambda case, name, array: array,
        "one gate": of_weight_hh(lambda case, a: np.where(np.arange(len(a)) < len(a) // 3, 2, 1)[:, None]),
        "a number is added": of_weight_hh(lambda case, a: 1 + 0.01 / a),
        "a factor that is no size": of_weight_hh(lambda case, a: 1 + case.x.shape[0] / 10),
        "beside a mistake of another kind": lambda case, name, a: 2 * a if name == "x" else abs(a),
    }.values(),
    ids=lambda change: "",
)
def test_nothing_is_told_where_a_factor_is_not_all(change):
    found = answered(Told(gradients=change))
    assert proportion([a for a in found if a.probe.d is not None], of="gradient") == []


class Raises(Told):
    """The same, which raises where a case is long."""

    def forward(self, case):
        if case.x.shape[0] > 4:
            raise ValueError("too long")
        return super().forward(case)


def test_where_no_results_are_given_gradients_are_compared_all_the_same():
    assert not forward_is_wrong(answered(Raises(gradients=of_weight_hh(lambda case, a: 2))))
    assert forward_is_wrong(answered(Raises()))
    assert forward_is_wrong(answered(Raises(results=lambda case, name, array: -array)))
