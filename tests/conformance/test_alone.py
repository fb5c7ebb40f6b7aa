"""What is wrong in calls of new instances is told beside what depends on the calls before."""

import pytest

from conformance import check
from conformance.diagnosis.alone import THERE
from conformance.faults import FAULTS

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


@pytest.mark.nightly
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
