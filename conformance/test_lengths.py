"""Lengths. A row ends at its length: later steps of it do not exist."""

from __future__ import annotations

import numpy as np

from conformance.judging.metamorphic import part, rows, states, steps, with_padding
from conformance.judging.oracle import first, index_in_answer
from conformance.judging.properties import agree, applicable, claimed, fail, prop


@prop(needs="lengths")
def test_padding_is_zero(target, case):
    """The output is exactly zero past the end of a row."""
    ended = np.arange(case.num_steps)[:, None] >= case.row_lengths
    run = target(case)
    output = run.result.output
    if output[ended].any():
        at = first(ended[..., None] & (output != 0))
        place = list(index_in_answer(run, "output", at))
        fail("padding:output", f"output{place} is {output[at]:g}, must be zero: row {at[1]} has ended")


@prop(needs="lengths")
def test_padded_row_is_row_alone(target, case):
    """A padded row is that row alone at its true length, in its final states too."""
    applicable(case.row_lengths.any())
    row = int(np.argmin(np.where(case.row_lengths > 0, case.row_lengths, case.num_steps + 1)))
    length = int(case.row_lengths[row])
    run = target(case)
    alone = steps(rows(case, [row]), 0, length).replace(lengths=None)

    def own(name, array):
        return array[:length, [row]] if name == "output" else array[:, [row]]

    agree(target(alone), part(run, alone, own))


@prop(needs="lengths")
def test_padding_is_not_read(target, case):
    """What stands in the padding, NaN included, changes nothing."""
    ended = np.arange(case.num_steps)[:, None] >= case.row_lengths
    claimed(case.num_steps > 1 or target.capabilities.claims("empty.length"))
    applicable(ended.any())
    expected = target(with_padding(case, 0))
    for padding in (np.nan, np.inf, 3e4):
        agree(target(with_padding(case, padding)), expected)


@prop(needs="lengths")
def test_full_lengths(target, case):
    """Lengths that are all T are no lengths."""
    applicable(case.num_steps > 0)
    full = case.replace(lengths=np.full(case.num_rows, case.num_steps), x=np.nan_to_num(case.x, posinf=2, neginf=-2))
    agree(target(full), target(full.replace(lengths=None)))


@prop(needs=("lengths", "empty.length"))
def test_length_zero(target, case):
    """A row without steps gives zeros and keeps its initial state."""
    applicable(case.num_rows > 0)
    row = case.num_rows // 2
    lengths = case.row_lengths.copy()
    lengths[row] = 0
    result = target(case.replace(lengths=lengths)).result
    if result.output[:, row].any():
        fail("value:output", f"row {row} has length 0, but its output is not zero")
    for final, initial in states(case):
        if (abs(getattr(result, final) - initial)[:, row] > target.flushed(case)).any():
            fail(f"value:{final}", f"row {row} has length 0, but its {final} is not its {final[0]}_0")
