"""Whose memory is written and handed out: each mistake is made, found, and shown beside what is said of a target."""

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.adapters.reference import as_case
from conformance.diagnosis.faulty import FaultyTarget
from conformance.faults.memory import memory
from strategies.cases import Allowed
from strategies.covering import covering


def test_each_says_what_it_is():
    every = memory().values()
    assert len({fault.title for fault in every}) == len({fault.new for fault in every}) == len(every) > 40
    assert all(fault.fault_class == "changed-inputs" for fault in every)


def test_numbers_are_right_all_the_same():
    for case in list(covering(Allowed()))[:2]:
        case = case.replace(dropout=0.0)
        right = reference.forward(case.map(lambda _, a: a.copy()))[0]
        for fault in memory().values():
            output = FaultyTarget(fault).forward(case.map(lambda _, a: a.copy()))[0]
            assert np.array_equal(output, right, equal_nan=True), fault.title


class Target:
    """The reference, which does something else beside giving numbers."""

    capabilities = Capabilities(cells=("GRU", "LSTM"), default_state=True, gradients=True, empty=("time",))

    def __init__(self):
        self.kept = {}

    def forward(self, case):
        return reference.forward(case)

    def gradients(self, case, *d):
        return reference.gradients(case, *d)


class WritesBack(Target):
    """The state of the caller is the one in which it works, where it may."""

    def forward(self, case):
        output, final = super().forward(case)
        for initial, last in zip((case.h_0, case.c_0), final if case.config.num_states == 2 else (final,)):
            if initial is not None and initial.flags.writeable:
                initial[...] = last
        return output, final


class OneBuffer(Target):
    """The output lies in an array that is kept."""

    def forward(self, case):
        output, final = super().forward(case)
        buffer = self.kept.setdefault((output.shape, output.dtype), np.empty_like(output))
        buffer[...] = output
        return buffer, final


class HandsOut(Target):
    """Where there are no steps, the initial states are the final ones."""

    def forward(self, case):
        output, final = super().forward(case)
        if case.num_steps or case.h_0 is None:
            return output, final
        return output, (case.h_0, case.c_0) if case.config.num_states == 2 else case.h_0


class WorksInCotangent(Target):
    """What goes back to h is summed up in the caller's array."""

    capabilities = Capabilities(cells=("GRU", "LSTM"), gradients=True, empty=("time",))

    def gradients(self, case, d_output, d_h_n, d_c_n):
        found = super().gradients(case, d_output, d_h_n, d_c_n)
        if d_h_n is not None:
            d_h_n[...] = found["h_0"]
        return found


SHOWN = {
    WritesBack: "+    a = case.h_0\n+    if a is not None and a.flags.writeable:\n+        a[...] = found.h_n",
    OneBuffer: "+        if not (name in ('output',)):\n+            return a",
    HandsOut: "+    return Result(found.output, case.h_0",
    WorksInCotangent: "+    if a is not None:\n+        a[...] = stack(*[entry[0] for entry in d_initial])",
}
ASKED = ["shapes.inputs_untouched", "shapes.results_own_their_memory", "gradients.shapes"]


@pytest.mark.sample
@pytest.mark.parametrize(("target", "change"), SHOWN.items(), ids=[target.__name__ for target in SHOWN])
def test_the_change_is_shown(target, change):
    report = check(target, properties=ASKED, workers=1, in_process=True)
    said = [one for one in report.diagnosis if one.fault == "measured.hygiene"]
    assert said and all(change in one.patch for one in said), [(one.title, one.patch) for one in report.diagnosis]


class Triples(Target):
    """h_0 is multiplied by 3."""

    def forward(self, case):
        found = super().forward(case)
        if case.h_0 is not None and case.h_0.flags.writeable:
            case.h_0[...] *= 3
        return found


class Fills(Target):
    """d_h_n is filled with ones."""

    def gradients(self, case, d_output, d_h_n, d_c_n):
        found = super().gradients(case, d_output, d_h_n, d_c_n)
        if d_h_n is not None and d_h_n.flags.writeable:
            d_h_n[...] = 1
        return found


class OneFlatBuffer(Target):
    """The output lies in one array that only grows, whatever its shape is."""

    def forward(self, case):
        output, final = super().forward(case)
        if len(self.kept.get(output.dtype, "")) < output.size:
            self.kept[output.dtype] = np.empty(output.size, output.dtype)
        buffer = self.kept[output.dtype][: output.size].reshape(output.shape)
        buffer[...] = output
        return buffer, final


@pytest.mark.sample
@pytest.mark.parametrize("target", [Triples, Fills, OneFlatBuffer])
def test_no_change_is_shown_that_does_something_else(target):
    report = check(target, properties=ASKED, workers=1, in_process=True)
    assert [(one.fault, one.patch) for one in report.diagnosis] == [("measured.hygiene", "")]


class WrongAndShared(Target):
    """b_hh is not read, and the gradient of x lies in an array that is kept."""

    capabilities = Capabilities(cells=("GRU",), gradients=True)

    def forward(self, case):
        return reference.forward(
            as_case(case).map(lambda name, array: 0 * array if name.startswith("bias_hh") else array)
        )

    def gradients(self, case, *d):
        found = super().gradients(case, *d)
        found["x"] = self.kept.setdefault((found["x"].shape, found["x"].dtype), found["x"])
        return found


def test_it_is_shown_beside_a_mistake_that_fails_much_before_it():
    asked = ["equivalence", "gradients.results_own_their_memory"]
    report = check(WrongAndShared, properties=asked, workers=1, in_process=True)
    (shared,) = (one for one in report.diagnosis if one.fault == "measured.hygiene")
    assert shared.title == "GRU: the gradient of x shares memory with an earlier result"
    assert not any("failed" in known for known in report.known)
