"""Recurrences of today: cells whose inputs, states and outputs have names and shapes of their own.

    @recurrence(inputs={"q": "K", "k": "K", "v": "V", "g": "K"}, states={"S": "KV"}, outputs={"o": "V"})
    def gated_linear_attention(q, k, v, g, S):
        S = exp(g)[..., None] * S + k[..., None] * v[..., None, :]
        return vecmat(q, S), S                # the outputs as they are declared, then the states

Each letter is an axis whose size is drawn; no letter is one number for each head. Axes: T steps, N rows of the batch, M
heads. Inputs and outputs are (T, N, M, letters...), states (N, M, letters...), parameters (letters...); without heads
the axis M is not there. Packed, rows follow one another without padding: (sum of their steps, M, letters...).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from .bounds.arithmetic import Arithmetic, arithmetic, arithmetic_of
from .bounds.ball import Ball, exact, settled, summing
from .bounds.scan_rounding import holds_state
from .case import DTYPES, Shape, ShapeError, check_lengths, check_shape, rounded, storage
from .case_text import filled, recurrence_expression
from .cell import Cell, CellError, check_depth, name_of, run_step
from .functions import select, stack

USUAL = (-1.0, 1.0)  # between which the numbers of an array are drawn
TRIED = (3, 2, 5, 4, 6, 7)  # sizes at which a step is tried
Arrays = Mapping[str, Any]


class Recurrence(Cell):
    """A recurrence: a string, its name in ``config.cell``, with the shapes of its arrays, and its equations if known.

    inputs, states, outputs, parameters  the letters of each array, by its name
    heads    whether arrays have an axis of heads
    given_out  states that no step reads: each is judged as an output, at the end of a row
    ranges   between which the numbers of an array are drawn, where that is not from -1 to 1: a log-decay is below 0
    step     ``step(*inputs, *states)``, and the mapping of parameters as last argument where there are any; None where
             only the shapes are known
    """

    inputs: Mapping[str, str]
    states: Mapping[str, str]  # type: ignore[assignment]
    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    heads: bool
    given_out: tuple[str, ...]
    ranges: Mapping[str, tuple[float, float]]

    def __new__(cls, step: Callable | None, name: str = "", **shapes: Any) -> Recurrence:
        """A recurrence of its shapes; raises CellError if they are none, or the step does not fit them."""
        self = str.__new__(cls, name.upper() or (name_of(step) if step is not None else "RECURRENCE"))
        self.step, self.gates, self.vectors, self.projects = step, "", (), False  # type: ignore[assignment]
        self.reads, self.sums, self.holds, self.passes = {}, "", None, None
        for kind in ("inputs", "states", "outputs", "parameters", "ranges"):
            given = shapes.pop(kind, None) or {}
            if not isinstance(given, Mapping):
                raise CellError(f"{self}: {kind} is {given!r}, must be a dict by name")
            setattr(self, kind, dict(given))
        self.heads, given_out = shapes.pop("heads", True), shapes.pop("given_out", ())
        if shapes:
            known = "inputs, states, outputs, parameters, heads, given_out, ranges, name"
            raise CellError(f"{self}: a recurrence has no {', '.join(shapes)}; what can be said of it is {known}")
        if not isinstance(given_out, tuple | list) or not all(name in self.states for name in given_out):
            raise CellError(
                f"{self}: given_out is {given_out!r}, must be a tuple of names of states: {', '.join(self.states)}"
            )
        self.given_out = tuple(given_out)
        check_shapes(self)
        if step is not None:
            check_depth(self)
            try_out(self)
        return self

    def __call__(self, step: Callable) -> Recurrence:
        """The recurrence of these shapes with a step: what ``@recurrence(...)`` does."""
        return Recurrence(step, **{**self.shapes, "name": ""})

    @property
    def shapes(self) -> dict[str, Any]:
        """All that is said of it besides its equations, as plain data."""
        ranges = {name: list(bounds) for name, bounds in self.ranges.items()}
        named = {kind: dict(getattr(self, kind)) for kind in ("inputs", "states", "outputs", "parameters")}
        unread = (
            {"given_out": list(self.given_out)} if self.given_out else {}
        )  # as files had it before it could be said
        return named | {"heads": self.heads, **unread, "ranges": ranges, "name": str(self)}

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Recurrence):
            return str.__eq__(self, other)
        codes = [getattr(one.step, "__code__", None) for one in (self, other)]
        return self.shapes == other.shapes and codes[0] == codes[1]

    __hash__ = Cell.__hash__

    def __reduce__(self) -> tuple:
        """Without equations it crosses to another process as its shapes; else as a cell does."""
        return (of_shapes, (self.shapes,)) if self.step is None else super().__reduce__()

    @cached_property
    def own(self) -> bool:
        """Whether its text stands in somebody's file."""
        return (self.step is not None or self.origin is not None) and super().own

    @property
    def outline(self) -> dict[str, Any]:
        """What is known of it besides its equations: its shapes."""
        return self.shapes

    @property
    def crossing(self) -> Any:
        """What stands for it outside this process: file, name and hash; its shapes where that is all there is."""
        return self.shapes if self.step is None and self.origin is None else super().crossing

    @cached_property
    def linear(self) -> bool:
        """Whether each number of a state is what it was, times a coefficient, and a term: what a scan can compute.

        Coefficients and terms are made of inputs and parameters alone. False where there are no equations.
        """
        return self.step is not None and is_linear(self)

    @property
    def letters(self) -> str:
        """Every letter, in the order in which they are declared."""
        kinds = (self.inputs, self.states, self.outputs, self.parameters)
        return "".join(dict.fromkeys("".join(letters for kind in kinds for letters in kind.values())))

    def case(
        self, inputs: Arrays | None = None, states: Arrays | None = None, parameters: Arrays | None = None, *,
        sizes: Mapping[str, int] | None = None, lengths: Any = None, offsets: Any = None, mode: str | None = None,
        dtype: str = "float32",
    ) -> RecurrenceCase:  # fmt: skip
        """A case of these arrays, whose sizes say the configuration; states that are left out are not given.

        sizes: of T, N, M if there are heads, and each letter; packed rows have neither T nor N. Where they are given,
        each array is a number (all entries), a nested list, or a dict from index to number; inputs and parameters that
        are left out are zero.

        Raises ShapeError where two arrays do not fit each other, or one is missing, or a size is.

        >>> from reference_rnn import recurrence
        >>> total = recurrence(inputs={"x": "K"}, states={"s": "K"}, outputs={"y": "K"})
        >>> total.case({"x": [[[[1, 2]]]]}).config.sizes
        {'K': 2}
        >>> total.case({"x": {(1, 0, 0, 0): 3}}, sizes={"T": 2, "N": 1, "M": 1, "K": 1}).inputs["x"].ravel().tolist()
        [0.0, 3.0]
        """
        given = [dict(arrays or {}) for arrays in (inputs, states, parameters)]
        if offsets is not None:
            offsets = np.asarray(offsets, np.int64)
        if lengths is not None:
            lengths = np.asarray(lengths, np.int64)
        config = RecurrenceConfig(self, {}, 1, dtype)
        if sizes is not None:
            bare = of_sizes(config, sizes, offsets)
            zeros: list[dict[str, Any]] = [dict.fromkeys(self.inputs, 0), {}, dict.fromkeys(self.parameters, 0)]
            config, given = bare.config, [filled_like(bare, left_out | kind) for left_out, kind in zip(zeros, given)]
        arrays = [{name: np.asarray(a, storage(dtype)) for name, a in kind.items() if a is not None} for kind in given]
        whole = {name: arrays[1].get(name) for name in self.states}
        made = RecurrenceCase(config, arrays[0], whole, arrays[2], lengths, offsets, mode)
        return (replace(made, config=sized(made)) if sizes is None else made).check()


