"""What may have been called before a case: all but the same. Whatever is kept under too short a key then shows."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np

from reference_rnn import Case, Config, parameter_shapes, rounded, state_shapes
from reference_rnn.case import kind_of
from strategies import relaid

from .metamorphic import TURNS, negative, rows, steps, without_state
from .oracle import Failure, right_at_first
from .subject import Subject

Change = Callable[[Case], Case]
Judge = Callable[[Subject, Case, Mapping[str, np.ndarray]], object]
FEW, MANY = 6, 12  # cases in a row where each is dear, and where it is not
RARE = 2  # of them differ in what not every cell has, and one in so many in a size
SIZES = 5
PLAIN = {*map(kind_of, parameter_shapes(Config("RNN_TANH", 1, 1))), "x", "h_0"}  # the arrays that every cell has


def one_by_one(target: Subject, case: Case) -> Iterator[Case]:
    """The case, the same with other parameters, and more that each differ from the one before in one thing alone."""
    arrays = (turned(*names) for names in groups(case).values())
    return chained(target, case, [turned(*case.parameters), *arrays, *sizes(case), *options(target, case)])


def in_turn(target: Subject, case: Case, count: int) -> Iterator[Case]:
    """So many of these cases, others from case to case, among them some of other sizes and what not every cell has.

    The first change is of all parameters, as what is next is often written into the arrays that the case had.
    """
    start = sum(case.x.shape)
    arrays = {kind: turned(*names) for kind, names in groups(case).items()}
    rare = [change for kind, change in arrays.items() if kind not in PLAIN]
    rest = [*(change for kind, change in arrays.items() if kind in PLAIN), *options(target, case)]
    seldom, other_sizes = from_there(rare, start)[:RARE], from_there(list(sizes(case)), start)[: count // SIZES]
    changes = [turned(*case.parameters), *seldom, *other_sizes, *from_there(rest, start)]
    return islice(chained(target, case, changes), count)


def chained(target: Subject, case: Case, changes: Iterable[Change]) -> Iterator[Case]:
    """The case, and after each change the case before with it; what the target does not take stays as it is."""
    yield case
    for change in changes:
        other = change(case)
        if target.takes(other):
            case = other
            yield case


def from_there(changes: Sequence[Change], start: int) -> list[Change]:
    """The changes, of which the one at a place, counted round and round, is the first."""
    return [changes[(start + i) % len(changes)] for i in range(len(changes))]


def with_others(target: Subject, case: Case) -> Iterator[Case]:
    """The case in plain memory, and as many of these cases as an array has memory layouts in turn."""
    return islice(one_by_one(target, case.map(lambda name, array: relaid(array, "C"))), 1 + TURNS)


def groups(case: Case) -> dict[str, list[str]]:
    """The names of the arrays that change together: those of each kind of parameters, x, and each state."""
    kinds = sorted({kind_of(name) for name in case.parameters})
    together = {kind: [name for name in case.parameters if kind_of(name) == kind] for kind in kinds}
    return together | {name: [name] for name, _ in case.arrays() if name not in case.parameters}


def sizes(case: Case) -> Iterator[Change]:
    """The changes of how many rows and steps there are: twice the rows, the first one, a step less, both exchanged."""
    if case.num_rows:
        yield lambda case: rows(case, [*range(case.num_rows)] * 2)
    if case.num_rows > 1:
        yield lambda case: rows(case, [0])
    if case.num_steps > 1:
        yield lambda case: steps(case, 0, case.num_steps - 1)
    if min(case.num_rows, case.num_steps) > 1 and case.lengths is None:  # what is past the end of a row may be NaN
        yield exchanged


def options(target: Subject, case: Case) -> Iterator[Change]:
    """Yields changes in neither signs nor sizes: lengths, row order, no state, last digits of weights.

    At last the parameters have other numbers in the last two places alone, with the same sum, and then all numbers
    change by so little that it cannot be seen in half of their digits.
    """
    if target.capabilities.lengths and case.num_steps > 1 and case.num_rows:
        yield one_step_less
        if case.num_rows > 1:  # whose lengths are not all the same then
            yield lambda case: rows(case, [-1, *range(case.num_rows - 1)])
    if case.h_0 is not None:
        yield without_state
    if target.capabilities.recompiles == "model":
        return  # other parameters are dear
    yield lambda case: case.map(lambda name, array: ends_exchanged(array) if name in case.parameters else array)
    yield lambda case: nudged(case, math.sqrt(target.arithmetic(case).u) / 4, dict(case.arrays()))


def right_in_place(judge: Judge, target: Subject, case: Case, layouts: Mapping[str, str], **d: np.ndarray) -> None:
    """Judges a case, and cotangents, in memory layouts. A failure counts only if the case, laid out plainly, passes.

    Else NotApplicable is raised. The plain case has slightly larger parameters, so that nothing which is kept of the
    first call answers it.
    """

    def there(name: str, array: np.ndarray) -> np.ndarray:
        return relaid(array, layouts[name])

    try:
        judge(target, case.map(there), {name: there(name, array) for name, array in d.items()})
    except Failure:
        right_at_first(judge, target, nudged(case, 4 * target.arithmetic(case).u, case.parameters), d)
        raise


def right_by_columns(judge: Judge, target: Subject, case: Case, **d: np.ndarray) -> None:
    """Judges a case whose arrays are, byte for byte in memory, those of a plain case that was called just before.

    They are laid out by columns, so they hold other numbers: what is kept of bytes alone is wrong now.
    """
    columns = read_by_columns(case)
    if target.takes(columns):
        right_in_place(judge, target, columns, dict.fromkeys([*(name for name, _ in case.arrays()), *d], "F"), **d)


def read_by_columns(case: Case) -> Case:
    """A plain case, with the numbers of one whose memory is read by columns; with lengths, x stays as it is."""

    def change(name: str, array: np.ndarray) -> np.ndarray:
        fixed = name == "x" and case.lengths is not None  # NaN stands past the end of a row
        return array if fixed else np.ascontiguousarray(array.reshape(-1).reshape(array.shape, order="F"))

    return case.map(change)


def turned_at_the_end(case: Case) -> Case:
    """The case with other signs at the end of its largest array: in the last slice along the longest axis."""
    largest = max(case.arrays(), key=lambda named: named[1].size)[0]

    def changed(array: np.ndarray) -> np.ndarray:
        array = array.copy()
        end = np.moveaxis(array, int(np.argmax(array.shape)), 0)[-1]
        end[...] = negative(end)
        return array

    return case.map(lambda name, array: changed(array) if name == largest else array)


def exchanged(case: Case) -> Case:
    """The case with as many steps as it has rows, and as many rows as steps; x has the same numbers in this order."""
    other = case.replace(x=np.resize(case.x, (case.num_rows, case.num_steps, case.config.input_size)))
    shapes = state_shapes(other)
    return other.map(lambda name, array: np.resize(array, shapes[name].sizes) if name in shapes else array)


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
