"""Changes of the reference that make an experiment say of it what it says of a target: each is found, and is shown."""

from dataclasses import replace

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.adapters.reference import as_case
from conformance.claims.allowed import drawn as allowed
from conformance.diagnosis.dropout import drops
from conformance.diagnosis.faulty import FaultyTarget
from conformance.diagnosis.told_alike import gives_shapes, patch_of_habits, shapes_of
from conformance.faults import FAULTS
from conformance.faults.masks import IN_ONE, masks
from conformance.faults.shapes import shapes
from conformance.harness.load import open_target
from conformance.judging.subject import Subject
from reference_rnn import cell_of
from strategies.cases import Allowed
from strategies.covering import covering

MASKS = masks() | {id: fault for id, fault in FAULTS.items() if fault.fault_class == "dropout"}


def test_an_experiment_tells_masks_apart():
    cell, said = cell_of("RNN_TANH"), {}
    for fault in MASKS.values():
        target = open_target(FaultyTarget(fault, cells=("RNN_TANH",)))
        if sentences := drops(Subject(target, anew=True), cell):
            said[fault.title] = tuple(sentences)
    assert said.keys() >= {fault.title for fault in masks().values()}
    # a network of one layer shows what is made in all, and no sentence says by which mask: other failures tell
    by_it = [said[title] for title in said if IN_ONE not in title and "a mask of its own" not in title]
    assert len(set(by_it)) == len(by_it)


def test_a_change_gives_the_same_shapes_in_every_case():
    cases = list(covering(Allowed()))[:12]
    [swapped] = [fault for fault in shapes().values() if fault.title == "the output is batch first"]
    targets = {fault: open_target(FaultyTarget(fault)) for fault in (swapped, FAULTS["output-stays-time-major"])}
    claims = targets[swapped].capabilities
    given = shapes_of(Subject(targets[swapped], anew=True), cases)
    assert [gives_shapes(target, claims, given) for target in targets.values()] == [True, False]
    assert gives_shapes(targets[swapped], claims, [*given, (cases[0], {})])  # where there is no result nobody knows


def sometimes(so):
    """A target whose output is batch first where a case is so."""

    def forward(case):
        output, h_n = reference.forward(case)
        return output.swapaxes(0, 1) if so(case) else output, h_n

    forward.capabilities = Capabilities(cells=("GRU",), lengths=True, bidirectional=True, batch_first=True)
    return forward


def habit(so):
    """The change that is shown with what is recognised in it."""
    subject = Subject(open_target(sometimes(so)), anew=True)
    subject.restart()
    cases = list(covering(allowed(subject.capabilities)))
    for case in cases:
        subject(case)
    assert subject.reader.habits
    return patch_of_habits(subject, cases)


def test_a_change_is_not_shown_where_the_mistake_is_made_in_some_calls_alone():
    [swapped] = [fault for fault in shapes().values() if fault.title == "the output is batch first"]
    assert habit(lambda case: True) == swapped.patch()
    assert habit(lambda case: case.lengths is not None) == ""
    assert habit(lambda case: case.config.bidirectional) == ""


class OneMask:
    """The same numbers of each row are dropped."""

    capabilities = Capabilities(cells=("RNN_TANH",), max_layers=3, dropout=True)

    def forward(self, case):
        case = as_case(case)
        p = case.config.dropout
        drawn = np.random.random((case.config.num_layers - 1, case.num_steps, 1, case.config.hidden_size)) >= p
        kept = np.broadcast_to(drawn, (*drawn.shape[:2], case.num_rows, case.config.hidden_size)) / (1 - p or 1)
        result = reference.reference_rnn.forward(case, masks=list(kept))
        return result.output.astype(case.config.dtype), result.h_n.astype(case.config.dtype)


class DropsInputs:
    """In training numbers of x are dropped, too."""

    capabilities = Capabilities(cells=("RNN_RELU",), max_layers=3, dropout=True)
    layers = (1, 2, 3)

    def forward(self, case):
        case = as_case(case)
        if case.training and case.config.num_layers in self.layers:
            kept = np.random.random(case.x.shape) >= case.config.dropout
            x = np.where(kept, case.x / (1 - case.config.dropout or 1), 0)
            case = case.replace(x=x.astype(case.x.dtype))
        return reference.forward(case)


class DropsInputsInOne(DropsInputs):
    """The same where there is one layer."""

    layers = (1,)


class Trimmed:
    """The output ends with the longest row."""

    capabilities = Capabilities(cells=("RNN_RELU",), lengths=True)

    def forward(self, case):
        output, h_n = reference.forward(case)
        return output[: max(as_case(case).row_lengths, default=0)], h_n


class RowsFirst:
    """The output is always batch first."""

    capabilities = Capabilities(cells=("GRU",))

    def forward(self, case):
        output, h_n = reference.forward(case)
        return output.swapaxes(0, 1), h_n