def recurrence(step: Callable | None = None, /, **shapes: Any) -> Recurrence:
    """Shapes of a recurrence: as a decorator those of the step below it; alone, all that is known.

    inputs, states, outputs, parameters: letters by name;  heads, given_out, ranges: see ``Recurrence``
    name: of one without step

    Raises CellError for what is no shape, or a step that does not fit.

    >>> from reference_rnn import exp, recurrence
    >>> @recurrence(inputs={"x": "K", "g": ""}, states={"s": "K"}, outputs={"y": "K"}, ranges={"g": (-2, 0)})
    ... def leaky_sum(x, g, s):
    ...     s = exp(g)[..., None] * s + x
    ...     return s, s
    >>> leaky_sum, leaky_sum.letters
    ('LEAKY_SUM', 'K')
    """
    return Recurrence(step, **shapes)


def of_shapes(shapes: Mapping[str, Any]) -> Recurrence:
    """The recurrence of these shapes alone."""
    return Recurrence(None, **shapes)


def outline_of_recurrence(origin: Mapping[str, str], shapes: Mapping[str, Any], equations: str) -> Recurrence:
    """The outline of a recurrence, as ``cell.outline`` of a cell: its equations are text to be printed."""
    found = of_shapes(shapes)
    found.origin, found.equations = dict(origin), equations
    return found


