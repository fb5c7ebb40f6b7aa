"""Every fault is found, and every property finds one."""

import numpy as np
import pytest

from conformance import check
from conformance.adapters import reference
from conformance.chapters import catalogue
from conformance.diagnosis.faulty import FaultyTarget
from conformance.diagnosis.smallest import smallest
from conformance.faults import CLASSES, FAULTS, Fault, FaultyReference, PatchError
from conformance.judging.recurrences import StateProperty
from reference_rnn import CELLS, case, forward, gradients
from strategies.cases import Allowed
from strategies.covering import covering

# What no patch of the reference can show; tests/targets/wrong does.
HYGIENE = {"shapes.dtype", "shapes.results_own_their_memory", "gradients.results_own_their_memory"}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.sample
def test_every_fault_is_rejected_by_each_property_that_is_to_kill_it(fault, seed):
    report = check(FaultyTarget(fault, cells=fault.cells), seed=seed, properties=fault.killed_by, diagnosis=False)
    survived = [result.id for result in report.results if result.status not in ("failed", "not_run")]
    assert not survived
    assert report.verdict == "fails"


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.sample
def test_every_fault_is_rejected_among_all_other_cells(fault):
    report = check(FaultyTarget(fault), seed=2, properties=fault.killed_by, stop_on_first=True, diagnosis=False)
    assert report.verdict == "fails"


def test_every_property_kills_a_fault():
    killers = {id for fault in FAULTS.values() for id in fault.killed_by}
    layers = {id for id, prop in catalogue().items() if not isinstance(prop, StateProperty)}  # see test_state
    assert layers - killers == HYGIENE


def test_every_fault_has_a_class_and_every_class_a_fault():
    assert {fault.fault_class for fault in FAULTS.values()} == set(CLASSES)
    assert all(sentence.endswith(".") for sentence in CLASSES.values())
    assert len(FAULTS) >= 120


def test_every_patch_fits_and_changes_something():
    for fault in FAULTS.values():
        assert fault.old != fault.new
        FaultyReference(fault)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.sample
def test_every_fault_has_a_smallest_configuration(fault):
    assert smallest(fault)


@pytest.mark.sample
@pytest.mark.parametrize(
    ("id", "text"),
    [
        ("gates-zrn-after", "one step of one unit"),
        ("recurrent-weights-transposed-tanh", "H=2"),
        ("reverse-output-in-walking-order", "T=2, D=2"),
        ("third-layer-is-the-second", "L=3"),
        ("third-layer-loses-cell-state", "LSTM, L=3"),
        ("wide-state-lost-lstm", "H=17"),
        ("long-runs-restart", "T=9"),
        ("batch-of-more-than-eight", "N=9"),
        ("third-row-halved-before", "N=3"),
        ("input-tail-of-four-lost-lstm", "I=5"),
        ("longest-row-for-all", "N=2, lengths=[0, 1]"),
        ("mask-by-multiplication", "lengths=[0], NaN in the padding"),
        ("halved-without-bias-after", "no bias"),
        ("default-cell-state-is-one", "LSTM, no initial state"),
        ("strides-ignored", "H=2, Fortran order"),
        ("tiny-weights-lost", "huge x, tiny weights"),
        ("gradient-of-x-time-major", "T=2, N=2, batch first, gradients"),
        ("dropout-ignored", "L=2, dropout in training"),
        ("race-for-the-last-row", "after 4 other calls"),
        ("single-precision-inside", "float64"),
        ("empty-sequence-loses-state", "T=0"),
    ],
)
def test_the_smallest_configuration_is_what_the_mistake_needs(id, text):
    assert smallest(FAULTS[id]) == text


def test_what_changes_nothing_has_no_smallest_configuration():
    assert smallest(Fault("none", "no mistake", "bias", "rnn_tanh", "return tanh(z)", "return 1 * tanh(z)", ())) == ""


def test_every_property_and_fault_has_a_sentence():
    assert all(prop.statement.endswith(".") for prop in catalogue().values())
    assert all(fault.title and not fault.title.endswith(".") for fault in FAULTS.values())


def test_every_source_is_an_address():
    assert all(url.startswith("https://") for fault in FAULTS.values() for url in fault.seen)


def test_a_patch_leaves_the_reference_alone():
    before = check(reference, properties=["equivalence.counter"])
    FaultyReference(FAULTS["tanh-for-relu"])
    after = check(reference, properties=["equivalence.counter"])
    assert before.verdict == after.verdict == "conforms"


@pytest.mark.sample
@pytest.mark.parametrize("id", [fault.id for fault in FAULTS.values() if fault.backward_only])
def test_who_passes_something_else_back_computes_the_same(id):
    """What only gradients show leaves every result as it is, bit for bit."""
    faulty = FaultyReference(FAULTS[id])
    for subject in covering(Allowed(CELLS, projections=True, empty=("time", "batch", "length"))):
        found = faulty.forward(subject)
        for name, array in forward(subject).items():
            assert np.array_equal(getattr(found, name), array, equal_nan=True)


def test_where_forward_is_wrong_gradients_are_those_of_the_right_network():
    faulty = FaultyReference(FAULTS["tanh-table"])
    subject = case("RNN_TANH", T=3, x=0.5, weight_ih_l0=1, weight_hh_l0=1)
    d = {"d_output": np.ones((3, 1, 1), np.float32)}

    assert (faulty.forward(subject).output != forward(subject).output).any()
    assert all(np.array_equal(faulty.gradients(subject, **d)[name], g) for name, g in gradients(subject, **d).items())


def test_patches_of_different_lines_compose():
    both = FaultyTarget(FAULTS["halves-swapped"], FAULTS["final-states-by-direction"])
    report = check(both, properties=["directions.two_runs", "layers.final_states"], diagnosis=False)
    assert {result.status for result in report.results} == {"failed"}


def test_a_patch_that_does_not_fit_says_so():
    stale = Fault("stale", "a line that is gone", "recurrence", "scan", "state = old", "state = new", ())
    with pytest.raises(PatchError, match=r"stale: 'state = old' occurs 0 times in scan"):
        FaultyReference(stale)
    with pytest.raises(PatchError, match="no function 'walk'"):
        FaultyReference(Fault("gone", "a function that is gone", "recurrence", "walk", "", "", ()))


def test_a_patch_reads_as_a_diff():
    assert FAULTS["reverse-runs-forward"].patch().splitlines() == [
        "-for t in reversed(steps) if reverse else steps:",
        "+for t in steps:",
    ]
