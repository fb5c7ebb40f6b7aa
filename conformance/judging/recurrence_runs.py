"""Ways to the numbers of a recurrence: in one call or in parts, with rows in another order, in another mode."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.claims.capabilities import Capabilities
from reference_rnn import RecurrenceCase, handed_shapes, rounded
from reference_rnn.recurrences import USUAL, padded
from strategies.recurrences import pack_rows, steps_kept

Numbers = Mapping[str, np.ndarray]


def numbers_of_run(target: Any, case: RecurrenceCase) -> dict[str, np.ndarray]:
    """The numbers of a case."""
    return target(case).numbers


def in_parts(target: Any, case: RecurrenceCase, cuts: Sequence[int]) -> dict[str, np.ndarray]:
    """The numbers of a case that is asked in parts, each from the states of the one before."""
    ends = (*cuts, case.num_steps)
    states: Mapping[str, Any] = case.states
    outputs = []
    for start, end in zip((0, *cuts), ends):
        part = with_states(some_steps(case, start, end), states)
        run = target(part)
        states = carried(part, run.handed.states, target.capabilities)
        outputs.append(padded_outputs(part, run.handed.outputs))
    joined = {name: np.concatenate([part[name] for part in outputs]) for name in case.config.cell.outputs}
    return {**as_arranged(case, joined), **{name: np.asarray(a, np.float64) for name, a in run.handed.states.items()}}


def rows_turned(target: Any, case: RecurrenceCase) -> dict[str, np.ndarray]:
    """The numbers of a case whose rows, of equal length, are asked in reverse order."""
    turned = case.map(lambda name, a: a if name in case.parameters else np.flip(a, by_row(case, name)))
    return {name: np.flip(a, by_row(case, name)) for name, a in target(turned).numbers.items()}


def other_modes(claims: Capabilities, case: RecurrenceCase) -> Iterator[str]:
    """The modes that take a case of these sizes, without its own."""
    for name, mode in claims.modes.items():
        multiple = mode.multiple
        lengths = [case.num_steps, *case.row_lengths.tolist()]
        fits = all(length % multiple.get("T", 1) == 0 for length in lengths)
        others = (case.config.sizes.get(n, 0) % m == 0 for n, m in multiple.items() if n != "T")
        if name != case.mode and fits and all(others):
            yield name


def beginning(target: Any, case: RecurrenceCase) -> RecurrenceCase:
    """The first steps of a case, as few as a call may have, without lengths."""
    plain = padded(case)
    fixed = "steps" in target.capabilities.sizes
    return replace(plain if fixed else some_steps(plain, 0, multiple_of(target, case)), lengths=None)


def some_steps(case: RecurrenceCase, start: int, end: int) -> RecurrenceCase:
    """Some steps of each row, arranged as in the case."""
    cut = steps_kept(padded(case) if case.offsets is not None else case, slice(start, end))
    return replace(pack_rows(cut), states=case.states) if case.offsets is not None else cut


def padded_outputs(case: RecurrenceCase, outputs: Numbers) -> Numbers:
    """Outputs with steps and rows as axes of their own."""
    if case.offsets is None:
        return outputs
    beside = {name: np.zeros((case.num_steps, case.num_rows, *a.shape[1:])) for name, a in outputs.items()}
    for name, array in outputs.items():
        beside[name][case.valid] = array
    return beside


def as_arranged(case: RecurrenceCase, outputs: Numbers) -> Numbers:
    """Padded outputs (steps, rows, ...), arranged as in the case: packed where the case is packed."""
    if case.offsets is None:
        return outputs
    return {name: array[case.valid] for name, array in outputs.items()}


def multiple_of(target: Any, case: RecurrenceCase) -> int:
    """Of how many steps a call in the mode of a case must be a multiple."""
    modes = target.capabilities.modes
    return modes[case.mode].multiple.get("T", 1) if case.mode else 1


def takes_parts(target: Any, case: RecurrenceCase) -> bool:
    """Whether rows may end before the last part begins: a part of them has no steps then."""
    even = bool((case.row_lengths == case.num_steps).all())
    return (
        case.num_rows > 0
        and (even or "length" in target.capabilities.empty)
        and "steps" not in target.capabilities.sizes
    )


def by_row(case: RecurrenceCase, name: str) -> int:
    """The axis of rows of a padded case's array or result."""
    return 0 if name in case.states else 1


def carried(case: RecurrenceCase, states: Numbers, claims: Capabilities) -> dict[str, np.ndarray]:
    """Final states as they are handed to the next call."""
    dtype = claims.state_dtype or case.config.dtype
    return {name: rounded(states[name], dtype) for name in case.config.cell.states}


def with_states(case: RecurrenceCase, states: Mapping[str, np.ndarray | None]) -> RecurrenceCase:
    """The case with other initial states."""
    return replace(case, states={name: states[name] for name in case.config.cell.states})


def generic(case: RecurrenceCase, seed: int = 3, part: Any = (0.3, 0.7)) -> RecurrenceCase:
    """The case with numbers of which none is special; part: between which shares of a range, or that by name."""
    draw = np.random.default_rng(seed)

    def inner(name: str, array: np.ndarray) -> np.ndarray:
        low, high = case.config.cell.ranges.get(name, USUAL)
        start, end = part[name] if isinstance(part, dict) else part
        return rounded(low + (high - low) * (start + (end - start) * draw.random(array.shape)), case.config.dtype)

    return case.map(inner)


def cotangents(case: RecurrenceCase) -> dict[str, np.ndarray]:
    """Numbers to begin the way back with, the same for every case of these shapes."""
    draw = np.random.default_rng(7)
    shapes = handed_shapes(case)
    return {n: draw.choice([-1.0, 0.5, 0.25, 1.0], s.sizes).astype(case.config.numpy_dtype) for n, s in shapes.items()}