@dataclass(frozen=True)
class RecurrenceConfig:
    """What a case of a recurrence describes: its sizes by letter, how many heads, and the dtype of its numbers.

    Raises ValueError for a dtype that does not exist.
    """

    cell: Recurrence
    sizes: Mapping[str, int] = field(default_factory=dict)
    heads: int = 1
    dtype: str = "float32"

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype is {self.dtype!r}, must be one of {', '.join(DTYPES)}")

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data."""
        return {"cell": self.cell, "sizes": dict(self.sizes), "heads": self.heads, "dtype": self.dtype}

    @property
    def told(self) -> dict[str, Any]:
        """The fields as a target is told them."""
        return self.as_dict() | {"cell": str(self.cell)}

    @property
    def numpy_dtype(self) -> np.dtype:
        """The dtype of a case's arrays; bfloat16 values travel in float32 arrays."""
        return storage(self.dtype)

    def axes(self, letters: str, *before: tuple[int, str]) -> Shape:
        """The shape of an array with these letters, after some axes of their own."""
        heads = [(self.heads, "M")] if self.cell.heads and before else []
        axes = [*before, *heads, *((self.sizes[letter], letter) for letter in letters)]
        return Shape(tuple(size for size, _ in axes), ", ".join(symbol for _, symbol in axes))


