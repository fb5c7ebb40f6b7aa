"""The engine that judges is held to the text that anybody can read, ``reference_rnn/reference.py``."""

import inspect
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import reference_rnn
from conformance.diagnosis.faulty import FaultyTarget
from conformance.faults import FAULTS
from reference_rnn import CELLS, reference
from strategies.cases import BLOCK_SIZE, EMPTIES, Allowed
from strategies.covering import COVERING, RICH, covering

FILE = Path(reference.__file__)
ALLOWED = Allowed(
    CELLS, ("float64",), max_layers=4, projections=True, finite_padding=True, empty=EMPTIES,
    forms=("batch_first", "no_state", "unbatched", "all_lengths", "lengths", "evaluation", "training"),
)  # fmt: skip
CASES = [case for sketches in (COVERING, RICH) for case in covering(ALLOWED, 0, every_cell=True, sketches=sketches)]
AGREE = 1e-11  # of the largest number, and of 1


def differ(one, other):
    """Whether results differ by more than rounding does, or in shape."""
    for a, b in zip(one, other, strict=True):
        largest = max(1, np.abs(b).max(initial=0))
        assert np.isfinite(largest)  # else any number would do
        if a.shape != b.shape or not np.allclose(a, b, rtol=0, atol=AGREE * largest, equal_nan=True):
            return True
    return False


def arrays(result):
    """The output and each final state of what ``forward`` returns."""
    output, final = result
    return [output, *(final if isinstance(final, tuple) else (final,))]


def masks_of(case):
    """What dropout keeps between layers, the same for both."""
    c, chance = case.config, np.random.default_rng(0)
    shape = case.num_steps, case.num_rows, c.num_directions * c.state_size
    p = c.dropout if case.training else 0
    return [chance.binomial(1, 1 - p, shape) / max(1 - p, 0.1) for _ in range(c.num_layers - 1)]


def engine(case):
    """What the engine computes of a case, in plain numbers."""
    return [array for _, array in reference_rnn.forward(case, masks=masks_of(case)).items()]


def text(case, module=reference):
    """What the text computes of it."""
    return arrays(module.forward(case, masks=masks_of(case)))


@pytest.mark.parametrize("cell", CELLS)
def test_both_give_the_same_numbers(cell):
    chance = np.random.default_rng(1)
    allowed = Allowed(**{**vars(ALLOWED), "cells": (cell,)})
    drawn = [allowed.from_block(chance.bytes(BLOCK_SIZE)) for _ in range(200)]
    cases = [case for case in (*CASES, *drawn) if case.config.cell == cell and case.num_steps <= 16]
    assert len(cases) > 150 and not [case for case in cases if differ(text(case), engine(case))]


def test_dropout_is_where_both_have_it():
    some = [case.replace(dropout=0.5, training=True) for case in CASES if case.config.num_layers > 1]
    assert len(some) > 20 and not [case for case in some if differ(text(case), engine(case))]
    assert any(differ(text(case), engine(case.replace(dropout=0.0))) for case in some)


SLIPS = {
    "the next c with f for i": ("sigmoid(f) * c + sigmoid(i)", "sigmoid(f) * c + sigmoid(f)"),
    "gates of an LSTM i, g, f, o": ("i, f, g, o = np.split", "i, g, f, o = np.split"),
    "z and 1 - z": ("n = np.tanh(n_x + r * n_h)\n    return ((1 - z) * n + z * h,)",
                    "n = np.tanh(n_x + r * n_h)\n    return (z * n + (1 - z) * h,)"),
    "the reset gate after the product": ("(r * h) @ W_n.T + b_n", "r * (h @ W_n.T + b_n)"),
    "no recurrent bias": ("p.b_ih + h @ p.W_hh.T + p.b_hh),)", "p.b_ih + h @ p.W_hh.T),)"),
    "rows that have ended go on": ("np.where(alive, one, before)", "np.where(True, one, before)"),
    "output of rows that have ended": ("np.where(alive, states[0], 0)", "np.where(True, states[0], 0)"),
    "the reverse direction forwards": ("reversed(range(T)) if reverse", "range(T) if reverse"),
    "each layer from the first state": ("initial[len(final)]", "initial[0]"),
    "no projection": ("if p.W_hr is not None", "if False"),
}  # fmt: skip


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_in_the_text_is_seen(slip):
    old, new = SLIPS[slip]
    source = FILE.read_text()
    assert source.count(old) == 1
    space = {"__name__": "slipped"}
    exec(compile(source.replace(old, new), slip, "exec"), space)
    slipped = SimpleNamespace(forward=space["forward"])

    def is_seen(case):
        try:
            return differ(text(case, slipped), engine(case))
        except ValueError:  # shapes that do not fit
            return True

    assert any(is_seen(case) for case in CASES if case.num_steps <= 16)


FORWARD = [id for id, fault in FAULTS.items() if "equivalence.steps" in fault.killed_by]


@pytest.mark.parametrize("id", FORWARD[:: len(FORWARD) // 10][:10])
def test_a_mistake_in_the_engine_is_seen(id):
    wrong = FaultyTarget(FAULTS[id], cells=FAULTS[id].cells)

    def is_seen(case):
        own = text(case)
        try:
            return differ(own, arrays(wrong.forward(case)))
        except Exception:  # as some mistakes have it
            return True

    plain = [case.replace(dropout=0.0) for case in CASES if case.num_steps <= 16]
    assert any(is_seen(case) for case in plain if case.config.cell in FAULTS[id].cells)


def test_the_readme_shows_it():
    assert inspect.getsource(reference.lstm) in (FILE.parents[1] / "README.md").read_text()
