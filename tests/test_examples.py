"""The examples run, and what they show is true."""

import doctest
import importlib
import importlib.util
from pathlib import Path

import pytest

from conformance.faults import FAULTS, FaultyReference

ITERATIONS = 40
HOME = Path(__file__).parent.parent
IN_DOCSTRINGS = sorted(
    ".".join(file.relative_to(HOME).with_suffix("").parts)
    for package in ("reference_rnn", "strategies", "conformance")
    for file in (HOME / package).rglob("*.py")
    if ">>> " in file.read_text()
)


@pytest.fixture
def char_rnn():
    """The character-level example, as a module of its own for each test."""
    file = Path(__file__).parent.parent / "examples" / "char_rnn.py"
    spec = importlib.util.spec_from_file_location("char_rnn", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def apart(example, cell):
    """How far the two curves are ever apart."""
    pytest.importorskip("torch")
    reference, pytorch = example.train_reference(cell, ITERATIONS), example.train_pytorch(cell, ITERATIONS)
    assert reference[-1] < reference[0] - 0.5
    return max(abs(a - b) for a, b in zip(reference, pytorch, strict=True))


@pytest.mark.parametrize("cell", ["RNN_TANH", "GRU", "LSTM"])
def test_the_two_curves_lie_on_each_other(char_rnn, cell):
    assert apart(char_rnn, cell) < 1e-10


@pytest.mark.parametrize("cell", ["RNN_TANH", "GRU", "LSTM"])
def test_gradients_are_central_differences(char_rnn, cell):
    for largest, distance in char_rnn.gradient_check(cell).values():
        assert distance < 1e-9 < largest


@pytest.mark.parametrize(("cell", "fault"), [("GRU", "reset-missing-in-gradient"), ("LSTM", "forget-slope-missing")])
def test_a_wrong_gradient_still_learns_but_on_a_curve_of_its_own(char_rnn, cell, fault):
    char_rnn.gradients = FaultyReference(FAULTS[fault]).gradients
    assert apart(char_rnn, cell) > 1e-3
    assert max(distance for _, distance in char_rnn.gradient_check(cell).values()) > 1e-7


def test_the_plot_is_written(char_rnn, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    pytest.importorskip("matplotlib")
    file = tmp_path / "curves.png"
    char_rnn.main(["--iterations", "5", "--plot", str(file)])
    assert file.read_bytes().startswith(b"\x89PNG")
    assert "never further apart than" in capsys.readouterr().out


@pytest.mark.parametrize("module", IN_DOCSTRINGS)
def test_examples_in_docstrings_are_true(module):
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted and not found.failed


def test_there_are_examples_in_docstrings():
    assert {"reference_rnn.cell", "strategies.forms"} <= set(IN_DOCSTRINGS)
