"""A case is one complete problem: configuration, parameters, input and initial state.

Axes: T steps, N rows of the batch, I input size, H hidden size, P projection size, L layers,
D directions, G gates. Names of arrays are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Generic

import numpy as np

from .case_text import expression
from .cell import ACTIVATIONS, kinds_of
from .cells import cell_of
from .functions import N
from .layouts import suffix

GATE_ACTIVATIONS = ("sigmoid", "hard_sigmoid")  # a gate lies between 0 and 1
DTYPES = ("float32", "float64", "float16", "bfloat16")


class ShapeError(ValueError):
    """An array of a case has a shape that its configuration does not allow."""


@dataclass(frozen=True)
class Config:
    """What kind of network a case describes; the fields are those of ``torch.nn.RNN``, and options of ONNX' operators.

    cell           one of CELLS, by its name, or a ``Cell``
    peepholes      the gates of an LSTM see the cell state;  coupled_gates: its forget gate is 1 - i
    clip           what activations read lies between -clip and clip; 0 for no bound
    activations    of ACTIVATIONS, as many as the cell has; empty for the usual ones

    Raises ValueError for what does not exist.
    """

    cell: Any = "RNN_TANH"
    input_size: int = 1
    hidden_size: int = 1
    num_layers: int = 1
    bidirectional: bool = False
    bias: bool = True
    batch_first: bool = False
    dropout: float = 0.0
    proj_size: int = 0
    dtype: str = "float32"
    peepholes: bool = False
    coupled_gates: bool = False
    clip: float = 0.0
    activations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "cell", cell_of(self.cell))
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype is {self.dtype!r}, must be one of {', '.join(DTYPES)}")
        for name in ("input_size", "hidden_size", "num_layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, must be at least 1")
        if self.proj_size and not (self.cell.projects and 0 < self.proj_size < self.hidden_size):
            rule = "must be 0, or for a cell with projections, as LSTM, less than hidden_size"
            raise ValueError(f"proj_size is {self.proj_size}, {rule}")
        object.__setattr__(self, "activations", tuple(self.activations))
        if self.has_options:
            check_options(self)

    @property
    def has_options(self) -> bool:
        """Whether the cell has any option of ONNX' operators."""
        return bool(self.peepholes or self.coupled_gates or self.clip or self.activations)

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain data; options of ONNX' operators only where there are any."""
        fields = dict(vars(self))
        options = {name: fields.pop(name) for name in ("peepholes", "coupled_gates", "clip", "activations")}
        return fields | (options | {"activations": list(self.activations)} if self.has_options else {})

    @property
    def told(self) -> dict[str, Any]:
        """The fields as a target is told them, with what follows from them."""
        return {**vars(self), "num_directions": self.num_directions, "num_states": self.num_states}

    @property
    def num_directions(self) -> int:
        """D: 2 if bidirectional, else 1."""
        return 2 if self.bidirectional else 1

    @property
    def num_states(self) -> int:
        """2 for a cell that has c beside h, else 1."""
        return len(self.cell.states)

    @property
    def state_size(self) -> int:
        """The last axis of h_0: P with projections, else H."""
        return self.proj_size or self.hidden_size

    @property
    def numpy_dtype(self) -> np.dtype:
        """The dtype of a case's arrays; bfloat16 values travel in float32 arrays."""
        return storage(self.dtype)