@dataclass(frozen=True, eq=False)
class RecurrenceCase:
    """One complete problem of a recurrence; all arrays by their names.

    inputs      (T, N, M, letters...), or packed (sum of steps, M, letters...)
    states      (N, M, letters...), or None each where none is given, which means zeros
    parameters  (letters...)
    lengths     (N,) integers where rows are padded, or None: every row has T steps
    offsets     (N + 1,) where rows are packed: row n is from offsets[n] to offsets[n + 1]; else None
    mode        in which the target is asked to compute, None where it has one only
    """

    config: RecurrenceConfig
    inputs: dict[str, np.ndarray]
    states: dict[str, np.ndarray | None]
    parameters: dict[str, np.ndarray] = field(default_factory=dict)
    lengths: np.ndarray | None = None
    offsets: np.ndarray | None = None
    mode: str | None = None
    training: bool = False

    @property
    def unbatched(self) -> bool:
        """Rows have an axis always."""
        return False

    @property
    def draws(self) -> bool:
        """Nothing is dropped."""
        return False

    @property
    def stateless(self) -> bool:
        """Whether some state is not given."""
        return any(state is None for state in self.states.values())

    @property
    def num_rows(self) -> int:
        """N."""
        return len(self.offsets) - 1 if self.offsets is not None else next(iter(self.inputs.values())).shape[1]

    @property
    def num_steps(self) -> int:
        """T; of packed rows, the most that one has."""
        if self.offsets is not None:
            return int(max(np.diff(self.offsets), default=0))
        return next(iter(self.inputs.values())).shape[0]

    @property
    def row_lengths(self) -> np.ndarray:
        """(N,) int64, the steps of each row."""
        if self.offsets is not None:
            return np.diff(np.asarray(self.offsets, np.int64))
        return np.full(self.num_rows, self.num_steps) if self.lengths is None else np.asarray(self.lengths, np.int64)

    @property
    def valid(self) -> tuple[np.ndarray, np.ndarray]:
        """Steps and rows of the numbers that are no padding, row by row: packed = padded[valid]."""
        lengths = self.row_lengths
        rows = np.repeat(np.arange(len(lengths)), lengths)
        return np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths), rows

    def replace(self, **changes: Any) -> RecurrenceCase:
        """This case with other fields; names of the configuration's fields change that."""
        config = {name: changes.pop(name) for name in list(changes) if name in ("sizes", "heads", "dtype")}
        return replace(self, config=replace(self.config, **config) if config else self.config, **changes)

    @property
    def told(self) -> dict[str, Any]:
        """What a target is told besides configuration and arrays."""
        return {"training": False, "mode": self.mode, "inputs": list(self.inputs), "states": list(self.states)}

    def counts(self) -> Iterator[tuple[str, np.ndarray]]:
        """Name and array of what counts steps: lengths or offsets, if they are given."""
        for name in ("lengths", "offsets"):
            if getattr(self, name) is not None:
                yield name, getattr(self, name)

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """Name and array of every floating-point array: parameters, inputs, the states that are given."""
        yield from self.parameters.items()
        yield from self.inputs.items()
        yield from ((name, state) for name, state in self.states.items() if state is not None)

    def map(self, change: Callable[[str, np.ndarray], np.ndarray]) -> RecurrenceCase:
        """This case with ``change(name, array)`` in place of every array."""
        return replace(
            self,
            inputs={name: change(name, array) for name, array in self.inputs.items()},
            states={name: None if array is None else change(name, array) for name, array in self.states.items()},
            parameters={name: change(name, array) for name, array in self.parameters.items()},
        )

    def result_shapes(self) -> dict[str, Shape]:
        """Name and shape of every result."""
        return handed_shapes(self)

    def in_dtype(self, dtype: str) -> RecurrenceCase:
        """The case in another dtype, with its numbers rounded to it."""
        return self.replace(dtype=dtype).map(lambda _, array: rounded(array, dtype))

    def __repr__(self) -> str:
        return recurrence_expression(self)

    def check(self) -> RecurrenceCase:
        """This case, if every shape is right; otherwise ShapeError names the array."""
        if self.offsets is not None and (list(self.offsets[:1]) != [0] or (np.diff(self.offsets) < 0).any()):
            raise ShapeError(f"offsets is {self.offsets.tolist()}, must begin with 0 and never fall")
        first = ("T", "N") if self.offsets is None else ("steps of all rows",)
        for name, array in self.inputs.items():
            if array.ndim < len(first):
                raise ShapeError(f"{name} has shape {array.shape}, must begin with ({', '.join(first)})")
        expected = shapes_of(self)
        given = dict(self.arrays())
        for name in expected.keys() - given.keys() - self.states.keys():
            raise ShapeError(f"{name} is missing; {self.config.cell} needs {', '.join(expected)}")
        for name, array in given.items():
            if name not in expected:
                raise ShapeError(f"{name} is not an array of this case; it has {', '.join(expected)}")
            check_shape(name, array, expected[name])
        if self.lengths is not None:
            check_lengths(np.asarray(self.lengths), self.num_rows, self.num_steps)
        return self


@dataclass(frozen=True, eq=False)
class Handed:
    """What a case of a recurrence leads to, by name: outputs like its inputs, and its last states."""

    outputs: dict[str, Any]
    states: dict[str, Any]

    def items(self) -> Iterator[tuple[str, Any]]:
        """Name and value of every part."""
        yield from self.outputs.items()
        yield from self.states.items()

    def map(self, change: Callable[[str, Any], Any]) -> Handed:
        """``change(name, value)`` in place of every part."""
        return Handed(*({name: change(name, value) for name, value in part.items()} for part in vars(self).values()))


def shapes_of(case: RecurrenceCase) -> dict[str, Shape]:
    """Name and shape of every array of a case."""
    c, cell = case.config, case.config.cell
    found = {name: c.axes(letters) for name, letters in cell.parameters.items()}
    found |= {name: c.axes(letters, *walked(case)) for name, letters in cell.inputs.items()}
    return found | {name: c.axes(letters, (case.num_rows, "N")) for name, letters in cell.states.items()}


def handed_shapes(case: RecurrenceCase) -> dict[str, Shape]:
    """Name and shape of every result of a case: the outputs, then the states.

    An output has an axis for each of its letters behind (T, N), or behind the steps of all rows where they are packed;
    a state behind N.
    """
    c, cell = case.config, case.config.cell
    found = {name: c.axes(letters, *walked(case)) for name, letters in cell.outputs.items()}
    return found | {name: c.axes(letters, (case.num_rows, "N")) for name, letters in cell.states.items()}


def walked(case: RecurrenceCase) -> list[tuple[int, str]]:
    """The axes of steps and rows."""
    if case.offsets is not None:
        return [(int(case.offsets[-1]), "steps of all rows")]
    return [(case.num_steps, "T"), (case.num_rows, "N")]


