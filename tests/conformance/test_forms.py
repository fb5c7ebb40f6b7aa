"""Every property asks in every form: a mistake that shows in one form, or where two things meet, is found."""

from dataclasses import replace

import numpy as np
import pytest

import conformance
from conformance.adapters import reference
from conformance.chapters import catalogue
from conformance.harness.load import open_target
from conformance.judging.coverage import ASKED, KINDS, MEETINGS, NAMES, expected_areas
from conformance.judging.judge import judge
from conformance.judging.serialisation import case_from_data
from strategies.cases import Allowed
from strategies.covering import covering
from strategies.forms import LENGTHS, WORDS, form_of

FORM_OF = dict(zip(ASKED, WORDS))
MEETINGS_OF = NAMES | {name: (name,) for name in ASKED}


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
    """The forms among the things that a name says, in words; of lengths, any kind may be found first."""
    parts = MEETINGS_OF[name]
    forms = [WORDS[FORM_OF[part]] for part in ASKED if part in parts and part in FORM_OF]
    if "other lengths" not in parts:
        return [forms]
    return [[form for form in forms if form != WORDS["all_lengths"]] + [kind] for kind in LENGTHS.values()]


@pytest.mark.parametrize("name", MEETINGS)
@pytest.mark.sample
def test_a_mistake_where_things_meet_is_found_and_its_form_is_said(name):
    [result] = conformance.check(wrong_where(MEETINGS[name]), properties=["equivalence.steps"], diagnosis=False).results

    assert result.status == "failed"
    first_line = result.message.splitlines()[0]
    assert first_line.endswith(tuple("; only " + " and ".join(forms) for forms in forms_in(name))), first_line


@pytest.mark.parametrize("name", ASKED)
def test_a_mistake_of_gradients_in_one_form_is_found(name):
    ids = ["gradients.back_propagation"]
    [result] = conformance.check(wrong_where(ASKED[name], True), properties=ids, diagnosis=False).results

    assert result.status == "failed"
    assert result.message.endswith(tuple("; only " + " and ".join(forms) for forms in forms_in(name)))


@pytest.mark.sample
@pytest.mark.parametrize("kind", LENGTHS)
def test_a_mistake_with_one_kind_of_lengths_is_found_by_properties_of_lengths_too(kind):
    ids = ["equivalence.steps", "lengths.padded_row_is_row_alone"]
    area = KINDS[LENGTHS[kind].removeprefix("with ")]
    for result in conformance.check(wrong_where(area), properties=ids, diagnosis=False).results:
        assert result.status == "failed" and result.message.endswith(f"; only {LENGTHS[kind]}"), result.message


UNSIGNED = """
import numpy as np
from conformance import Capabilities
from conformance.adapters import reference

capabilities = Capabilities(lengths=True, bidirectional=True)

def forward(case):
    lengths = case.lengths
    if lengths is not None and (lengths - 1 - np.array(case.x.shape[0], lengths.dtype) > 0).any():
        lengths = np.full_like(lengths, len(case.x))
    asked = reference.as_case(case)
    return reference.forward(asked.replace(lengths=lengths))
"""
BYTES = UNSIGNED.replace(
    "(lengths - 1 - np.array(case.x.shape[0], lengths.dtype) > 0).any()",
    "not np.array_equal(np.ndarray(len(lengths), lengths.dtype, memory(lengths)), lengths)",
).replace(
    "def forward",
    """
def memory(array):
    import ctypes
    size = (len(array) - 1) * abs(array.strides[0]) + array.itemsize
    return (ctypes.c_char * size).from_address(array.ctypes.data - (array.strides[0] < 0) * (size - array.itemsize))

def forward""",
)


@pytest.mark.sample
@pytest.mark.parametrize("in_process", [True, False])
@pytest.mark.parametrize("text, kinds", [(UNSIGNED, ("uint",)), (BYTES, ("strided", "backwards"))])
def test_mistakes_with_lengths_as_people_make_them(tmp_path, text, kinds, in_process):
    """lengths - 1 - t in a dtype without signs; memory that is read as if it had no gaps."""
    (tmp_path / "target.py").write_text(text)
    report = conformance.check(
        tmp_path / "target.py", properties=["equivalence.steps"], in_process=in_process, diagnosis=False
    )
    [result] = report.results
    assert result.status == "failed"
    assert any(kind in result.message.partition("; only ")[2] for kind in kinds), result.message
    said = result.counterexample
    assert "lengths_dtype='uint" in said or "lengths is strided" in said or "lengths lies backwards in memory" in said


def test_the_covering_cases_meet_what_is_asked_together():
    """batch_first x state x lengths, each with each; every kind of lengths."""
    cases = list(covering(Allowed(forms=("batch_first", "no_state", "unbatched", "all_lengths", "lengths"))))
    seen = {
        (c.config.batch_first, c.h_0 is None, form_of(c).all_lengths, c.lengths is None)
        for c in cases
        if not c.unbatched and c.num_steps and c.num_rows
    }
    assert len(seen) == 12
    assert {form_of(c).lengths for c in cases} == {"", *LENGTHS}
    assert any(len(set(c.row_lengths)) == 1 and 0 < c.row_lengths[0] < c.num_steps for c in cases if c.num_rows > 1)
    assert any(c.unbatched and c.config.num_layers > 1 and c.config.bidirectional for c in cases)


def test_the_commonest_call_of_all():
    """A batch-first network without a state."""

    class Target:
        capabilities = replace(reference.capabilities, gradients=False)

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
    assert {name for form in seen for name in form.names()} == {"all_lengths", "lengths"}


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
@pytest.mark.sample
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


@pytest.mark.parametrize(
    "claims",
    [{}, {"cells": ("RNN_TANH",)}, {"cells": ("GRU",), "max_layers": 1}, {"cells": ("LSTM",), "no_bias": "only"}],
    ids=str,
)
@pytest.mark.sample
def test_what_is_claimed_of_16_bits_alone_is_met_by_covering_cases_that_are_not_void(claims):
    class Target:
        capabilities = replace(
            reference.capabilities, dtypes=("bfloat16",), options=(), gradients=False, dropout=False, **claims
        )

        def forward(self, case):
            return reference.forward(case)

    target = open_target(Target, in_process=True)
    first, second = (
        [*judge(catalogue()["equivalence.steps"], target, count=0, base_seed=seed)][-1].result for seed in range(2)
    )
    assert first.status == "passed" and first.coverage == second.coverage
    assert not [area for area in expected_areas(Target.capabilities) if not first.coverage.get(area)]
