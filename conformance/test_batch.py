"""Batch. Each row is a problem of its own."""

from __future__ import annotations

import numpy as np

from conformance.judging.metamorphic import other_numbers, part, rows
from conformance.judging.properties import agree, applicable, fail, prop


@prop()
def test_row_alone(target, case):
    """A row of a batch is that row alone."""
    applicable(case.num_rows > 1)
    run = target(case)
    for row in (0, case.num_rows - 1):
        alone = rows(case, [row])
        agree(target(alone), part(run, alone, lambda name, array, row=row: array[:, [row]]))


@prop()
def test_permutation(target, case):
    """Permuting rows permutes results, with unsorted lengths too."""
    applicable(case.num_rows > 1)
    order = np.roll(np.arange(case.num_rows), 1)
    order[[0, -1]] = order[[-1, 0]]
    permuted = rows(case, order)
    agree(target(permuted), part(target(case), permuted, lambda name, array: array[:, order]))


@prop()
def test_rows_are_independent(target, case):
    """What stands in the other rows changes nothing in a row."""
    applicable(case.num_rows > 1)
    run = target(case)
    for odd in (0, 1):
        kept = np.arange(case.num_rows) % 2 == odd

        def change(name, array, kept=kept):
            return np.where(kept[:, None], array, other_numbers(array)) if name in ("x", "h_0", "c_0") else array

        changed = case.map(change)
        choose = lambda name, array, kept=kept: array[:, kept]  # noqa: E731
        agree(part(target(changed), changed, choose), part(run, changed, choose))


@prop(needs="empty.batch")
def test_no_rows(target, case):
    """A batch without rows gives results without rows."""
    for name, array in target(rows(case, [])).result.items():
        if array.size:
            fail(f"shape:{name}", f"{name} has {array.size} numbers for a batch without rows")