@dataclass(frozen=True, eq=False)
class Case:
    """One complete problem.

    x        (T, N, I), or (N, T, I) if ``config.batch_first``, or (T, I) unbatched
    h_0, c_0 (L*D, N, H), or (L*D, H) unbatched, or None; c_0 for cells of two states
    lengths  (N,) integers, or None: every row has T steps
    """

    config: Config
    parameters: dict[str, np.ndarray]
    x: np.ndarray
    h_0: np.ndarray | None = None
    c_0: np.ndarray | None = None
    lengths: np.ndarray | None = None
    training: bool = False

    @property
    def unbatched(self) -> bool:
        """Whether x has no batch axis."""
        return self.x.ndim == 2

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """The inputs by name, as recurrences have them: x alone."""
        return {"x": self.x}

    @property
    def states(self) -> dict[str, np.ndarray | None]:
        """The initial states by name, as recurrences have them: h, and c for cells of two states."""
        return dict(zip(("h", "c")[: self.config.num_states], (self.h_0, self.c_0)))

    @property
    def num_steps(self) -> int:
        """T."""
        return self.x.shape[1 if self.config.batch_first and not self.unbatched else 0]

    @property
    def num_rows(self) -> int:
        """N; 1 when unbatched."""
        if self.unbatched:
            return 1
        return self.x.shape[0 if self.config.batch_first else 1]

    @property
    def row_lengths(self) -> np.ndarray:
        """(N,) int64, the steps of each row, T where no lengths are given."""
        if self.lengths is None:
            return np.full(self.num_rows, self.num_steps)
        return np.asarray(self.lengths, dtype=np.int64)

    @property
    def draws(self) -> bool:
        """Whether dropout draws masks at random, if there are several layers: in training with 0 < p < 1."""
        return self.training and 0 < self.config.dropout < 1

    def replace(self, **changes: Any) -> Case:
        """This case with other fields; names of Config's fields change the configuration."""
        config = {name: changes.pop(name) for name in list(changes) if name in CONFIG_FIELDS}
        return replace(self, config=replace(self.config, **config) if config else self.config, **changes)

    @property
    def told(self) -> dict[str, Any]:
        """What a target is told besides configuration and arrays."""
        return {"training": self.training}

    def counts(self) -> Iterator[tuple[str, np.ndarray]]:
        """Name and array of what counts steps: lengths, if they are given."""
        if self.lengths is not None:
            yield "lengths", self.lengths

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """Name and array of every floating-point array: parameters, x, h_0, c_0."""
        yield from self.parameters.items()
        for name in ("x", "h_0", "c_0"):
            if getattr(self, name) is not None:
                yield name, getattr(self, name)

    def result_shapes(self) -> dict[str, Shape]:
        """Name and shape of every result."""
        return result_shapes(self)

    def map(self, change: Any) -> Case:
        """This case with ``change(name, array)`` in place of every array."""
        changed = {name: change(name, array) for name, array in self.arrays()}
        top = {name: changed.pop(name) for name in ("x", "h_0", "c_0") if name in changed}
        return replace(self, parameters=changed, **top)

    def __repr__(self) -> str:
        return expression(self)

    def check(self) -> Case:
        """This case, if every shape is right; otherwise ShapeError names the array."""
        if self.x.ndim not in (2, 3):
            raise ShapeError(f"x has shape {self.x.shape}, must be (T, N, I), or (T, I) unbatched")
        expected = {**parameter_shapes(self.config), **state_shapes(self)}
        given = dict(self.arrays())
        for name in expected.keys() - given.keys() - {"h_0", "c_0"}:
            raise ShapeError(f"{name} is missing; {self.config.cell} needs {', '.join(expected)}")
        for name, array in given.items():
            if name not in expected:
                raise ShapeError(f"{name} is not an array of this case; it has {', '.join(expected)}")
            check_shape(name, array, expected[name])
        if self.lengths is not None:
            check_lengths(np.asarray(self.lengths), self.num_rows, self.num_steps)
        return self


CONFIG_FIELDS = frozenset(Config.__dataclass_fields__)


@dataclass(frozen=True, eq=False)
class Result(Generic[N]):
    """What a case leads to: arrays, balls or bounds.

    output    like x, with D*H as its last axis; zero past the end of a row
    h_n, c_n  (L*D, N, H), or (L*D, H) unbatched; c_n for cells of two states
    """

    output: N
    h_n: N
    c_n: N | None = field(default=None)

    def items(self) -> Iterator[tuple[str, N]]:
        """Name and value of each part that is there."""
        for name in ("output", "h_n", "c_n"):
            if getattr(self, name) is not None:
                yield name, getattr(self, name)

    def map(self, change: Any) -> Result[Any]:
        """The result of ``change(name, value)`` on every part."""
        return Result(**{name: change(name, value) for name, value in self.items()})


@dataclass(frozen=True)
class Shape:
    """A shape in numbers and in symbols, for messages."""

    sizes: tuple[int, ...]
    symbols: str

    def __str__(self) -> str:
        return f"{self.sizes} = ({self.symbols})"


def storage(dtype: str) -> np.dtype:
    """The dtype of the arrays that numbers of a dtype travel in: float32 for bfloat16."""
    return np.dtype("float32" if dtype == "bfloat16" else dtype)


def rounded(array: np.ndarray, dtype: str) -> np.ndarray:
    """The numbers rounded to a dtype; those of bfloat16 come in a float32 array."""
    if dtype != "bfloat16":
        return array.astype(dtype)
    bits = array.astype(np.float32).view(np.uint32)
    even = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)  # to nearest, ties to even
    return np.where(np.isnan(array), np.float32(np.nan), even.astype(np.uint32).view(np.float32))


def kind_of(name: str) -> str:
    """What a parameter is, without its layer and direction: ``weight_ih`` of ``weight_ih_l0_reverse``."""
    return name.removesuffix("_reverse").rpartition("_l")[0]


def gate_rows(config: Config, gate: str, name: str = "weight_ih_l0") -> slice:
    """The rows of a packed weight or bias that belong to one gate; none if it has none there.

    Raises ValueError for a gate that the cell does not have.
    """
    config.cell.gates.index(gate)
    packing = config.cell.packing(kind_of(name))
    start = packing.index(gate) * config.hidden_size if gate in packing else 0
    return slice(start, start + config.hidden_size * (gate in packing))


