"""What no probe shows: the calls of failures are compared with faulty references, too."""

from unittest.mock import Mock

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.adapters.reference import as_case
from conformance.diagnosis.asking import Bench
from conformance.diagnosis.diagnosis import Inquiry
from conformance.diagnosis.faulty import FaultyTarget
from conformance.diagnosis.seldom import asked
from conformance.diagnosis.work import Work
from conformance.faults import FAULTS
from conformance.harness.call import Call
from conformance.harness.load import open_target
from conformance.judging.metamorphic import steps
from conformance.judging.subject import Subject
from reference_rnn import cell_of
from strategies.cases import Allowed
from strategies.covering import covering


def without_bias(case):
    """Without b_hh."""
    return case.map(lambda name, array: array * (not name.startswith("bias_hh")))


def exchanged(case):
    """With the first two of three gates exchanged."""

    def gates(array):
        return np.concatenate([np.split(array, 3)[gate] for gate in (1, 0, 2)])

    return case.map(lambda name, array: gates(array) if name.startswith(("weight", "bias")) else array)


def sometimes(cell, so, change):
    """A target of a cell that makes a change where a configuration is so."""

    def forward(case):
        case = as_case(case)
        return reference.forward(change(case) if so(case.config) else case)

    forward.capabilities = Capabilities(cells=(cell,), max_layers=None)
    return forward


class Limited:
    """c never goes beyond twelve."""

    capabilities = Capabilities(cells=("LSTM",))

    def forward(self, case):
        case, output = as_case(case), []
        for t in range(case.num_steps):
            _, (h_n, c_n) = reference.forward(steps(case, t, t + 1))
            case = case.replace(h_0=h_n, c_0=np.clip(c_n, -12, 12))
            output.append(h_n[0])
        return (np.stack(output), (case.h_0, case.c_0)) if output else reference.forward(case)


SELDOM = {
    "b_hh is not added (tanh RNN), in some calls: wrong only where L > 5": sometimes(
        "RNN_TANH", lambda c: c.num_layers > 5, without_bias
    ),
    "in some calls: wrong only where H > 39": sometimes("GRU", lambda c: c.hidden_size >= 40, exchanged),
}


@pytest.mark.sample
@pytest.mark.parametrize("said", SELDOM)
def test_what_is_wrong_in_some_calls_is_told_with_its_change(said):
    (finding,) = check(SELDOM[said], properties=["equivalence.sizes", "equivalence.steps"]).diagnosis
    assert finding.fault == "measured.partly" and finding.title.endswith(said) and finding.patch


@pytest.mark.sample
def test_where_numbers_are_cut_off_is_read_off_from_them():
    (finding,) = check(Limited, properties=["equivalence.steps", "gates.cell_state_counts"]).diagnosis
    assert finding.exact and finding.title == "c is cut off at 12 (LSTM)"


@pytest.mark.sample
def test_a_mistake_that_needs_many_layers_has_its_name():
    (finding,) = check(
        FaultyTarget(FAULTS["layers-sorted-as-text"], cells=("RNN_TANH",)), properties=["equivalence.sizes"]
    ).diagnosis
    assert finding.exact and finding.fault == "layers-sorted-as-text"


@pytest.mark.sample
def test_what_is_named_of_one_cell_leaves_the_others_to_be_looked_into():
    fault = FAULTS["layers-sorted-as-text"]
    named, other = (
        check(FaultyTarget(fault, cells=(cell,)), properties=["equivalence.sizes"], diagnosis=False).results[0]
        for cell in ("RNN_TANH", "GRU")
    )
    search = Mock(cell=cell_of("RNN_TANH"))
    inquiry = Mock(searches=[], explained={}, failed=[named, other])
    assert Inquiry.unexplained.fget(inquiry) == [cell_of("RNN_TANH"), cell_of("GRU")]
    inquiry.explained = {search: (fault,)}
    assert Inquiry.unexplained.fget(inquiry) == [cell_of("GRU")]


def test_what_is_drawn_at_random_is_not_compared():
    subject = Subject(open_target(reference), anew=True)
    case = next(covering(Allowed(cells=("GRU",), max_layers=2)))
    bench = Bench(subject, case.config.cell, case.config.dtype, Work(4))
    assert [found.right for found in asked(bench, Call("forward", case))] == [True]
    assert not list(asked(bench, Call("forward", case.replace(dropout=0.5, training=True))))
    assert bench.calls.left == 3
