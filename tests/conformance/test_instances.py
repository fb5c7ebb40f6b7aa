"""What instances share is explained from Python, too: by a child process where the target has a name."""

import importlib.util

import pytest

import conformance
from conformance.events import Diagnosis
from conformance.trial import runner

KEPT = """
import numpy as np

WEIGHTS = {}  # which all instances share


class Model:
    def forward(self, case):
        p = case.parameters
        W = WEIGHTS.setdefault(p["weight_hh_l0"].shape, p["weight_hh_l0"].copy())
        h, output = case.h_0[0], []
        for x in case.x:
            h = np.tanh(x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ W.T + p["bias_hh_l0"])
            output.append(h)
        return np.stack(output), h[None].copy()
"""
STALE = "weight_hh is kept from the first call with arrays of those shapes"


@pytest.fixture
def kept(tmp_path):
    """A target whose instances share the weights of the first call, in a file kept.py."""
    (tmp_path / "kept.py").write_text(KEPT)
    return tmp_path / "kept.py"


def explained(target, **options):
    """The report of a few properties of a target that fails."""
    report = conformance.check(
        target, properties=["equivalence.steps", "shapes.calls_are_independent"], saved=False, **options
    )
    assert report.verdict == "fails"
    return report


def test_what_instances_of_a_file_share_is_named_within_this_process_too(kept):
    report = explained("kept.py:Model")
    assert [finding.title for finding in report.diagnosis] == [STALE]
    assert "the diagnosis asked the target in a child process, where instances share nothing" in report.notes


def test_of_an_object_a_note_names_the_command_that_can(kept, monkeypatch):
    monkeypatch.setattr(runner, "diagnose", lambda *asked, **limits: Diagnosis([], []))
    spec = importlib.util.spec_from_file_location("kept", kept)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    notes = " ".join(explained(module.Model).notes)
    assert "whether instances of an object share something cannot be asked" in notes
    assert "rnn-conformance check FILE.py:NAME" in notes
