"""Cases: each is drawn as one block of bytes and decoded through tables, simplest first.

One draw costs the same for every size of case, and every case is an independent sample of the
distribution that the tables describe.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from reference_rnn import CELLS, DTYPES, GATES, Case, Config, parameter_shapes, rounded, state_shapes

from .integers import automaton, integer_network, linear_network, magnitude, valid_steps
from .memory import relaid
from .values import cut

BLOCK_SIZE = 48
BLOCKS = st.binary(min_size=BLOCK_SIZE, max_size=BLOCK_SIZE)

# Sizes lie on both sides of 4, 8 and 16, where vectorised code changes its path.
STEPS = (1, 2, 3, 5, 2, 3, 4, 6, 7, 8, 9, 13, 3, 5, 4, 0)
ROWS = (1, 2, 3, 2, 4, 3, 5, 2, 3, 9, 4, 2, 3, 1, 5, 0)
INPUTS = (1, 2, 3, 5, 4, 3, 2, 7, 9, 3, 6, 13, 17, 4, 3, 2)
UNITS = (1, 2, 3, 4, 5, 3, 2, 4, 6, 7, 9, 5, 3, 8, 17, 19)
LAYERS = (1, 1, 2, 1, 2, 3, 1, 4, 2, 3, 1, 2, 1, 3, 2, 1)
RELATIONS = ("free",) * 12 + ("I=H", "D*H=I", "N=T", "N=L*D")
NETWORKS = ("dense", "integer", "linear", "automaton")
PADDINGS = ("zero", "garbage", "nan", "infinity")
# Tables for x and states, and for weights and biases. Two thirds keep units off saturation.
MODES = (
    ("ones", "dyadic"), ("signs", "signs"), ("dyadic", "dyadic"), ("uniform", "uniform"),
    ("gauss", "uniform"), ("uniform", "gauss"), ("gauss", "gauss"), ("saturating", "uniform"),
    ("uniform", "uniform"), ("gauss", "uniform"), ("uniform", "uniform"), ("saturating", "signs"),
    ("gauss", "gauss"), ("uniform", "uniform"), ("tiny", "uniform"), ("gauss", "uniform"),
)  # fmt: skip
GAINS = (1.0, 1.0, 0.5, 1.0, 2.0, 1.0, 4.0, 1.5)
CONTRACTION = 0.75
MEMORIES = ("C",) * 13 + ("F", "strided", "negative", "read-only")
DIMENSIONS = ("input_size", "hidden_size", "num_layers", "batch", "steps")
EMPTIES = ("time", "batch", "length")
BIASES = ("two", "one", "no b_hn")


@dataclass(frozen=True)
class Allowed:
    """Which cases may be drawn; None leaves a choice open. See ``cases``."""

    cells: tuple[str, ...] = ("RNN_TANH", "RNN_RELU")
    dtypes: tuple[str, ...] = ("float32",)
    min_layers: int = 1
    max_layers: int = 4
    bidirectional: bool | None = None
    bias: bool | None = None
    biases: str = "two"
    projections: bool = False
    lengths: bool | None = None
    empty: Collection[str] = ()
    initial_state: bool = True
    network: str | None = None
    memory: bool = True
    min_steps: int = 0
    sizes: Mapping[str, Collection[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for argument, values in {"cells": self.cells, "dtypes": self.dtypes, **self.sizes}.items():
            if not values:
                raise InvalidArgument(
                    f"{argument} in sizes is empty" if argument in self.sizes else f"{argument} is empty"
                )
        for cell in self.cells:
            require("cells", cell, CELLS)
        for dtype in self.dtypes:
            require("dtypes", dtype, DTYPES)
        for empty in self.empty:
            require("empty", empty, EMPTIES)
        for dimension in self.sizes:
            require("sizes", dimension, DIMENSIONS)
        require("biases", self.biases, BIASES)
        if self.network is not None:
            require("network", self.network, NETWORKS)
        if not 1 <= self.min_layers <= self.max_layers:
            raise InvalidArgument(f"min_layers is {self.min_layers}, must be from 1 to max_layers = {self.max_layers}")

    @property
    def possible(self) -> bool:
        """Whether there is a case at all: sizes may leave none."""
        return bool(self.choice("num_layers", self.min_layers, self.max_layers)) and (
            "steps" not in self.sizes or any(size >= self.min_steps for size in self.sizes["steps"])
        )

    def choice(self, dimension: str, least: int, most: int | None = None) -> list[int] | None:
        """The allowed sizes of a dimension within bounds; None for all of them."""
        if dimension not in self.sizes:
            return None if most is None else list(range(least, most + 1))
        return [size for size in sorted(self.sizes[dimension]) if least <= size <= (most or size)]

    def admits(self, case: Case) -> bool:
        """Whether a case, made smaller, is still one that may be drawn."""
        c = case.config
        return (
            self.min_layers <= c.num_layers <= self.max_layers
            and c.cell in self.cells
            and self.bidirectional in (None, c.bidirectional)
            and self.bias in (None, c.bias)
            and (self.projections or not c.proj_size)
            and self.lengths in (None, case.lengths is not None)
            and case.num_steps >= self.min_steps
            and (case.num_steps > 0 or "time" in self.empty)
            and (case.num_rows > 0 or "batch" in self.empty)
            and ("length" in self.empty or case.lengths is None or 0 not in case.lengths)
            and all(sizes_of(case)[name] in allowed for name, allowed in self.sizes.items())
            and bool(np.isfinite(valid_steps(case)).all())
        )


@dataclass(frozen=True)
class Sketch:
    """A case in a few small numbers, before its arrays are filled."""

    cell: int = 0
    dtype: int = 0
    num_layers: int = 1
    bidirectional: bool = False
    T: int = 1
    N: int = 1
    I: int = 1  # noqa: E741
    H: int = 1
    bias: bool = True
    lengths: tuple[int, ...] | None = None  # steps missing at the end of each row, in turn
    projection: int = 0  # 0: none, 1: of H - 1, 2: of about half of H; where the cell has projections
    relation: str = "free"
    network: str = "dense"
    mode: int = 3
    gain: float = 1.0
    contract: bool = True
    padding: str = "zero"
    memory: str = "C"
    relay: int = 0
    seed: int = 0
    levels: bytes = b"\x03"


def cases(
    *,
    cells: Collection[str] = ("RNN_TANH", "RNN_RELU"),
    dtypes: Collection[str] = ("float32",),
    min_layers: int = 1,
    max_layers: int = 4,
    bidirectional: bool | None = None,
    bias: bool | None = None,
    lengths: bool | None = None,
    empty: Collection[str] = (),
    projections: bool = False,
    network: str | None = None,
    memory: bool = True,
    sizes: Mapping[str, Collection[int]] | None = None,
) -> st.SearchStrategy[Case]:
    """Complete problems for a recurrent network.

    bidirectional, bias, lengths: True, False, or None for both
    empty        which sizes may be 0: any of "time", "batch", "length"
    projections  whether an LSTM may have proj_size > 0
    network      "dense"; "integer" (exact in every order with ReLU); "linear" (tanh is the identity);
                 "automaton" (saturated units); None for all
    memory       whether arrays may be Fortran-ordered, strided, reversed or read-only
    sizes        allowed values of input_size, hidden_size, num_layers, batch and steps

    Shrinks towards one layer, one direction, one row, one step, one unit, and values 0 and 1.
    Raises InvalidArgument for a value that does not exist.
    """
    allowed = Allowed(
        cells=tuple(cells), dtypes=tuple(dtypes), min_layers=min_layers, max_layers=max_layers,
        bidirectional=bidirectional, bias=bias, lengths=lengths, empty=tuple(empty), projections=projections,
        network=network, memory=memory, sizes=dict(sizes or {}),
    )  # fmt: skip
    return BLOCKS.map(lambda block: from_block(block, allowed))


def from_block(block: bytes, allowed: Allowed) -> Case:
    """The case that a block of bytes stands for, within what is allowed."""
    return build(decode(block), allowed)


def calm_from_block(block: bytes, allowed: Allowed) -> Case:
    """The same, with small weights throughout, so that rounding explains little."""
    return build(replace(decode(block), mode=8, gain=0.5, contract=True, network="dense"), allowed)


def decode(block: bytes) -> Sketch:
    """A block of bytes as a sketch, one decision a byte."""
    pick = Picker(block).pick
    return Sketch(
        cell=pick(range(256)),
        num_layers=pick(LAYERS),
        bidirectional=pick((False, True)),
        T=pick(STEPS),
        N=pick(ROWS),
        I=pick(INPUTS),
        H=pick(UNITS),
        bias=pick((True, True, True, False)),
        lengths=pick((None, block[36:])),
        relation=pick(RELATIONS),
        network=pick(("dense",) * 12 + NETWORKS),
        mode=pick(range(len(MODES))),
        gain=pick(GAINS),
        contract=pick((True, True, True, False)),
        padding=pick(PADDINGS),
        memory=pick(MEMORIES),
        relay=pick(range(256)),
        seed=pick(range(256)),
        dtype=pick(range(256)),
        projection=pick((0, 1, 0, 2)),
        levels=block[21:],
    )


class Picker:
    """Reads one choice after another off a block of bytes."""

    def __init__(self, block: bytes) -> None:
        self.bytes = iter(block)

    def pick(self, choices: Any) -> Any:
        """The choice that the next byte stands for; byte 0 is the first, simplest one."""
        return choices[next(self.bytes) % len(choices)]


def build(sketch: Sketch, allowed: Allowed) -> Case:
    """The case that a sketch describes, fitted into what is allowed."""
    config, T, N = fitted(sketch, allowed)
    lengths = fitted_lengths(sketch, allowed, T, N)
    x = np.zeros((T, N, config.input_size))
    case = Case(config, {}, x, lengths=lengths)
    case = filled(case, sketch, allowed)
    network = allowed.network or sketch.network
    if network == "integer" or (network == "linear" and config.cell == "RNN_RELU"):
        case = integer_network(case)
    elif network == "linear":
        case = linear_network(case)
    elif network == "automaton" and config.cell != "RNN_RELU":
        case = automaton(case)
    case = padded(case, sketch.padding)
    return relaid_case(case, sketch) if allowed.memory else case


def fitted(sketch: Sketch, allowed: Allowed) -> tuple[Config, int, int]:
    """Configuration, T and N: the sketch's, as near as is allowed."""
    L = min(max(sketch.num_layers, allowed.min_layers), allowed.max_layers)
    bidirectional = sketch.bidirectional if allowed.bidirectional is None else allowed.bidirectional
    D = 2 if bidirectional else 1
    T = max(sketch.T if "time" in allowed.empty else max(sketch.T, 1), allowed.min_steps)
    if allowed.lengths and "length" not in allowed.empty:
        T = max(T, 1)  # without steps every row has length 0
    N = sketch.N if "batch" in allowed.empty else max(sketch.N, 1)
    I, H = sketch.I, sketch.H  # noqa: E741
    if sketch.relation == "I=H":
        I = H  # noqa: E741
    elif sketch.relation == "D*H=I":
        I = D * H  # noqa: E741
    elif sketch.relation == "N=T" and T:
        N = T
    elif sketch.relation == "N=L*D":
        N = L * D
    I = nearest(I, allowed.choice("input_size", 1))  # noqa: E741
    H = nearest(H, allowed.choice("hidden_size", 1))
    L = nearest(L, allowed.choice("num_layers", allowed.min_layers, allowed.max_layers))
    N = nearest(N, allowed.choice("batch", 1))
    T = nearest(T, allowed.choice("steps", allowed.min_steps))
    bias = sketch.bias if allowed.bias is None else allowed.bias
    cell = allowed.cells[sketch.cell % len(allowed.cells)]
    dtype = allowed.dtypes[sketch.dtype % len(allowed.dtypes)]
    proj_size = (0, H - 1, (H + 1) // 2)[sketch.projection] if allowed.projections and cell == "LSTM" and H > 1 else 0
    return Config(cell, I, H, L, bidirectional, bias, proj_size=proj_size, dtype=dtype), T, N


def nearest(size: int, allowed: Collection[int] | None) -> int:
    """The size itself, or one of the allowed ones in its place."""
    if not allowed or size in allowed:
        return size
    return sorted(allowed)[size % len(allowed)]


def fitted_lengths(sketch: Sketch, allowed: Allowed, T: int, N: int) -> np.ndarray | None:
    """(N,) lengths, unsorted, from 0 or 1 to T."""
    wanted = sketch.lengths is not None if allowed.lengths is None else allowed.lengths
    least = 0 if "length" in allowed.empty else 1
    if not wanted or least > T:
        return None
    missing = sketch.lengths or (0, 1, 3, 2)
    return np.array([T - missing[row % len(missing)] % (T - least + 1) for row in range(N)], dtype=np.int64)


def filled(case: Case, sketch: Sketch, allowed: Allowed) -> Case:
    """The case with numbers in all its arrays, rounded to its dtype."""
    config, (inputs, weights) = case.config, MODES[sketch.mode]
    shapes = {**state_shapes(case), **parameter_shapes(config)}
    arrays: dict[str, Any] = {}
    for salt, (name, shape) in enumerate(shapes.items()):
        table = weights if name.startswith(("weight", "bias")) else inputs
        if table == "saturating" and config.dtype in ("float16", "bfloat16"):
            table = "gauss"
        array = cut(table, sketch.levels[salt % len(sketch.levels)], sketch.seed, salt, shape.sizes)
        if name.startswith("weight") and weights in ("uniform", "gauss"):
            array *= sketch.gain / np.sqrt(shape.sizes[1])
        if name.startswith("weight_hh") and sketch.contract and config.num_layers > 1:
            array = contractive(array)
        if inputs == "tiny" and name.startswith("bias"):
            array *= 2.0**-40
        arrays[name] = array
    arrays |= {
        name: array * held(config, allowed.biases) for name, array in arrays.items() if name.startswith("bias_hh")
    }
    arrays = {name: rounded(array, config.dtype) for name, array in arrays.items()}
    if not allowed.initial_state:
        arrays |= {"h_0": None, "c_0": None}
    states = {name: arrays.pop(name, None) for name in ("x", "h_0", "c_0")}
    return case.replace(parameters=arrays, **states)


def held(config: Config, biases: str) -> np.ndarray:
    """(G*H,) 1 where bias_hh has a number of its own, 0 where one bias holds all there is."""
    gates = GATES[config.cell]
    kept = {"two": gates, "one": "", "no b_hn": gates.replace("n", "")}[biases]
    return np.repeat([float(gate in kept) for gate in gates], config.hidden_size)


def contractive(W: np.ndarray) -> np.ndarray:
    """The matrix scaled down by a power of two, so that the balls of a stacked layer stay narrow."""
    reach = abs(W).sum(1).max(initial=0.0)
    return W if reach <= CONTRACTION else W * 2.0 ** -np.ceil(np.log2(reach / CONTRACTION))


def padded(case: Case, padding: str) -> Case:
    """The case with something past the end of each row that must not matter."""
    if case.lengths is None:
        return case
    ended = np.arange(case.num_steps)[:, None] >= case.lengths
    value = {"zero": 0.0, "nan": np.nan, "infinity": np.inf, "garbage": 2 * magnitude(case.x) + 3}[padding]
    x = case.x.copy()
    x[ended] = value
    return case.replace(x=rounded(x, case.config.dtype))


def relaid_case(case: Case, sketch: Sketch) -> Case:
    """The case with one, several or all of its arrays in another memory layout."""
    if sketch.memory == "C":
        return case
    names = [name for name, _ in case.arrays()]
    chosen = {0: {"x"}, 1: {"h_0"}, 2: set(names)}.get(sketch.relay % 4, {names[sketch.relay % len(names)]})
    return case.map(lambda name, array: relaid(array, sketch.memory) if name in chosen else array)


def sizes_of(case: Case) -> dict[str, int]:
    """The sizes of a case by the names that ``sizes`` uses."""
    c = case.config
    values = (c.input_size, c.hidden_size, c.num_layers, case.num_rows, case.num_steps)
    return dict(zip(DIMENSIONS, values))


def require(argument: str, value: str, known: Collection[str]) -> None:
    """Raises InvalidArgument unless the value is one of the known ones."""
    if value not in known:
        raise InvalidArgument(f"{argument} has {value!r}, must be of {', '.join(known)}")
