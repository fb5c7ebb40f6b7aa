"""Makes a counterexample small enough to work by hand.

Works on the case itself: fewer layers, directions, rows, steps, units and inputs, then simpler
memory, then zeros, then numbers like 1. Whatever index of an axis is not needed goes, not only the last.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import numpy as np

from reference_rnn import Case, RecurrenceCase, parameter_shapes
from reference_rnn.case import kind_of
from reference_rnn.layouts import suffix

from .integers import valid_steps
from .memory import layout_of, relaid
from .recurrences import shrink_recurrence

Attempt = Callable[[Case], bool]


def shrink(
    case: Case, fails: Attempt, admits: Attempt = lambda case: True, *, runs: int = 400, seconds: float = 5.0
) -> Case:
    """The smallest case found on which ``fails`` is still true; ``admits`` says which cases are legal.

    fails   whether an implementation is still wrong on a case; what it raises is raised here
    runs    how often it may be called at most;  seconds  for how long, until the smallest so far is returned

    >>> from reference_rnn import case
    >>> shrink(case("GRU", T=9, N=4, I=3, H=5), lambda c: c.num_steps > 2)
    case('GRU', T=3, N=1, I=1, H=1)
    """
    if isinstance(case, RecurrenceCase):
        return shrink_recurrence(case, fails, admits, runs, seconds)
    search = Search(case, fails, admits, runs, seconds)
    before = None
    with contextlib.suppress(Spent):
        while before is not case:
            before = case
            for reduce in PASSES:
                case = reduce(case, search)
    return search.smallest


class Spent(Exception):
    """The implementation may not be called any more."""


class Search:
    """Tries smaller cases, as long as there are runs and seconds left: building a large one takes time too."""

    def __init__(self, case: Case, fails: Attempt, admits: Attempt, runs: int, seconds: float) -> None:
        self.smallest = case
        self.fails = fails
        self.admits = admits
        self.left = runs
        self.deadline = time.monotonic() + seconds

    def __call__(self, smaller: Case) -> bool:
        """Whether a case is legal and still fails."""
        return self.legal(smaller) and self.tried(smaller)

    def legal(self, smaller: Case) -> bool:
        """Whether a case is legal; raises Spent where that does not matter any more."""
        if self.left <= 0 or time.monotonic() > self.deadline:
            raise Spent
        return self.admits(smaller)

    def tried(self, smaller: Case) -> bool:
        """Whether a case still fails."""
        self.left -= 1
        if not self.fails(smaller):
            return False
        self.smallest = smaller
        return True


def first_that_fails(case: Case, smaller: Iterator[Case], attempt: Search) -> Case:
    """The first of some smaller cases that still fails, or the case itself."""
    return next((candidate for candidate in smaller if attempt(candidate)), case)


def to_zeros(case: Case, attempt: Search) -> Case:
    """The case with all arrays zero if that still fails, else the case itself."""
    if not any(array.any() for _, array in case.arrays()):
        return case
    return first_that_fails(case, iter([case.map(lambda name, array: np.zeros_like(array))]), attempt)


def to_the_corner(case: Case, attempt: Search) -> Case:
    """Straight to the smallest corner of every axis, most ambitious first."""
    return first_that_fails(case, corners(case), attempt)


def corners(case: Case) -> Iterator[Case]:
    """The case cut to a few sizes at once."""
    plain = case.map(lambda name, array: relaid(array, "C"))
    for steps in sorted({1, 2, max(2, case.num_steps)}):
        corner = plain
        least = {"L": 1, "D": 1, "N": 1, "T": steps, "P": min(1, case.config.proj_size), "I": 1}
        for axis, size in {**least, "H": least["P"] + 1}.items():
            corner = without(corner, axis, size, size_of(corner, axis) - size)
        if total(corner) < total(case):
            if corner.lengths is not None:
                yield corner.replace(lengths=None)
            yield corner


def fewer(axis: str) -> Callable[[Case, Search], Case]:
    """A pass that removes from one axis whatever is not needed, first by halves, then one by one."""

    def reduce(case: Case, attempt: Search) -> Case:
        span = size_of(case, axis) // 2
        while span:
            at = size_of(case, axis) - span
            while at >= 0:
                smaller = without(case, axis, at, span)
                at -= span
                if smaller is case:
                    continue
                if not attempt.legal(smaller):
                    if axis in "HIP":  # a size that is not legal there is legal nowhere
                        break
                elif attempt.tried(smaller):
                    case = smaller
            span //= 2
        return case

    return reduce


def simpler_options(case: Case, attempt: Search) -> Case:
    """Zero padding, no lengths, full lengths, plain memory, no -0, where that still fails."""
    if any((np.signbit(array) & (array == 0)).any() for _, array in case.arrays()):
        unsigned = case.map(lambda name, array: relaid(array + array.dtype.type(0), layout_of(array)))
        case = first_that_fails(case, iter([unsigned]), attempt)
    if case.lengths is not None and (valid_steps(case) != case.x).any():
        case = first_that_fails(case, iter([with_array(case, "x", valid_steps(case))]), attempt)
    if case.lengths is not None:
        case = first_that_fails(case, iter([case.replace(lengths=None)]), attempt)
    if case.lengths is not None:
        case = first_that_fails(case, longer_rows(case), attempt)
    for name, array in case.arrays():
        if layout_of(array) != "C":
            plain = case.map(lambda other, old, name=name: relaid(old, "C") if other == name else old)
            case = first_that_fails(case, iter([plain]), attempt)
    return case


def no_projection(case: Case, attempt: Search) -> Case:
    """The case without its projection: the states are as wide as the units."""
    missing = case.config.hidden_size - case.config.proj_size
    if not case.config.proj_size:
        return case

    def wider(name: str, array: np.ndarray) -> np.ndarray:
        for axis, (letter, blocks) in enumerate(axes(name, case)):
            if letter == "P":
                ends = np.repeat(case.config.proj_size * np.arange(1, blocks + 1), missing)
                array = np.insert(array, ends, 0, axis)
        return array

    projections = [name for name in case.parameters if name.startswith("weight_hr")]
    plain = case.map(wider)
    parameters = {name: array for name, array in plain.parameters.items() if name not in projections}
    return first_that_fails(case, iter([plain.replace(parameters=parameters, proj_size=0)]), attempt)


def longer_rows(case: Case) -> Iterator[Case]:
    """The case with one row at its full length."""
    for row, length in enumerate(case.row_lengths):
        if length < case.num_steps:
            lengths = case.row_lengths.copy()
            lengths[row] = case.num_steps
            yield case.replace(lengths=lengths)


def simpler_arrays(case: Case, attempt: Search) -> Case:
    """Whole arrays to zero, or to ones."""
    for name, array in case.arrays():
        if array.any():
            values = (0, 1) if array.all() and (array != 1).any() else (0,)  # ones never come back as zeros
            simpler = (with_array(case, name, np.full_like(array, value)) for value in values)
            case = first_that_fails(case, simpler, attempt)
    return case


def simpler_numbers(case: Case, attempt: Search) -> Case:
    """Numbers to zero, by halves and then one by one; then to 1, -1, 2 or what is near."""
    for name, array in case.arrays():
        case = zeros(case, name, attempt)
        for at in zip(*np.nonzero(dict(case.arrays())[name])):
            case = first_that_fails(case, rounder(case, name, at), attempt)
    return case


def zeros(case: Case, name: str, attempt: Search) -> Case:
    """The case with as many zeros in one array as possible."""
    span = max(1, int(np.count_nonzero(dict(case.arrays())[name])))
    while span:
        nonzero = np.flatnonzero(dict(case.arrays())[name])
        for start in range(0, len(nonzero), span):
            array = dict(case.arrays())[name].copy()
            array.flat[nonzero[start : start + span]] = 0
            if attempt(with_array(case, name, array)):
                case = with_array(case, name, array)
        span //= 2
    return case


def rounder(case: Case, name: str, at: tuple) -> Iterator[Case]:
    """The case with a rounder number in one place."""
    array = dict(case.arrays())[name]
    value = float(array[at])
    near: tuple[float, ...] = (float(np.round(value)), float(np.round(value, 1))) if np.isfinite(value) else ()
    if value and np.isfinite(value) and not 2.0**-4 <= abs(value) <= 16:  # far from 1: the nearest power of two
        near += (float(np.copysign(2.0 ** np.round(np.log2(abs(value))), value)),)
    for number in (1.0, -1.0, 2.0, 0.5, *near):
        if array.dtype.type(number) == array[at]:
            return
        changed = array.copy()
        changed[at] = number
        yield with_array(case, name, changed)


PASSES = (
    to_zeros,
    to_the_corner,
    *map(fewer, "LDTNPHI"),
    no_projection,
    simpler_options,
    simpler_arrays,
    simpler_numbers,
)


def with_array(case: Case, name: str, array: np.ndarray) -> Case:
    """The case with another array in one place."""
    return case.map(lambda other, old: relaid(array, layout_of(old)) if other == name else old)


def total(case: Case) -> int:
    """How many numbers a case has."""
    return sum(array.size for _, array in case.arrays())


def size_of(case: Case, axis: str) -> int:
    """The size of an axis by its letter."""
    c = case.config
    sizes = {"T": case.num_steps, "N": case.num_rows, "I": c.input_size, "H": c.hidden_size}
    return (sizes | {"L": c.num_layers, "D": c.num_directions, "P": c.proj_size})[axis]


def without(case: Case, axis: str, index: int, count: int = 1) -> Case:
    """The case without one or more steps, rows, inputs, units, layers or directions; as many as can be taken away."""
    least = {"T": 0, "N": 0, "H": case.config.proj_size + 1}
    count = min(count, size_of(case, axis) - least.get(axis, 1))
    if count <= 0 or (axis == "N" and case.unbatched):
        return case
    if axis == "L":
        return without_layers(case, range(index, index + count))
    if axis == "D":
        return without_reverse(case)
    smaller = case.map(lambda name, array: remove(array, axes(name, case), axis, range(index, index + count)))
    lengths = case.lengths
    if lengths is not None and axis == "T":
        lengths = lengths - np.clip(lengths - index, 0, count)
    elif lengths is not None and axis == "N":
        lengths = np.delete(lengths, range(index, index + count))
    sizes = {"I": "input_size", "H": "hidden_size", "P": "proj_size"}
    if axis in sizes:
        smaller = smaller.replace(**{sizes[axis]: size_of(case, axis) - count})
    return smaller.replace(lengths=lengths)


def axes(name: str, case: Case) -> tuple[tuple[str, int], ...]:
    """Each axis of an array of a case or a result: its letter, and how many blocks of that size lie on it."""
    packed = ("H", len(case.config.cell.packing(kind_of(name))) or 1)
    if name == "x":
        letters = "TI" if case.unbatched else "NTI" if case.config.batch_first else "TNI"
        return tuple((letter, 1) for letter in letters)
    state = "P" if case.config.proj_size else "H"
    if name == "output":
        return (*axes("x", case)[:-1], (state, case.config.num_directions))
    if name in ("h_0", "c_0", "h_n", "c_n"):
        last = (state if name.startswith("h") else "H", 1)
        return (("K", 1), last) if case.unbatched else (("K", 1), ("N", 1), last)
    if not name.startswith(("weight_ih", "weight_hh", "weight_hr")):  # biases, peepholes, and vectors of a cell
        return (packed,)
    if name.startswith("weight_hr"):
        return (("P", 1), ("H", 1))
    if name.startswith("weight_ih_l0"):
        return (packed, ("I", 1))
    return (packed, (state, case.config.num_directions if name.startswith("weight_ih") else 1))


def remove(array: np.ndarray, array_axes: tuple, axis: str, indices: range) -> np.ndarray:
    """The array without some indices of an axis, in every block, in its memory layout."""
    layout = layout_of(array)
    for position, (letter, blocks) in enumerate(array_axes):
        if letter == axis:
            size = array.shape[position] // blocks
            taken = (size * np.arange(blocks)[:, None] + indices).ravel()
            array = np.delete(array, taken, position)
    return relaid(array, layout)


def without_layers(case: Case, layers: range) -> Case:
    """The case without some layers; the layer above the lowest one reads x in its place."""
    config, D = case.config, case.config.num_directions
    kept = [k for k in range(config.num_layers) if k not in layers]
    smaller = case.replace(num_layers=len(kept))
    parameters = {}
    for name in parameter_shapes(smaller.config):
        kind, _, end = name.rpartition("_l")
        place, _, reverse = end.partition("_")
        old = kept[int(place)]
        source = 0 if kind == "weight_ih" and place == "0" else old
        parameters[name] = case.parameters[kind + suffix(source, int(bool(reverse)))]
    entries = [k * D + d for k in kept for d in range(D)]
    return entries_of(smaller.replace(parameters=parameters), entries)


def without_reverse(case: Case) -> Case:
    """The case without its reverse direction."""
    H = case.config.state_size
    parameters = {
        name: np.ascontiguousarray(array[:, :H]) if name.startswith("weight_ih") and "_l0" not in name else array
        for name, array in case.parameters.items()
        if not name.endswith("_reverse")
    }
    smaller = case.replace(parameters=parameters, bidirectional=False)
    return entries_of(smaller, list(range(0, 2 * case.config.num_layers, 2)))


def entries_of(case: Case, entries: list[int]) -> Case:
    """The case with only some layer and direction entries of its states."""
    states = {name: getattr(case, name) for name in ("h_0", "c_0")}
    return case.replace(**{name: None if s is None else s[entries] for name, s in states.items()})
