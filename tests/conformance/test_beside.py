"""Of two mistakes each is told: one that shows where the other does not, in gradients, in dropout, in memory."""

import numpy as np
import pytest

from conformance import check
from conformance.adapters import reference
from conformance.diagnosis.asking import Bench
from conformance.diagnosis.backward import backward
from conformance.diagnosis.beside import THERE
from conformance.diagnosis.faulty import FaultyTarget
from conformance.diagnosis.influence import LADDER, LAST, influence
from conformance.diagnosis.work import EXPERIMENTS, Work
from conformance.faults import FAULTS
from conformance.harness.load import open_target
from conformance.judging.subject import Subject
from reference_rnn import cell_of

OUTSIDE = FAULTS["candidate-bias-outside-reset"]
INVERTED = FAULTS["update-inverted-after"]
MISSING = FAULTS["reset-missing-in-gradient"]
FORWARD, BACKWARD = "equivalence.steps", "gradients.back_propagation"


def one_layer_right(fault, cell):
    """The reference, with a mistake where there is more than one layer."""
    target, wrong = FaultyTarget(cells=(cell,)), FaultyTarget(fault, cells=(cell,))

    def of(case):
        return wrong if reference.as_case(case).config.num_layers > 1 else reference

    target.forward = lambda case: of(case).forward(case)
    target.gradients = lambda case, *d: reference.gradients(case, *d)
    return target


def titles(target, *properties):
    """What the diagnosis says."""
    return [finding.title for finding in check(target, properties=list(properties), workers=1).diagnosis]


@pytest.mark.sample
def test_a_mistake_of_the_way_back_is_told_beside_one_of_results():
    target = one_layer_right(INVERTED, "GRU")
    target.gradients = FaultyTarget(MISSING, cells=("GRU",)).gradients
    report = check(target, properties=[FORWARD, BACKWARD], workers=1)
    first, second = report.diagnosis
    assert (
        first.title
        == f"GRU: {INVERTED.title}, in some calls: results are wrong only where there is more than one layer"
    )
    assert second.title == f"GRU: {MISSING.title}{THERE}" and second.patch == MISSING.patch()
    assert second.fault == "measured.partly" and second.explains == second.telling > 0


@pytest.mark.sample
def test_when_gradients_are_wrong_is_told_beside_wrong_results():
    target = one_layer_right(FAULTS["gates-igfo"], "LSTM")
    right = target.gradients

    def gradients(case, *d):
        found = right(case, *d)
        if reference.as_case(case).num_steps > 16:
            found["weight_ih_l0"] = 0 * found["weight_ih_l0"]
        return found

    target.gradients = gradients
    found = titles(target, FORWARD, BACKWARD, "gradients.sizes")
    assert len(found) == 2 and "gates are read in the order i, g, f, o, in some calls" in found[0]
    assert found[1] == f"LSTM: gradients are wrong only where T > 16{THERE}"


@pytest.mark.sample
def test_dropout_is_told_beside_wrong_results():
    def forward(case):
        case = reference.as_case(case)
        output, final = reference.forward(case.replace(training=case.training and case.config.dropout == 1))
        return (output, 0 * final) if case.num_steps == 0 else (output, final)

    target = FaultyTarget(cells=("GRU",))
    target.forward = forward
    found = titles(target, FORWARD, "dropout", "time.no_steps")
    assert "GRU: in training nothing is dropped between layers" in found
    assert any("T = 0" in title or "zero" in title for title in found) and len(found) == 2


@pytest.mark.sample
def test_what_is_done_to_memory_is_told_beside_a_name():
    target = FaultyTarget(INVERTED, cells=("GRU",))
    wrong = target.forward

    def forward(case):
        found = wrong(case)
        if case.lengths is not None and case.x.flags.writeable:
            case.x[-1:] = 0
        return found

    target.forward = forward
    found = titles(target, FORWARD, "shapes.inputs_untouched")
    assert found[0] == INVERTED.title and found[1].startswith("GRU: x is changed by the call") and len(found) == 2


