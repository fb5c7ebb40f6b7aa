"""How much is asked: no more calls than a property needs, and never fewer cases than tell something."""

import math
from collections import Counter

import numpy as np
import pytest

import conformance
from conformance.adapters import reference
from conformance.chapters import catalogue
from conformance.harness.load import open_target
from conformance.judging.judge import judge
from conformance.judging.metamorphic import TURNS, laid_out
from conformance.judging.oracle import Failure, agree
from conformance.judging.properties import CALLS, FEWEST
from conformance.judging.serialisation import counterexample_from_data
from conformance.judging.subject import Subject
from conformance.trial.options import PROFILES, Options
from conformance.trial.plan import Plan
from reference_rnn import case
from strategies.covering import COVERING, RICH
from strategies.memory import layout_of, unusual


class Recorded:
    """A right target that notes what it is given."""

    capabilities = conformance.Capabilities(
        cells=("LSTM",), max_layers=2, lengths=True, nonfinite=True, gradients=True, projections=True
    )

    def __init__(self, cases):
        self.cases = cases

    def forward(self, case):
        self.cases.append(case)
        return reference.forward(case)

    def gradients(self, case, *cotangents):
        self.cases.append(case)
        return reference.gradients(case, *cotangents)


def test_every_property_has_some_random_cases():
    for prop in catalogue().values():
        for count in PROFILES.values():
            drawn = prop.random_cases(count)
            assert FEWEST <= drawn <= count if prop.sketches is COVERING else drawn == 0
    assert catalogue()["equivalence.steps"].random_cases(100) == 100
    assert catalogue()["shapes.dtype"].random_cases(3) == 3  # a profile of fewer has no more


@pytest.mark.sample
def test_an_instance_lives_for_sixty_calls():
    lives = []

    class Target:
        capabilities = conformance.Capabilities(cells=("RNN_TANH",))

        def __init__(self):
            lives.append(0)

        def forward(self, case):
            lives[-1] += 1
            return reference.forward(case)

    report = conformance.check(Target, diagnosis=False)
    judged = [r for r in report.results if r.status == "passed" and catalogue()[r.id].sketches is COVERING]
    assert len(judged) > 20 and sum(calls >= CALLS for calls in lives) >= len(judged)


def test_memory_layouts_take_turns_over_arrays():
    arrays = [(name, np.zeros((2,) * axes)) for name, axes in (("a", 2), ("b", 2), ("c", 3), ("d", 3))]
    turns = [[(name, layout) for layouts in laid_out(arrays, first) for name, layout in layouts.items()]
             for first in range(math.lcm(*(len(unusual(array.ndim)) for _, array in arrays)))]  # fmt: skip
    assert all(len(seen) == len(set(seen)) for seen in turns)
    assert {one for seen in turns for one in seen} == {(n, layout) for n, a in arrays for layout in unusual(a.ndim)}
    assert all(one["a"] != one["b"] and one["c"] != one["d"] for one in laid_out(arrays, 1))