class KeptByPlace:
    """Weights are known by the arrays that they were in, and not read again."""

    capabilities = Capabilities(cells=("GRU",))

    def __init__(self):
        self.kept = {}

    def forward(self, case):
        case = as_case(case)

        def known(name, array):
            is_parameter = name.startswith(("weight", "bias"))
            return self.kept.setdefault(id(array), (array, array.copy()))[1] if is_parameter else array

        return reference.forward(case.map(known))


class ByLengths:
    """Where rows end is known by their sorted lengths, and not read again."""

    capabilities = Capabilities(cells=("GRU",), lengths=True)

    def __init__(self):
        self.kept = {}

    def forward(self, case):
        case = as_case(case)
        if case.lengths is None:
            return reference.forward(case)
        kept = self.kept.setdefault(tuple(sorted(case.lengths.tolist())), case.lengths.copy())
        return reference.forward(case.replace(lengths=kept))


class ByOthers:
    """Parameters are known by all of them but weight_hr, and not read again."""

    capabilities = Capabilities(cells=("LSTM",), projections=True)

    def __init__(self):
        self.kept = {}

    def forward(self, case):
        case = as_case(case)
        others = ((n, a.shape, a.tobytes()) for n, a in case.parameters.items() if not n.startswith("weight_hr"))
        copies = {name: array.copy() for name, array in case.parameters.items()}
        return reference.forward(case.replace(parameters=self.kept.setdefault(tuple(others), copies)))


SHOWN = {
    OneMask: ("dropout.mask", "dropout has one mask for all rows", masks, "one dropout mask serves every row"),
    Trimmed: (
        "shapes.shapes", "output has shape (max(lengths), N, H), must be (T, N, H)", shapes,
        "the output ends with the longest row",
    ),
    RowsFirst: (
        "shapes.shapes", "output has shape (N, T, H), must be (T, N, H)", shapes,
        "the output is batch first",
    ),
}  # fmt: skip


@pytest.mark.sample
@pytest.mark.parametrize("target", SHOWN)
def test_its_change_is_shown_with_what_was_measured(target):
    prop, sentence, family, title = SHOWN[target]
    (fault,) = (fault for fault in family().values() if fault.title == title)
    findings = check(target, properties=[prop]).diagnosis
    assert [finding.patch for finding in findings if finding.title.endswith(sentence)] == [fault.patch()]


@pytest.mark.sample
@pytest.mark.parametrize(("target", "shown"), [(ByLengths, "sorted(a.tolist())"), (ByOthers, "not in ('weight_hr',)")])
def test_its_change_is_shown_with_what_keys_leave_out(target, shown):
    (finding,) = check(target, properties=["shapes.calls_are_independent"]).diagnosis
    assert shown in finding.patch


@pytest.mark.sample
@pytest.mark.parametrize(("target", "shown"), [(DropsInputs, True), (DropsInputsInOne, False)])
def test_a_change_is_shown_where_what_fails_tells_it_from_others(target, shown):
    """In a network of one layer both mistakes are the same; what is right in others is no failure."""
    (fault,) = (fault for fault in masks().values() if fault.title == "dropout also acts on x")
    asked = ["dropout.everything_at_one", "dropout.not_on_the_last_layer", "dropout.lowest_layer_stays"]
    (finding,) = check(target, properties=asked, workers=1, in_process=True).diagnosis
    assert finding.patch == fault.patch() * shown
    assert finding.title.endswith("in training numbers of x are dropped, as a network of one layer shows")


@pytest.mark.sample
def test_its_change_is_shown_with_what_is_kept():
    findings = check(KeptByPlace, properties=["shapes.calls_are_independent", "shapes.memory_layout"]).diagnosis
    (finding,) = findings
    assert finding.title.endswith("told from those of an earlier call by the arrays, not by the numbers in them")
    assert "id(a)" in finding.patch


class InSinglePrecision:
    """What is given in double precision is computed in single precision."""

    capabilities = Capabilities(cells=("GRU",), dtypes=("float32", "float64"), bidirectional=True)

    def forward(self, case):
        single = replace(case.config, dtype="float32")
        output, h_n = reference.forward(replace(as_case(case), config=single).map(lambda _, a: a.astype(np.float32)))
        return output.astype(case.config.dtype), h_n.astype(case.config.dtype)


class RoundedAtLast(InSinglePrecision):
    """Results of double precision are rounded to single precision, once."""

    def forward(self, case):
        return tuple(a.astype(np.float32).astype(case.config.dtype) for a in reference.forward(case))


@pytest.mark.sample
def test_results_that_are_rounded_once_are_not_computed_in_single_precision():
    report = check(
        RoundedAtLast, properties=["equivalence.steps", "equivalence.first_look"], workers=1, in_process=True
    )
    assert [one.title for one in report.diagnosis] == ["GRU: h_n is rounded to 24 significant bits, as in float32"]


@pytest.mark.sample
def test_single_precision_in_double_is_said_with_its_change():
    asked = ["equivalence.steps", "equivalence.first_look"]
    report = check(InSinglePrecision, properties=asked, workers=1, in_process=True)
    (finding,) = report.diagnosis
    assert finding.fault == "measured.precision" and "np.float32" in finding.patch
    assert finding.title == "GRU: double precision is computed in single precision"
