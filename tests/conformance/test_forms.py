"""Every property asks in every form: a mistake that shows in one form, or where two things meet, is found."""

from dataclasses import replace

import numpy as np
import pytest

import conformance
from conformance.adapters import reference
from conformance.judging.coverage import ASKED, PAIRS
from conformance.judging.data import case_from_data
from strategies.forms import WORDS, form_of

FORM_OF = dict(zip(ASKED, WORDS))


def wrong_where(area, gradients=False):
    """The reference, wrong where a case is of this area: its results, or its gradients."""

    class Target:
        capabilities = reference.capabilities

        def forward(self, case):
            output, states = reference.forward(case)
            off = area.covers(reference.as_case(case)) and not gradients
            return output + output.dtype.type(off), states

        def gradients(self, case, d_output, d_h_n, d_c_n):
            found = reference.gradients(case, d_output, d_h_n, d_c_n)
            off = area.covers(reference.as_case(case)) and gradients
            return found | {"x": found["x"] + found["x"].dtype.type(off)}

    return Target


def forms_in(name):
    """The forms among the two things that a pair's name says, in words."""
    return [WORDS[FORM_OF[part]] for part in sorted(ASKED, key=list(ASKED).index) if part in name.split(", ")]


@pytest.mark.parametrize("name", PAIRS)
def test_a_mistake_where_two_things_meet_is_found_and_its_form_is_said(name):
    [result] = conformance.check(wrong_where(PAIRS[name]), properties=["equivalence.steps"], diagnosis=False).results

    assert result.status == "failed"
    first_line = result.message.splitlines()[0]
    assert first_line.endswith("; only " + " and ".join(forms_in(name))), first_line


@pytest.mark.parametrize("name", ASKED)
def test_a_mistake_of_gradients_in_one_form_is_found(name):
    ids = ["gradients.back_propagation"]
    [result] = conformance.check(wrong_where(ASKED[name], True), properties=ids, diagnosis=False).results

    assert result.status == "failed" and result.message.endswith(f"; only {WORDS[FORM_OF[name]]}")


def test_the_commonest_call_of_all():
    """A batch-first network without a state."""

    class Target:
        capabilities = reference.capabilities

        def forward(self, case):
            if case.config.batch_first and case.h_0 is None:
                raise RuntimeError("x.size(1) expected")
            return reference.forward(case)

    report = conformance.check(Target, diagnosis=False, properties=["equivalence", "lengths", "batch"])
    failed = [result for result in report.results if result.status == "failed"]

    assert len(failed) > 5
    for result in failed:
        assert result.message.endswith("; only with batch_first and without an initial state")
        assert "batch_first=True" in result.counterexample and "h_0" not in result.counterexample


def test_the_index_that_is_said_is_that_of_the_array_as_the_target_gave_it():
    class Target:
        capabilities = conformance.Capabilities(batch_first=True)

        def forward(self, case):
            output, states = reference.forward(case)
            if case.config.batch_first and case.x.ndim != 2 and output.shape[0] > 1 and output.shape[1] > 2:
                output[1, 2] += 1
            return output, states

    [result] = conformance.check(Target, properties=["equivalence.steps"], diagnosis=False).results
    assert result.message.startswith("output[1, 2, 0] is") and "third step" in result.message


def test_what_a_form_does_not_touch_is_said_without_it():
    class Target:
        capabilities = reference.capabilities

        def forward(self, case):
            output, states = reference.forward(case)
            return output + np.ones((), output.dtype), states

    for result in conformance.check(Target, diagnosis=False, properties=["equivalence.steps"]).results:
        assert result.status == "failed" and "only" not in result.message
        assert not form_of_case(result).names()


def form_of_case(result):
    """The form of the case that a result shows."""
    return form_of(case_from_data(result.case))


def test_an_unclaimed_form_is_never_asked():
    seen = []

    class Target:
        capabilities = conformance.Capabilities(lengths=True)

        def forward(self, case):
            seen.append(form_of(reference.as_case(case)))
            return reference.forward(case)

    assert conformance.check(Target, diagnosis=False, properties=["equivalence.steps", "batch"]).verdict == "conforms"
    assert {name for form in seen for name in form.names()} == {"all_lengths"}


def test_only_is_not_said_where_the_smallest_case_fails_without_the_form_too():
    class Target:
        capabilities = conformance.Capabilities(batch_first=True)

        def forward(self, case):
            output, states = reference.forward(case)
            c = reference.as_case(case)
            return output + np.float32(c.config.batch_first or (c.num_rows == 1 and c.num_steps <= 2)), states

    for result in conformance.check(Target, diagnosis=False, properties=["equivalence.steps", "shapes.shapes"]).results:
        assert "only" not in result.message


RESTRICTED = [
    {"batch": (4,)}, {"batch": (1,)}, {"batch": (1, 3)}, {"steps": (1,)}, {"steps": (2, 5)}, {"num_layers": (1,)},
    {"num_layers": (3,)}, {"hidden_size": (1,)}, {"hidden_size": (37,)}, {"input_size": (1,)},
    {"input_size": (100,), "hidden_size": (5,), "batch": (2,), "steps": (3,), "num_layers": (2,)},
]  # fmt: skip


@pytest.mark.parametrize("sizes", RESTRICTED, ids=str)
def test_restricted_sizes_are_asked_in_every_form_too(sizes):
    """And whoever is right conforms: each pair that these sizes leave is met."""

    class Target:
        capabilities = replace(reference.capabilities, sizes=sizes, dtypes=("float32",), options=())
        forward = staticmethod(reference.forward)
        gradients = staticmethod(reference.gradients)

    for seed in range(2):
        report = conformance.check(Target, seed=seed, properties=["equivalence.steps"], diagnosis=False)
        assert report.verdict == "conforms", report.reasons
        assert {"batch first, no initial state", "batch first, D = 2"} <= set(report.coverage)