def sized(case: RecurrenceCase) -> RecurrenceConfig:
    """The configuration that the arrays of a case say."""
    cell, heads = case.config.cell, 1
    sizes: dict[str, int] = {}
    before = 1 if case.offsets is not None else 2
    kinds = ((cell.parameters, 0), (cell.inputs, before), (cell.states, 1))
    given = dict(case.arrays())
    for kind, ahead in kinds:
        for name, letters in kind.items():
            if name not in given:
                continue
            axes = ahead + bool(cell.heads and ahead)
            if given[name].ndim != axes + len(letters):
                symbols = [*(("steps",) if ahead == before == 1 else ("T", "N")[2 - ahead :]), *("M" * (axes - ahead))]
                raise ShapeError(f"{name} has shape {given[name].shape}, must be ({', '.join([*symbols, *letters])})")
            sizes |= dict(zip(letters, given[name].shape[axes:]))
            heads = given[name].shape[ahead] if axes > ahead else heads
    return replace(case.config, sizes={letter: sizes.get(letter, 1) for letter in cell.letters}, heads=heads)


def of_sizes(config: RecurrenceConfig, sizes: Mapping[str, int], offsets: np.ndarray | None) -> RecurrenceCase:
    """A case of some sizes without its arrays; ShapeError where there is a size too few or too many."""
    cell = config.cell
    needed = [*("TN" if offsets is None else ""), *("M" if cell.heads else ""), *cell.letters]
    if sizes.keys() != set(needed):
        raise ShapeError(f"sizes has {', '.join(sizes) or 'nothing'}, must have {', '.join(needed)}")
    config = replace(config, sizes={letter: sizes[letter] for letter in cell.letters}, heads=sizes.get("M", 1))
    steps_and_rows = np.empty((sizes.get("T", 0), sizes.get("N", 0)))
    return RecurrenceCase(config, {"": steps_and_rows}, dict.fromkeys(cell.states), offsets=offsets)


def filled_like(case: RecurrenceCase, arrays: Arrays) -> dict[str, np.ndarray]:
    """Arrays in the shapes of a case, from how they are written; ShapeError for one that it does not have."""
    shapes = shapes_of(case)
    if unknown := [name for name in arrays if name not in shapes]:
        raise ShapeError(f"{unknown[0]} is not an array of this case; it has {', '.join(shapes)}")
    written = {name: array for name, array in arrays.items() if array is not None}
    return {name: filled(array, shapes[name].sizes, case.config.numpy_dtype) for name, array in written.items()}


def padded(case: RecurrenceCase) -> RecurrenceCase:
    """The case with its rows padded with zeros beside one another, and zeros where no state is given."""
    zeros = {name: np.zeros(shape.sizes) for name, shape in shapes_of(case).items() if name in case.states}
    states: dict[str, Any] = {name: zeros[name] if state is None else state for name, state in case.states.items()}
    if case.offsets is None:
        return replace(case, states=states)
    lengths, T = case.row_lengths, case.num_steps

    def beside(packed: np.ndarray) -> np.ndarray:
        made = np.zeros((T, len(lengths), *packed.shape[1:]), packed.dtype)
        made[case.valid] = packed
        return made

    inputs = {name: beside(array) for name, array in case.inputs.items()}
    return replace(case, inputs=inputs, states=states, lengths=lengths, offsets=None)


@np.errstate(all="ignore")
def handed(case: RecurrenceCase, arithmetic: Arithmetic | str | None = None) -> Handed:
    """The result of a case step by step: float64 arrays, or balls if an arithmetic is given, or a dtype by its name.

    A row that has ended holds its states and gives zeros. Raises ShapeError if an array does not fit, ValueError for a
    recurrence without equations, or one that is not linear in an arithmetic of another order than steps.
    """
    arithmetic = arithmetic_of(arithmetic)
    plain = padded(case.check())
    cell = plain.config.cell
    if cell.step is None:
        raise ValueError(f"{cell} has no equations: only its shapes are known")
    lift = float64 if arithmetic is None else lambda array: exact(array, arithmetic)
    if arithmetic is not None and arithmetic.order != "steps" and not cell.linear:
        raise ValueError(f"{cell} has no bounds in the order of {arithmetic.order}: it is no linear recurrence")
    p = {name: lift(array) for name, array in plain.parameters.items()}
    states = [lift(plain.states[name]) for name in cell.states]
    states = [summing(state) if isinstance(state, Ball) else state for state in states]
    steps: list[list[Any]] = []
    for t in range(plain.num_steps):
        new = stepped(cell, [lift(plain.inputs[name][t]) for name in cell.inputs], states, p)
        alive = t < plain.row_lengths
        states = [held(alive, *both) for both in zip(new[len(cell.outputs) :], states)]
        steps.append([held(alive, output, 0.0) for output in new[: len(cell.outputs)]])
    shapes = {name: shape.sizes for name, shape in handed_shapes(plain).items()}
    outputs = {name: stack(*(step[number] for step in steps)) if steps else lift(np.zeros(shapes[name]))
               for number, name in enumerate(cell.outputs)}  # fmt: skip
    return like(case, Handed(outputs, dict(zip(cell.states, states))))


