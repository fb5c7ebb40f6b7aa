"""What no single number shows, all of them together do."""

import numpy as np
import pytest

from conformance import check
from conformance.adapters import reference
from conformance.engine.grade import ENOUGH, Grade
from reference_rnn import Ball, arithmetic


def pooled(shares):
    """The grade of errors that are these shares of their bounds."""
    grade = Grade()
    shares = np.asarray(shares)
    grade.add(1 + 1e-3 * shares, Ball(np.ones(shares.shape), np.full(shares.shape, 1e-3), arithmetic("float32")))
    return grade


def test_rounding_gives_no_hint():
    assert pooled(np.random.default_rng(0).normal(0, 0.02, 4 * ENOUGH)).hint() is None


@pytest.mark.parametrize(
    ("spread", "offset", "said"), [(0.1, 0.0, "rms 0.1"), (0.02, 0.01, "z "), (0.02, -0.01, "z -")], ids=str
)
def test_truncation_and_offsets_do(spread, offset, said):
    hint = pooled(np.random.default_rng(0).normal(offset, spread, 4 * ENOUGH)).hint()
    assert hint and said in hint


def test_a_few_numbers_say_nothing():
    assert pooled(np.full(ENOUGH - 1, 0.5)).hint() is None


def test_numbers_that_are_void_or_exact_do_not_count():
    grade = Grade()
    grade.add(np.array([1.0, 2.0]), Ball(np.array([1.0, 1.0]), np.array([0.0, np.inf]), arithmetic("float32")))
    assert grade.count == 0 and grade.rms == 0 and grade.z == 0


def test_a_target_that_conforms_may_still_get_a_hint():
    def truncating(case):
        output, h_n = reference.forward(case)
        return tuple((a * (1 - 2.0**-22)).astype(a.dtype) for a in (output, h_n))

    truncating.capabilities = {"cells": ("RNN_TANH",)}
    report = check(truncating, properties=["equivalence.steps"])
    assert report.verdict != "fails"
    assert any(note.startswith("hint: errors look like more than rounding") for note in report.notes)
    assert not any("hint" in note for note in check(reference, properties=["equivalence.steps"]).notes)
