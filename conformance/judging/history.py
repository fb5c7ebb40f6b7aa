"""What may have been called before a case: all but the same. Whatever is kept under too short a key then shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice

import numpy as np

from reference_rnn import Case, rounded
from reference_rnn.case import kind_of
from strategies import relaid

from .judgement import Failure, right_at_first
from .subject import Subject
from .transforms import TURNS, negative, rows, without_state

Change = Callable[[Case], Case]
Judge = Callable[[Subject, Case, Mapping[str, np.ndarray]], object]
FEW = 4  # cases in a row, where each is dear


def one_by_one(target: Subject, case: Case) -> Iterator[Case]:
    """The case, the same with other parameters, and more that each differ from the one before in one thing alone.

    What the target does not take stays as it is.
    """
    yield case
    for change in (turned(*case.parameters), *things(target, case)):
        other = change(case)
        if target.takes(other):
            case = other
            yield case


def few_in_turn(target: Subject, case: Case) -> list[Case]:
    """FEW of these cases that follow each other; from case to case others."""
    cases = list(one_by_one(target, case))
    start = sum(case.x.shape) % max(len(cases) - FEW + 1, 1)
    return cases[start : start + FEW]


def with_others(target: Subject, case: Case) -> Iterator[Case]:
    """The case in plain memory, and as many of these cases as an array has memory layouts in turn."""
    return islice(one_by_one(target, case.map(lambda name, array: relaid(array, "C"))), 1 + TURNS)


def things(target: Subject, case: Case) -> Iterator[Change]:
    """The changes of one thing: each kind of parameters is turned back, then x, each state, and which are given.

    At last the parameters have other numbers in the last two places alone, with the same sum, and then all numbers
    change by so little that it cannot be seen in half of their digits.
    """
    for kind in sorted({kind_of(name) for name in case.parameters}):
        yield turned(*(name for name in case.parameters if kind_of(name) == kind))
    yield from (turned(name) for name, _ in case.arrays() if name not in case.parameters)
    if target.capabilities.lengths and case.num_steps > 1 and case.num_rows:
        yield one_step_less
    if case.h_0 is not None:
        yield without_state
    if case.num_rows > 1:
        yield lambda case: rows(case, [0])
    if target.capabilities.recompiles == "model":
        return  # other parameters are dear
    yield lambda case: case.map(lambda name, array: ends_exchanged(array) if name in case.parameters else array)
    yield lambda case: nudged(case, math.sqrt(target.arithmetic(case).u) / 4, dict(case.arrays()))


def right_in_place(judge: Judge, target: Subject, case: Case, layouts: Mapping[str, str], **d: np.ndarray) -> None:
    """Judges a case, and cotangents, in memory layouts; what is wrong in plain ones too says nothing about them.

    That is asked with numbers that are a little larger: what is kept of the same ones may be what was read wrongly.
    """

    def there(name: str, array: np.ndarray) -> np.ndarray:
        return relaid(array, layouts[name])

    try:
        judge(target, case.map(there), {name: there(name, array) for name, array in d.items()})
    except Failure:
        right_at_first(judge, target, nudged(case, 4 * target.arithmetic(case).u, case.parameters), d)
        raise


def ends_exchanged(array: np.ndarray) -> np.ndarray:
    """The array with its last two numbers exchanged."""
    numbers = array.flatten()
    numbers[-2:] = numbers[-2:][::-1]
    return numbers.reshape(array.shape)


def nudged(case: Case, by: float, names: Collection[str]) -> Case:
    """The case with the numbers of some arrays larger by this share."""
    return case.map(
        lambda name, array: rounded((1 + by) * array.astype(float), case.config.dtype) if name in names else array
    )


def turned(*names: str) -> Change:
    """The change that turns the signs of some arrays."""
    return lambda case: case.map(lambda name, array: negative(array) if name in names else array)


def one_step_less(case: Case) -> Case:
    """The case with its longest row one step shorter, where that leaves a step, and nothing else changed."""
    lengths = np.array(case.row_lengths)
    lengths[np.argmax(lengths)] -= lengths.max() > 1
    return case.replace(lengths=lengths)