def float64(array: Any) -> np.ndarray:
    """The array in the reference's precision; complex numbers stay complex."""
    return np.asarray(array, np.complex128 if np.iscomplexobj(array) else np.float64)


def stepped(cell: Recurrence, x: list[Any], states: list[Any], p: Arrays) -> tuple:
    """The outputs and the states after one step, which may work in place: what it is given is its own."""
    own = [np.array(value) if isinstance(value, np.ndarray) else value for value in (*x, *states)]
    new = run_step(cell, cell.step, *own, *([p] if cell.parameters else []))
    return new if isinstance(new, tuple) else (new,)


def held(alive: np.ndarray, new: Any, old: Any) -> Any:
    """New in the rows that are alive, elsewhere old."""
    return settled(select(new, alive.reshape(-1, *[1] * (len(new.shape) - 1)), old))


def like(case: RecurrenceCase, found: Handed) -> Handed:
    """The result of padded rows as the case has them: packed where its inputs are."""
    if case.offsets is None:
        return found
    return replace(found, outputs={name: value[case.valid] for name, value in found.outputs.items()})


@np.errstate(all="ignore")
def is_linear(own: Recurrence) -> bool:
    """Whether the new states are the old ones times what balls have collected before them, for any change of those."""
    x, states, p = some_numbers(own)
    scanned = arithmetic("float64", order="scan")
    balls = [summing(exact(state, scanned)) for state in states]
    new = stepped(own, [exact(a, scanned) for a in x], balls, {n: exact(a, scanned) for n, a in p.items()})
    factors: list[Any] = []
    for before, after in zip(balls, new[len(own.outputs) :]):
        made_of = after.sum.of(after, 1.0) if holds_state(after) else {}
        if made_of.get("origin") is not before:
            return False
        factors.append(made_of["factor"])
    still = stepped(own, x, states, p)[len(own.outputs) :]
    draw = np.random.default_rng(11)
    for size in (2.0**-6, 1.0, 2.0**6, 2.0**10):  # some kinks are far away
        for chosen in range(len(states)):
            moved = [size * draw.standard_normal(s.shape) * (n == chosen) for n, s in enumerate(states)]
            there = stepped(own, x, [s + way for s, way in zip(states, moved)], p)[len(own.outputs) :]
            for a, b, factor, way in zip(there, still, factors, moved):
                if not np.allclose(a - b, factor * way, rtol=1e-6, atol=1e-9 * (size + 1)):
                    return False
    return True


def some_numbers(own: Recurrence) -> tuple[list[np.ndarray], list[np.ndarray], dict[str, np.ndarray]]:
    """Inputs and states of five rows, and parameters, in small sizes."""
    config = tried(own)
    draw = np.random.default_rng(7)

    def numbers(name: str, shape: Shape) -> np.ndarray:
        low, high = own.ranges.get(name, USUAL)
        return low + (high - low) * draw.random(shape.sizes)

    x, states = ([numbers(name, config.axes(letters, (5, "N"))) for name, letters in kind.items()]
                 for kind in (own.inputs, own.states))  # fmt: skip
    return x, states, {name: numbers(name, config.axes(letters)) for name, letters in own.parameters.items()}