@pytest.mark.sample
@pytest.mark.parametrize(
    "fault",
    ["gates-igfo", "reset-missing-in-gradient", "lengths-off-by-one", "initial-state-by-direction", "update-unused"],
)
def test_nothing_is_told_beside_one_mistake(fault):
    faults = [one for id, one in FAULTS.items() if id.startswith(fault)][:1]
    cell = "LSTM" if "LSTM" in faults[0].cells else "GRU"
    found = titles(FaultyTarget(*faults, cells=(cell,)), FORWARD, BACKWARD, "dropout", "shapes", "gradients.sizes")
    assert found == [faults[0].title]


def test_gradients_of_results_that_are_wrong_are_no_mistake_of_their_own():
    """They are those of the function that forward computes, where each of them is wrong."""
    target = FaultyTarget(INVERTED, cells=("GRU",))
    target.gradients = lambda case, *d: {
        name: np.asarray(2 * array) for name, array in reference.gradients(case, *d).items()
    }
    found = titles(target, FORWARD, BACKWARD)
    assert found[0] == INVERTED.title and all(title.endswith(THERE) for title in found[1:])


RUNGS = {name: LADDER[name] for name in ("one step", "two directions", "a row that ends before the other")}
OF_RESULTS = [id for id, fault in FAULTS.items() if not fault.backward_only and not fault.stateful]


def read_beside(target, fault, ladder=LADDER | LAST):
    """What a target reads that it must not, or must, if a mistake is no part of that."""
    bench = Bench(Subject(open_target(target)), cell_of("GRU"), "float32", Work(EXPERIMENTS), beside=(fault,))
    return backward(bench) if fault.backward_only else influence(bench, ladder)


def with_halves_exchanged(*faults):
    """A target with mistakes, whose output has the reverse direction first."""
    target = FaultyTarget(*faults, cells=("GRU",))
    wrong = target.forward

    def forward(case):
        output, h_n = wrong(case)
        case = reference.as_case(case)
        return np.roll(output, case.config.state_size, -1) if case.config.bidirectional else output, h_n

    target.forward = forward
    return target


def test_what_reads_what_is_measured_beside_a_mistake_that_has_a_name():
    [said] = read_beside(with_halves_exchanged(OUTSIDE), OUTSIDE)
    one, other = "of the forward direction", "of the reverse direction"
    assert said.startswith(
        f"output {one} reads what that {other} should; output {other} reads what that {one} should, with two directions"
    )


def test_what_gradients_read_is_measured_beside_a_mistake_that_has_a_name():
    target = FaultyTarget(MISSING, cells=("GRU",))
    wrong = target.gradients

    def gradients(case, *d):
        found = dict(wrong(case, *d))
        return found | ({"h_0": found["h_0"][::-1]} if reference.as_case(case).config.bidirectional else {})

    target.gradients = gradients
    [said] = read_beside(target, MISSING)
    assert said.startswith(
        "the gradient of h_0 of the forward direction reads what that of the reverse direction should"
    )


@pytest.mark.sample
@pytest.mark.parametrize(
    "id",
    ["initial-state-of-first-entry", "reset-missing-in-gradient", "reset-bias-dropped-after", "reset-unused-after"],
)
def test_beside_a_mistake_that_is_all_nothing_is_read_wrongly(id):
    fault = FAULTS[id]
    assert read_beside(FaultyTarget(fault, cells=("GRU",)), fault) == []
    assert read_beside(FaultyTarget(cells=("GRU",)), fault) != []


@pytest.mark.sample
@pytest.mark.parametrize("id", [id for id in OF_RESULTS if "GRU" in FAULTS[id].cells])
def test_it_is_so_of_each_mistake_whatever_it_computes_on(id):
    assert read_beside(FaultyTarget(FAULTS[id], cells=("GRU",)), FAULTS[id], RUNGS) == []


@pytest.mark.sample
def test_a_mistake_without_a_name_is_told_beside_one_that_has_one():
    [first, *_] = titles(with_halves_exchanged(OUTSIDE), FORWARD)
    told = f"GRU: {OUTSIDE.title}; where there are two directions, it is wrong in another way: output of the forward"
    assert first.startswith(told)
