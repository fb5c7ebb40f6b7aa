"""What is wrong in calls of new instances is told beside what depends on the calls before."""

import numpy as np
import pytest

from conformance import Capabilities, check
from conformance.adapters import reference
from conformance.diagnosis.alone import THERE, OfNewInstances
from conformance.faults import FAULTS
from conformance.harness.load import open_target
from reference_rnn import Case, Config, forward, parameter_shapes

MISSING = FAULTS["reset-missing-in-gradient"]
KEEPS = """
from dataclasses import replace
from conformance.adapters import reference
from conformance.diagnosis.faulty import FaultyTarget
from conformance.faults import FAULTS

capabilities = replace(reference.capabilities, cells=("GRU",))
kept = {}

def forward(case):
    output, h_n = reference.forward(case)
    return output, kept.setdefault(h_n.shape, h_n).copy()
"""
WRONG = f'gradients = FaultyTarget(FAULTS["{MISSING.id}"], cells=("GRU",)).gradients'
RIGHT = "gradients = reference.gradients"


@pytest.mark.sample
@pytest.mark.parametrize("gradients", [RIGHT, WRONG])
def test_a_mistake_is_told_beside_what_is_kept(tmp_path, gradients):
    file = tmp_path / "keeps.py"
    file.write_text(KEEPS + gradients)
    report = check(file, properties=["equivalence.steps", "gradients.back_propagation"], in_process=False)
    first, *others = report.diagnosis
    assert first.fault == "measured.history"
    assert [(one.fault, one.title, one.patch) for one in others] == (
        [("measured.partly", MISSING.title + THERE, MISSING.patch())] if gradients == WRONG else []
    )


class BatchFirstStates:
    """One call for each instance; final states have the batch first, which they must not."""

    capabilities = Capabilities(max_layers=None)
    built = 0

    def __init__(self):
        type(self).built += 1
        self.calls = 0

    def forward(self, case):
        self.calls += 1
        if self.calls > 1:
            raise ValueError("called again")
        output, h_n = reference.forward(case)
        return output, h_n.swapaxes(0, 1)


def ones(layers, rows):
    """A case of layers of two units."""
    config = Config("RNN_TANH", 2, 2, layers)
    parameters = {name: np.ones(shape.sizes, np.float32) for name, shape in parameter_shapes(config).items()}
    x = np.arange(2 * rows, dtype=np.float32).reshape(1, rows, 2)
    return Case(config, parameters, x)


def test_each_call_has_an_instance_of_its_own_and_shapes_are_read_as_before():
    subject = OfNewInstances(open_target(BatchFirstStates, in_process=True), anew=True)
    subject.restart()
    before = BatchFirstStates.built
    for case in (ones(1, 3), ones(2, 2), ones(2, 2)):  # of as many layers as rows no shape says which comes first
        assert np.allclose(subject(case).result.h_n, forward(case).h_n)
    assert BatchFirstStates.built == before + 2


TWO_CELLS = """
from dataclasses import replace
from conformance.adapters import reference
from conformance.diagnosis.faulty import FaultyTarget
from conformance.faults import FAULTS

exchanged = FaultyTarget(FAULTS["gates-igfo"], cells=("LSTM",))

class Target:
    capabilities = replace(reference.capabilities, cells=("LSTM", "GRU"))

    def __init__(self):
        self.kept = {}

    def forward(self, case):
        if case.config.cell == "LSTM":
            return exchanged.forward(case)
        output, h_n = reference.forward(case)
        return output, self.kept.setdefault(h_n.shape, h_n).copy()

    def gradients(self, case, *d):
        return (exchanged if case.config.cell == "LSTM" else reference).gradients(case, *d)
"""


@pytest.mark.sample
def test_what_one_cell_keeps_makes_no_second_mistake_of_what_is_wrong_with_another(tmp_path):
    file = tmp_path / "two.py"
    file.write_text(TWO_CELLS)
    first, second = check(f"{file}:Target", properties=["equivalence.steps"], in_process=False).diagnosis
    assert first.fault == "gates-igfo" and second.fault == "measured.history"