def tried(own: Recurrence) -> RecurrenceConfig:
    """The sizes at which a step is tried."""
    return RecurrenceConfig(own, dict(zip(own.letters, TRIED * (1 + len(own.letters) // len(TRIED)))), 2)


def check_shapes(own: Recurrence) -> None:
    """Raises CellError unless the declared names and letters are such, and enough."""
    if not isinstance(own.heads, bool):
        raise CellError(f"{own}: heads is {own.heads!r}, must be True or False")
    for kind in ("inputs", "states", "outputs", "parameters"):
        for name, letters in getattr(own, kind).items():
            if not isinstance(name, str) or not name.isidentifier():
                raise CellError(f"{own}: {kind} has {name!r}, must be a name")
            if not isinstance(letters, str) or not all(letter.isalpha() for letter in letters):
                raise CellError(f"{own}: {kind} has {name}={letters!r}, must be letters, one for each axis")
            if set(letters) & set("TNM"):
                raise CellError(f"{own}: {kind} has {name}={letters!r}; T, N and M stand for steps, rows and heads")
    for kind in ("inputs", "states", "outputs"):
        if not getattr(own, kind):
            raise CellError(f"{own}: {kind} is empty, must name at least one array and its letters")
    given = [*own.inputs, *own.states, *own.parameters]
    if taken := [name for name in ("lengths", "offsets") if name in given]:
        raise CellError(f"{own}: an array cannot be called {taken[0]}: a case has these")
    twice = [name for name in dict.fromkeys(given) if given.count(name) > 1]
    twice += [name for name in own.outputs if name in own.states]
    if twice:
        raise CellError(f"{own}: {twice[0]} stands for two arrays; give each a name of its own")
    for name, bounds in own.ranges.items():
        if name not in given:
            raise CellError(f"{own}: ranges has {name!r}, must be of {', '.join(given)}")
        numbers = isinstance(bounds, tuple | list) and all(isinstance(bound, int | float) for bound in bounds)
        if not (numbers and len(bounds) == 2 and -np.inf < bounds[0] <= bounds[1] < np.inf):
            raise CellError(f"{own}: ranges has {name}={bounds!r}, must be two finite numbers, the lower one first")


def try_out(own: Recurrence) -> None:
    """Raises CellError unless the step takes what is declared, and gives it, on arrays and on balls."""
    names = [*own.inputs, *own.states, *(["p"] if own.parameters else [])]
    arguments = list(inspect.signature(own.step).parameters)
    if arguments != names:
        raise CellError(f"{own}: its step takes {', '.join(arguments)}, must take {', '.join(names)}")
    config = tried(own)
    given = {name: np.full(config.axes(letters, (5, "N")).sizes, middle(own, name))
             for name, letters in {**own.inputs, **own.states}.items()}  # fmt: skip
    weights = {name: np.full(config.axes(letters).sizes, middle(own, name)) for name, letters in own.parameters.items()}
    must = [(name, config.axes(letters, (5, "N"))) for name, letters in {**own.outputs, **own.states}.items()]
    for lift in (float64, lambda array: exact(array, arithmetic("float32"))):
        x, s, p = ([lift(a) for a in part] for part in ([given[n] for n in own.inputs], [given[n] for n in own.states],
                                                        list(weights.values())))  # fmt: skip
        try:
            found = stepped(own, x, s, dict(zip(weights, p)))
        except CellError as error:
            if lift is float64:
                raise
            raise CellError(f"{error}; on balls: write it in the functions of reference_rnn") from error.__cause__
        if len(found) != len(must):
            raise CellError(f"{own}: its step returns {len(found)}, must return {', '.join(name for name, _ in must)}")
        for (name, shape), value in zip(must, found):
            if getattr(value, "shape", None) != shape.sizes:
                raise CellError(f"{own}: its step returns {name} of shape {np.shape(value)}, must be {shape}")
    check_given_out(own)


@np.errstate(all="ignore")
def check_given_out(own: Recurrence) -> None:
    """Raises CellError if the step reads a state that is said to be only given out."""
    x, states, p = some_numbers(own)
    for name in own.given_out:
        unknown = [np.full_like(s, np.nan) if own_name == name else s for own_name, s in zip(own.states, states)]
        results = zip(stepped(own, x, states, p), stepped(own, x, unknown, p))
        if not all(np.array_equal(one, other, equal_nan=True) for one, other in results):
            raise CellError(f"{own}: its step reads {name}, which is only given out; leave it out of given_out")


def middle(own: Recurrence, name: str) -> float:
    """A number of an array that is drawn often."""
    low, high = own.ranges.get(name, USUAL)
    return low + 0.75 * (high - low)