def parameter_shapes(config: Config) -> dict[str, Shape]:
    """Name and shape of every parameter, in PyTorch's order."""
    shapes = {}
    for layer in range(config.num_layers):
        for direction in range(config.num_directions):
            for kind in kinds_of(config.cell, config.bias, bool(config.proj_size), config.peepholes):
                shapes[kind + suffix(layer, direction)] = parameter_shape(config, kind, layer)
    return shapes


def parameter_shape(config: Config, kind: str, layer: int) -> Shape:
    """The shape of a parameter of some layer."""
    H, P, state = config.hidden_size, config.state_size, "P" if config.proj_size else "H"
    gates = len(config.cell.packing(kind)) or 1
    rows, symbol = gates * H, f"{gates}H" if gates > 1 else "H"
    if kind == "weight_hr":
        return Shape((P, H), "P, H")
    if kind == "weight_hh":
        return Shape((rows, P), f"{symbol}, {state}")
    if kind == "weight_ih" and layer:
        return Shape((rows, config.num_directions * P), f"{symbol}, {'2' * config.bidirectional}{state}")
    if kind == "weight_ih":
        return Shape((rows, config.input_size), f"{symbol}, I")
    return Shape((rows,), f"{symbol},")


def state_shapes(case: Case) -> dict[str, Shape]:
    """The shapes of x, h_0 and, for a cell with two states, c_0; T and N are read off x."""
    config, T, N = case.config, case.num_steps, case.num_rows
    entries = config.num_layers * config.num_directions
    axes: tuple[tuple[int, ...], str] = (T, N, config.input_size), "T, N, I"
    if case.unbatched:
        axes = (T, config.input_size), "T, I"
    elif config.batch_first:
        axes = (N, T, config.input_size), "N, T, I"
    rows, symbol = ((), "") if case.unbatched else ((N,), "N, ")
    shapes = {"x": Shape(*axes)}
    last = "P" if config.proj_size else "H"
    shapes["h_0"] = Shape((entries, *rows, config.state_size), f"L*D, {symbol}{last}")
    if config.num_states == 2:
        shapes["c_0"] = Shape((entries, *rows, config.hidden_size), f"L*D, {symbol}H")
    return shapes


def result_shapes(case: Case) -> dict[str, Shape]:
    """The shapes of output, h_n and, for a cell with two states, c_n."""
    states = state_shapes(case)
    config = case.config
    width = config.num_directions * config.state_size
    last = ("2" if config.bidirectional else "") + ("P" if config.proj_size else "H")
    x = states["x"]
    shapes = {"output": Shape((*x.sizes[:-1], width), x.symbols[:-1] + last), "h_n": states["h_0"]}
    if "c_0" in states:
        shapes["c_n"] = states["c_0"]
    return shapes


def check_options(config: Config) -> None:
    """Raises ValueError unless the options of a configuration fit its cell."""
    cell = config.cell
    for name, has in (("peepholes", cell.packing("weight_ch")), ("coupled_gates", cell.couples)):
        if getattr(config, name) and not has:
            raise ValueError(f"{name} is for cells that have them, as LSTM, not for {cell}")
    if not cell.activations:
        raise ValueError(f"{cell} has no options: its step has no activations as defaults")
    if config.proj_size:
        raise ValueError("proj_size must be 0 where there are peepholes, coupled gates, a clip or other activations")
    if not config.clip >= 0:
        raise ValueError(f"clip is {config.clip}, must be 0 or positive")
    usual, given = cell.activations, config.activations
    if given and len(given) != len(usual):
        raise ValueError(f"activations has {len(given)} names, must have {len(usual)} for {config.cell}")
    for number, name in enumerate(given):
        allowed = GATE_ACTIVATIONS if usual[number] == "sigmoid" else ACTIVATIONS
        if name not in allowed:
            raise ValueError(f"activations[{number}] is {name!r}, must be one of {', '.join(allowed)}")


def check_shape(name: str, array: np.ndarray, expected: Shape) -> None:
    """Raises ShapeError, naming the array, unless its shape is the expected one."""
    given = np.shape(array)
    if given == expected.sizes:
        return
    hint = "; it looks transposed" if given == expected.sizes[::-1] else ""
    raise ShapeError(f"{name} has shape {given}, must be {expected}{hint}")


def check_lengths(lengths: np.ndarray, rows: int, steps: int) -> None:
    """Raises ShapeError unless lengths is (N,) integers from 0 to T."""
    if lengths.shape != (rows,) or lengths.dtype.kind not in "iu":
        raise ShapeError(
            f"lengths has shape {lengths.shape} and dtype {lengths.dtype}, must be ({rows},) = (N,) integers"
        )
    if rows and not (lengths.min() >= 0 and lengths.max() <= steps):
        raise ShapeError(f"lengths is {lengths.tolist()}, each must be from 0 to T = {steps}")