@pytest.mark.sample
@pytest.mark.parametrize("id", ["shapes.memory_layout", "gradients.memory_layout"])
def test_each_array_is_given_in_each_memory_layout_some_for_each_case(id):
    cases, seen = [], {}
    report = conformance.check(Recorded(cases), properties=(id,), diagnosis=False)
    turns = TURNS + 1
    calls = turns + 1  # behind the plain one, other numbers in the same bytes
    assert report.results[0].status == "passed" and len(cases) == calls * report.results[0].examples
    for number, one in enumerate(cases):
        for name, array in reference.as_case(one).arrays():
            if number % calls != 1 and array.ndim > 1 and min(array.shape) > 1:  # others are the same in several
                seen.setdefault((name, number // calls), set()).add(layout_of(array))
    for plain, columns in zip(cases[::calls], cases[1::calls]):
        for name, array in columns.parameters.items():
            assert array.tobytes("A") == plain.parameters[name].tobytes("A"), name
            assert array.ndim < 2 or min(array.shape) < 2 or layout_of(array) == "F"
    for one in ("x", "h_0", "c_0", "weight_ih_l0", "weight_hh_l0", "weight_hr_l0"):
        layouts = {"C", *unusual(2 if one.startswith("weight") else 3)}
        assert {layout for (name, _), all in seen.items() for layout in all if name == one} == layouts
    assert all("C" in layouts and len(layouts) == turns for layouts in seen.values())


def test_random_cases_follow_the_seed_and_nothing_else():
    prop = catalogue()["shapes.shapes"]

    def random_inputs(seed):
        cases = []
        (judged,) = judge(prop, open_target(Recorded(cases)), 20, seed, covers=False)
        random = judged.result.random
        return [[str(one.x) for one in part] for part in (cases[:random], cases[random:])]  # and those that are added

    assert random_inputs(0) == random_inputs(0) and all(random_inputs(0))
    assert not any(a == b for a, b in zip(random_inputs(0), random_inputs(1)))


def test_a_saved_failure_is_asked_again_behind_the_calls_before_it():
    prop = catalogue()["shapes.shapes"]

    class FromThirdOn:
        capabilities = conformance.Capabilities(cells=("RNN_TANH",))

        def __init__(self):
            self.calls = 0

        def forward(self, case):
            self.calls += 1
            output, h_n = reference.forward(case)
            return output[: None if self.calls < 3 else -1], h_n

    target = open_target(FromThirdOn)
    found = counterexample_from_data([*judge(prop, target, 20, 0)][-1].result.found)
    assert found.before == 2
    again = [*judge(prop, target, 0, 0, first=found, covers=False)][-1].result
    assert (again.status, again.examples) == ("failed", 1)


def test_rows_share_the_calls_in_which_numbers_are_not_finite():
    cases = []
    report = conformance.check(Recorded(cases), properties=("nonfinite.propagation",), diagnosis=False)
    assert report.results[0].status == "passed"
    odd = Counter()
    for one in cases:
        rows = [{np.isnan(one.x[:, row]).any(), np.isinf(one.x[:, row]).any()} for row in range(one.x.shape[1])]
        odd[sum(True in row for row in rows)] += 1
    assert max(odd) >= 4  # all that may stand in x, at once
    assert len(cases) < 6 * report.results[0].examples


def test_as_much_is_known_of_two_runs_as_it_takes():
    subject, asked = Subject(open_target(reference)), []
    one = subject(case("RNN_TANH", T=2, x=1, weight_ih_l0=1))

    def told(name, factor):
        def bounds():
            asked.append(name)
            return one.result.map(lambda _, array: np.full(array.shape, factor))

        return bounds

    def pair(of_one, of_other):
        asked.clear()
        first = one.map(one.case, lambda result: result.map(lambda _, array: array + 1e-3))
        first.bounds, other = told("one", of_one), one.map(one.case, lambda result: result)
        other.bounds = told("other", of_other)
        return first, other

    agree(*pair(0.0, 2e-3))
    assert asked == ["other"]
    agree(*pair(0.7e-3, 0.7e-3))
    assert asked == ["other", "one"]
    with pytest.raises(Failure):
        agree(*pair(0.4e-3, 0.4e-3))


def test_pytorch_is_no_second_judge_of_itself():
    pytest.importorskip("torch")
    for in_process in (True, False):
        [result] = conformance.check("torch", properties=("equivalence.pytorch",), in_process=in_process).results
        assert result.status == "not_run" and "no second judge of itself" in result.message
    [result] = conformance.check("reference", properties=("equivalence.pytorch",)).results
    assert result.status == "passed"


def test_first_looks_see_forward_and_backward():
    def worse(array):
        return array + np.float32(1e-3)

    class Backwards(Recorded):
        def gradients(self, case, *cotangents):
            found = reference.gradients(case, *cotangents)
            return found | {"weight_hh_l0": worse(found["weight_hh_l0"])}

    class Forwards(Recorded):
        def forward(self, case):
            output, final = reference.forward(case)
            return worse(output), final

    looks = ("equivalence.first_look", "gradients.first_look")
    for target, failed, kind in (
        (Forwards([]), looks[:1], "value:output"),
        (Backwards([]), looks[1:], "gradient:weight_hh_l0"),
        (Recorded([]), (), None),
    ):
        results = conformance.check(target, properties=looks, diagnosis=False).results
        assert [(r.id, r.kind) for r in results if r.status == "failed"] == [(id, kind) for id in failed]
        assert {r.status for r in results if r.id not in failed} <= {"passed"}


def test_a_first_look_fits_those_who_claim_little():
    class Little:
        capabilities = conformance.Capabilities(cells=("RNN_TANH",), max_layers=1, sizes={"hidden_size": (3,)})
        forward = staticmethod(reference.forward)

    [result] = conformance.check(Little, properties=("equivalence.first_look",), diagnosis=False).results
    assert (result.status, result.examples) == ("passed", len(RICH))


def test_first_looks_come_first():
    plan = Plan.of(Options(), catalogue)
    looks = ["equivalence.first_look", "gradients.first_look"]
    assert plan.strongest_first[:2] == plan.longest_first[:2] == looks
