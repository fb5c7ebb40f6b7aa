"""Cases of recurrences: their sizes by letter, with rows padded or packed, in one of several modes."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from reference_rnn import Recurrence, RecurrenceCase, RecurrenceConfig, rounded
from reference_rnn.recurrences import USUAL, padded, shapes_of

from .forms import PLAIN, Form

# On both sides of 4, 8, 16 and of what chunks are long, with few steps more often than many.
STEPS = (3, 1, 7, 2, 17, 4, 65, 5, 33, 8, 16, 130, 9, 64, 6, 32, 260)
ROWS = (2, 1, 3, 2, 5, 1, 4)
HEADS = (2, 1, 3, 1, 4)
SIZES = (3, 2, 4, 1, 5, 2, 8, 3, 16, 7)
ARRANGED = ("padded", "lengths", "packed")  # how rows lie beside one another
KINDS = ("uniform", "dyadic", "uniform", "few", "uniform", "ends")  # of numbers
COVERING = 24
LARGEST = 2**19  # numbers of an array
FEW = 64  # numbers of an array, of which each is made simpler by itself


@dataclass(frozen=True)
class Sequences:
    """Which cases of recurrences may be drawn.

    multiples   for each mode what sizes must be multiples of; the mode is None where there is one only
    arranged    of ARRANGED;  stateless  whether states may be left out, None where it does not matter which
    empty       of "time", "batch" and "length";  sizes  allowed values by letter, heads, batch and steps
    """

    recurrences: tuple[Recurrence, ...]
    dtypes: tuple[str, ...] = ("float32",)
    multiples: Mapping[str | None, Mapping[str, int]] = field(default_factory=lambda: {None: {}})
    arranged: tuple[str, ...] = ARRANGED[:1]
    stateless: bool | None = False
    empty: tuple[str, ...] = ()
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    min_steps: int = 0
    min_rows: int = 0
    min_heads: int = 1

    @property
    def possible(self) -> bool:
        """Whether there is a case at all."""
        least = {"steps": self.min_steps, "batch": self.min_rows, "heads": self.min_heads}
        fits = all(max(self.sizes.get(name, (number,))) >= number for name, number in least.items())
        headed = self.min_heads == 1 or any(own.heads for own in self.recurrences)
        return bool(self.arranged) and bool(self.multiples) and fits and headed

    def from_block(self, block: bytes) -> RecurrenceCase:
        """The case that a block of bytes stands for; of any two blocks they have nothing to do with each other."""
        return self.filled(random.Random(block), {})

    def covering(self, number: int) -> Iterator[RecurrenceCase]:
        """Cases in which whatever is claimed meets in pairs; number: of the property, so that each has its own."""
        for at, row in enumerate(rows_of(self.factors, COVERING)):
            yield self.filled(random.Random(f"{number} {at}"), dict(zip(self.names, row)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What covering cases combine."""
        return "cell", "mode", "arranged", "dtype", "stateless", "steps", "batch", "heads", "kind"

    @cached_property
    def factors(self) -> tuple[tuple[Any, ...], ...]:
        """The values of each of ``names``."""
        lists = {
            "steps": ((3, 1, 65, 2, 8, 260, 33, 17), max(self.min_steps, 1)),
            "batch": ((2, 1, 3), max(self.min_rows, 1)), "heads": ((2, 1, 3), self.min_heads),
        }  # fmt: skip
        sizes = {
            name: tuple(size for size in self.sizes[name] if size >= least) if name in self.sizes
            else tuple(dict.fromkeys(max(size, least) for size in usual))
            for name, (usual, least) in lists.items()
        }  # fmt: skip
        for name, empty, least in (("steps", "time", self.min_steps), ("batch", "batch", self.min_rows)):
            if empty in self.empty and not least and name not in self.sizes:
                sizes[name] += (0,)
        return (
            tuple(range(len(self.recurrences))), tuple(self.multiples), self.arranged, self.dtypes,
            (False, True) if self.stateless is None else (self.stateless,), sizes["steps"],
            sizes["batch"], sizes["heads"], ("uniform", "dyadic", "few", "ends"),
        )  # fmt: skip

    def filled(self, draw: random.Random, chosen: Mapping[str, Any]) -> RecurrenceCase:
        """A case with what is chosen, and all else drawn."""
        of = chosen.get
        cell = self.recurrences[of("cell", draw.randrange(len(self.recurrences)))]
        mode = chosen["mode"] if "mode" in chosen else draw.choice(list(self.multiples))
        stateless = of("stateless", draw.random() < 0.25 if self.stateless is None else self.stateless)
        multiple = self.multiples[mode]
        sizes = {letter: self.size(draw, letter, SIZES, multiple) for letter in cell.letters}
        heads = of("heads", self.size(draw, "heads", HEADS, multiple, self.min_heads)) if cell.heads else 1
        rows = of("batch", self.size(draw, "batch", ROWS, multiple, self.min_rows))
        least = multiple.get("T", 1)
        steps = of("steps", self.size(draw, "steps", STEPS, {}, self.min_steps))
        steps = -(-steps // least) * least
        each = rows * heads * max(int(np.prod([sizes[letter] for letter in cell.letters])), 1)
        while steps * each > LARGEST and steps > max(least, self.min_steps) and "steps" not in self.sizes:
            steps = -(-(steps // 2) // least) * least
        config = RecurrenceConfig(cell, sizes, heads, of("dtype", draw.choice(self.dtypes)))
        numbers = np.random.default_rng(draw.getrandbits(64))
        kind = of("kind", draw.choice(KINDS))
        arranged = of("arranged", draw.choice(self.arranged))
        case = zeros(config, steps, rows, mode)
        case = case.map(
            lambda name, array: draw_numbers(numbers, array.shape, kind, cell.ranges.get(name, USUAL), config.dtype)
        )
        if arranged != "padded":
            case = replace(case, lengths=self.lengths(draw, steps, rows, least))
        if arranged == "packed":
            case = pack_rows(case)
        return replace(case, states=dict.fromkeys(case.states)) if stateless else case

    def size(
        self, draw: random.Random, name: str, usual: tuple[int, ...], multiple: Mapping[str, int], least: int = 0
    ) -> int:
        """A size: one that is allowed, and a multiple of what it must be."""
        if name in self.sizes:
            return draw.choice([size for size in self.sizes[name] if size >= least])
        number = multiple.get(name, 1)
        return -(-max(draw.choice(usual), least) // number) * number

    def lengths(self, draw: random.Random, steps: int, rows: int, multiple: int) -> np.ndarray:
        """How many steps each row has, one of them all, in no order."""
        least = 0 if "length" in self.empty else min(1, steps // multiple)
        found = [draw.randint(least, steps // multiple) * multiple for _ in range(rows)]
        if rows:
            found[draw.randrange(rows)] = steps
        return np.array(found, np.int64)

    def taken_apart(self, case: RecurrenceCase) -> tuple[RecurrenceCase, Form]:
        """A case as properties see it: as it is."""
        return case, PLAIN

    def admits(self, case: RecurrenceCase) -> bool:
        """Whether a case, made smaller, is still one that may be drawn."""
        return (
            not self.lacks(case)
            and (self.stateless is None or case.stateless == self.stateless)
            and case.num_steps >= self.min_steps and case.num_rows >= self.min_rows
            and case.config.heads >= self.min_heads
        )  # fmt: skip

    def lacks(self, case: RecurrenceCase) -> list[str]:
        """What a case needs that is not allowed, under the names of claims; empty if it fits."""
        if case.mode not in self.multiples:
            return [f"mode {case.mode}"]
        config, multiple = case.config, self.multiples[case.mode]
        sizes = dict(config.sizes) | {"heads": config.heads, "batch": case.num_rows, "steps": case.num_steps}
        lengths = case.row_lengths.tolist()
        arranged = "packed" if case.offsets is not None else "padded" if case.lengths is None else "lengths"
        fits = {
            str(config.cell): config.cell in self.recurrences,
            config.dtype: config.dtype in self.dtypes,
            arranged: arranged in self.arranged,
            "default_state": self.stateless is not False or not case.stateless,
            "empty.time": case.num_steps > 0 or "time" in self.empty,
            "empty.batch": case.num_rows > 0 or "batch" in self.empty,
            "empty.length": 0 not in lengths or case.num_steps == 0 or "length" in self.empty,
            "these sizes": all(sizes[name] in allowed for name, allowed in self.sizes.items() if name in sizes),
            f"the sizes of mode {case.mode}": (
                all(length % multiple.get("T", 1) == 0 for length in [case.num_steps, *lengths])
                and all(sizes[name] % number == 0 for name, number in multiple.items() if name in sizes)
            ),
        }
        return [name for name, fit in fits.items() if not fit]


@lru_cache(256)
def rows_of(factors: tuple[tuple[Any, ...], ...], count: int) -> list[tuple[Any, ...]]:
    """So many rows, a value of each factor in each, drawn greedily so that new pairs meet early."""
    draw = random.Random(0)
    missing = {
        (a, i, b, j)
        for a, b in itertools.combinations(range(len(factors)), 2)
        for i in range(len(factors[a])) for j in range(len(factors[b]))
    }  # fmt: skip
    found: list[tuple[int, ...]] = []
    while len(found) < count:
        tried = [tuple(draw.randrange(len(values)) for values in factors) for _ in range(60)]
        best = max(tried, key=lambda row: len(missing & pairs_met(row)))
        missing -= pairs_met(best)
        found.append(best)
    return [tuple(values[number] for values, number in zip(factors, row)) for row in found]


def pairs_met(row: tuple[int, ...]) -> set[tuple[int, int, int, int]]:
    """The pairs of values that a row has."""
    return {(a, row[a], b, row[b]) for a, b in itertools.combinations(range(len(row)), 2)}


def zeros(config: RecurrenceConfig, steps: int, rows: int, mode: str | None = None) -> RecurrenceCase:
    """A case of zeros of these sizes."""
    cell = config.cell
    empty = RecurrenceCase(config, {name: np.zeros((steps, rows)) for name in cell.inputs}, dict.fromkeys(cell.states),
                           dict.fromkeys(cell.parameters, np.zeros(0)), mode=mode)  # fmt: skip
    made = {name: np.zeros(shape.sizes, config.numpy_dtype) for name, shape in shapes_of(empty).items()}
    return empty.map(lambda name, _: made[name]).replace(states={name: made[name] for name in cell.states})


def draw_numbers(
    numbers: np.random.Generator, shape: tuple[int, ...], kind: str, bounds: tuple[float, float], dtype: str
) -> np.ndarray:
    """Numbers of a kind between two bounds, which single precision has, so that they are the same in every dtype."""
    low, high = bounds
    if kind == "few":
        found = np.where(numbers.random(shape) < 0.3, 1.0, 0.0)
    elif kind == "dyadic":
        found = numbers.integers(-4, 5, shape) / 4
    elif kind == "ends":
        found = numbers.choice([low, high, (low + high) / 2, low, high], shape)
    else:
        found = numbers.uniform(low, high, shape)
    exact = np.clip(found, low, high).astype(np.float32)
    return rounded(exact.astype(np.float64), dtype)


def pack_rows(case: RecurrenceCase) -> RecurrenceCase:
    """A case whose rows lie one after the other, without padding."""
    inputs = {name: array[case.valid] for name, array in case.inputs.items()}
    offsets = np.concatenate([[0], np.cumsum(case.row_lengths)]).astype(np.int64)
    return replace(case, inputs=inputs, lengths=None, offsets=offsets)


def shrink_recurrence(
    case: RecurrenceCase, fails: Callable[[RecurrenceCase], bool], admits: Callable[[RecurrenceCase], bool],
    runs: int = 400, seconds: float = 10.0,
) -> RecurrenceCase:  # fmt: skip
    """The smallest case that still fails; runs, seconds: how often and how long it may be tried."""
    deadline, found = time.monotonic() + seconds, True
    while found:
        found = False
        for smaller in simpler(case):
            if runs <= 0 or time.monotonic() > deadline:
                return case
            if not admits(smaller):
                continue
            runs -= 1
            if fails(smaller):
                case, found = smaller, True
                break
    return case


def simpler(case: RecurrenceCase) -> Iterator[RecurrenceCase]:
    """Smaller cases, the smallest first: fewer rows, steps, heads and units; then simpler numbers."""
    if case.offsets is not None:
        beside = replace(padded(case), states=case.states)
        yield beside
        for smaller in simpler(beside):
            if smaller.lengths is not None:
                yield pack_rows(smaller)
        return
    if case.lengths is not None:
        yield replace(case, lengths=None)
    yield from (rows_kept(case, kept) for kept in halves(case.num_rows))
    yield from (steps_kept(case, kept) for kept in halves(case.num_steps) if case.lengths is None or not kept.start)
    if case.config.cell.heads:
        yield from (heads_kept(case, kept) for kept in halves(case.config.heads))
    for letter, size in case.config.sizes.items():
        yield from (letter_kept(case, letter, kept) for kept in halves(size))
    yield from simpler_numbers(case)


def halves(size: int) -> Iterator[slice]:
    """The first and the last ones of so many: powers of two, of which chunks are multiples, half, and one less."""
    for count in sorted({*(2**n for n in range(size.bit_length()) if 2**n < size), size // 2, size - 1} - {0}):
        if 0 < count < size:
            yield slice(0, count)
            yield slice(size - count, size)


def rows_kept(case: RecurrenceCase, kept: slice) -> RecurrenceCase:
    """Some rows of a padded case."""
    inputs = {name: array[:, kept] for name, array in case.inputs.items()}
    states = {name: None if array is None else array[kept] for name, array in case.states.items()}
    return replace(case, inputs=inputs, states=states, lengths=None if case.lengths is None else case.lengths[kept])


def steps_kept(case: RecurrenceCase, kept: slice) -> RecurrenceCase:
    """Some steps of a padded case, from a start to a stop; rows end where they did."""
    lengths = None if case.lengths is None else np.clip(case.lengths - kept.start, 0, kept.stop - kept.start)
    return replace(case, inputs={name: array[kept] for name, array in case.inputs.items()}, lengths=lengths)


def heads_kept(case: RecurrenceCase, kept: slice) -> RecurrenceCase:
    """Some heads of a padded case, from a start to a stop."""
    inputs = {name: array[:, :, kept] for name, array in case.inputs.items()}
    states = {name: None if array is None else array[:, kept] for name, array in case.states.items()}
    return replace(case.replace(heads=kept.stop - kept.start), inputs=inputs, states=states)


def letter_kept(case: RecurrenceCase, letter: str, kept: slice) -> RecurrenceCase:
    """The case with only the indices in ``kept`` on each axis of this letter, whose size is set to fit."""
    cell = case.config.cell
    letters = {**cell.inputs, **cell.states, **cell.parameters}

    def cut(name: str, array: np.ndarray) -> np.ndarray:
        where: Any = (..., *(kept if own == letter else slice(None) for own in letters[name]))
        return array[where]

    return case.replace(sizes={**case.config.sizes, letter: kept.stop - kept.start}).map(cut)


def simpler_numbers(case: RecurrenceCase) -> Iterator[RecurrenceCase]:
    """Cases with simpler numbers: one way is tried on all arrays before the next way.

    A zero is the number next to it that may be drawn, and stays.
    """
    for way in (to_zero_array, to_one_array, thin_out, rounder):
        for name, array in case.arrays():
            low, high = case.config.cell.ranges.get(name, USUAL)
            for other in way(array, low, high):
                new = other.astype(array.dtype)
                if not np.array_equal(array, new, equal_nan=True):
                    yield case.map(lambda own, old, name=name, new=new: new if own == name else old)  # type: ignore[misc]


def to_zero_array(array: np.ndarray, low: float, high: float) -> Iterator[np.ndarray]:
    """Zeros alone."""
    yield np.full_like(array, np.clip(0.0, low, high))


def to_one_array(array: np.ndarray, low: float, high: float) -> Iterator[np.ndarray]:
    """Ones in the place of all that is not zero."""
    yield np.where(array == np.clip(0.0, low, high), array, np.clip(1.0, low, high))


def thin_out(array: np.ndarray, low: float, high: float) -> Iterator[np.ndarray]:
    """Zeros in the place of slices, then of single numbers, if there are few."""
    for where in slices_of(array):
        changed = array.copy()
        changed[where] = np.clip(0.0, low, high)
        yield changed


def rounder(array: np.ndarray, low: float, high: float) -> Iterator[np.ndarray]:
    """Whole numbers, or quarters."""
    for step in (1.0, 0.25):
        yield np.clip(np.round(array / step) * step, low, high)


def slices_of(array: np.ndarray) -> Iterator[tuple[Any, ...]]:
    """The places of each slice along each axis, then of each number, if there are few."""
    for axis, size in enumerate(array.shape):
        yield from (((slice(None),) * axis + (number,)) for number in range(size) if size > 1)
    if array.size <= FEW:
        yield from np.ndindex(*array.shape)
