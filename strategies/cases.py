"""Cases: each is drawn as one block of bytes and decoded through tables, simplest first.

One draw costs the same for every size of case, and every case is an independent sample of the
distribution that the tables describe.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from reference_rnn import DTYPES, Case, Cell, CellError, Config, cell_of, parameter_shapes, rounded, state_shapes
from reference_rnn.case import kind_of

from .forms import LENGTHS, PLAIN, Form, form_of, plain
from .integers import (
    automaton,
    integer_network,
    is_automaton,
    linear,
    linear_network,
    magnitude,
    reach,
    representable,
    valid_steps,
)  # fmt: skip
from .memory import relaid
from .values import cut

BLOCK_SIZE = 48
BLOCKS = st.binary(min_size=BLOCK_SIZE, max_size=BLOCK_SIZE)

# Sizes lie at and on both sides of 4, 8 and 16, where vectorised code changes its path.
STEPS = (1, 2, 3, 5, 2, 3, 4, 6, 7, 8, 9, 13, 3, 5, 4, 0)
ROWS = (1, 2, 3, 2, 4, 3, 5, 2, 8, 9, 4, 2, 3, 1, 5, 0)
INPUTS = (1, 2, 3, 5, 4, 3, 2, 7, 9, 3, 8, 15, 17, 4, 16, 2)
UNITS = (1, 2, 3, 4, 5, 3, 2, 4, 6, 7, 9, 5, 3, 8, 17, 16)
LAYERS = (1, 1, 2, 1, 2, 3, 1, 4, 2, 3, 1, 2, 1, 3, 2, 1)
RELATIONS = ("free",) * 12 + ("I=H", "D*H=I", "N=T", "N=L*D")
NETWORKS: dict[str, Callable[[Case, int | None], Case]] = {
    "dense": lambda case, bits: case, "integer": integer_network, "linear": linear_network,
    "automaton": lambda case, bits: automaton(case),
}  # fmt: skip
PADDINGS = ("zero", "garbage", "nan", "infinity")
UNBOUNDED = PADDINGS[2:]
# Tables for x and states, and for weights and biases. Two thirds keep units off saturation.
MODES = (
    ("ones", "dyadic"), ("signs", "signs"), ("dyadic", "dyadic"), ("uniform", "uniform"),
    ("gauss", "uniform"), ("uniform", "gauss"), ("gauss", "gauss"), ("saturating", "uniform"),
    ("uniform", "uniform"), ("gauss", "uniform"), ("uniform", "uniform"), ("saturating", "signs"),
    ("gauss", "gauss"), ("uniform", "uniform"), ("tiny", "uniform"), ("gauss", "uniform"),
)  # fmt: skip
PACKED = ("weight_ih", "weight_hh", "bias")  # those with a block of rows for each gate
# Up to so many columns a weight is as large as its fan-in allows, beyond them smaller: magnitudes that meet in one sum
# decide how far rounding may go, and how soon units saturate.
WIDE, FULL = 64, 16
LAYERS_DRAWN = 4
LARGEST = 2**26  # weights of a case, where it may have fewer layers
GAINS = (1.0, 1.0, 0.5, 1.0, 2.0, 1.0, 4.0, 1.5)
CONTRACTION = 0.75
MEMORIES = ("C",) * 12 + ("F", "strided", "negative", "read-only", "wide", "columns", "tall")
DIMENSIONS = ("input_size", "hidden_size", "num_layers", "batch", "steps")
EMPTIES = ("time", "batch", "length")
SHARED: dict[str, Any] = {"mode": 8, "gain": 1.0, "contract": True, "seed": 0, "levels": b"\x03"}
BIASES = ("two", "one", "no b_hn")
# Of each field of a form; few have one row, and without a state there is less to see.
CHANCES = (
    (False, False, True, False), (False, True), *(((False,) * 7 + (True,),) * 4), (*[""] * len(LENGTHS), *LENGTHS),
)  # fmt: skip


@dataclass(frozen=True)
class Allowed:
    """Which cases may be drawn; None leaves a choice open. See ``cases``."""

    cells: tuple[Any, ...] = ("RNN_TANH", "RNN_RELU")
    dtypes: tuple[str, ...] = ("float32",)
    min_layers: int = 1
    max_layers: int = LAYERS_DRAWN
    bidirectional: bool | None = None
    bias: bool | None = None
    biases: str = "two"
    projections: bool = False
    lengths: bool | None = None
    empty: Collection[str] = ()
    initial_state: bool = True
    network: str | None = None
    finite_padding: bool = False
    memory: bool = True
    min_steps: int = 0
    sizes: Mapping[str, Collection[int]] = field(default_factory=dict)
    forms: Collection[str] = ()
    shared_parameters: bool = False  # those of one configuration are the same in all cases
    bits: Mapping[str, int] = field(default_factory=dict)  # of exact integers, where a dtype has more

    def __post_init__(self) -> None:
        for argument, values in {"cells": self.cells, "dtypes": self.dtypes}.items():
            if not values:
                raise InvalidArgument(f"{argument} is empty")
        try:
            object.__setattr__(self, "cells", tuple(map(cell_of, self.cells)))
        except CellError as error:
            raise InvalidArgument(f"cells has {str(error).removeprefix('cell is ')}") from None
        for dtype in self.dtypes:
            require("dtypes", dtype, DTYPES)
        for empty in self.empty:
            require("empty", empty, EMPTIES)
        object.__setattr__(self, "sizes", checked_sizes(self.sizes))
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

    def from_block(self, block: bytes) -> Case:
        """The case that a block of bytes stands for."""
        return from_block(block, self)

    def calm_from_block(self, block: bytes) -> Case:
        """The case of a block, with small weights throughout."""
        return calm_from_block(block, self)

    def admits(self, case: Case) -> bool:
        """Whether a case, made smaller, is still one that may be drawn."""
        meant = self.taken_apart(case)[0]
        finite = bool(np.isfinite(meant.x if self.finite_padding else valid_steps(meant)).all())
        shares = not self.shared_parameters or self.network is not None or shares_parameters(meant, self)
        return finite and not self.lacks(meant) and shares and self.admits_network(meant)

    def taken_apart(self, case: Case) -> tuple[Case, Form]:
        """A case without the form in which it is asked, and this form; what is not drawn stays part of the case."""
        form = form_of(case).only(self.forms)
        return plain(case, form), form

    def lacks(self, case: Case) -> list[str]:
        """What a case needs that is not allowed, under the names of claims; empty if it fits."""
        c = case.config
        fits = {
            c.cell: c.cell in self.cells,
            c.dtype: c.dtype in self.dtypes,
            f"{c.num_layers} layers": self.min_layers <= c.num_layers <= self.max_layers,
            "bidirectional": self.bidirectional in (None, c.bidirectional),
            "no_bias": self.bias in (None, c.bias),
            "projections": self.projections or not c.proj_size,
            "lengths": self.lengths in (None, case.lengths is not None),
            f"{case.num_steps} steps": case.num_steps >= self.min_steps,
        }
        return [name for name, fit in fits.items() if not fit] + self.lacks_sizes(case)

    def lacks_sizes(self, case: Case) -> list[str]:
        """The sizes of a case that are not allowed, in words."""
        fits = {
            "empty.time": case.num_steps > 0 or "time" in self.empty,
            "empty.batch": case.num_rows > 0 or "batch" in self.empty,
            "empty.length": "length" in self.empty or not case.num_steps or 0 not in case.row_lengths,
            "these sizes": all(sizes_of(case)[name] in allowed for name, allowed in self.sizes.items()),
        }
        return [name for name, fit in fits.items() if not fit]

    def admits_kind(self, case: Case) -> bool:
        """Whether a case has the directions and biases that are allowed."""
        c = case.config
        return self.bidirectional in (None, c.bidirectional) and self.bias in (None, c.bias)

    def admits_network(self, case: Case) -> bool:
        """Whether a case, made smaller, is still a network of the kind that is drawn."""
        if case.config.cell == "RNN_RELU":  # which has no units that saturate: any network stands for an automaton
            return self.network not in ("integer", "linear") or representable(case, self.bits.get(case.config.dtype))
        kinds = {"linear": linear, "automaton": is_automaton}
        return self.network not in kinds or kinds[self.network](case)


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
    form: Form = PLAIN


def cases(
    *,
    cells: Collection[str | Cell] = ("RNN_TANH", "RNN_RELU"),
    dtypes: Collection[str] = ("float32",),
    min_layers: int = 1,
    max_layers: int | None = None,
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

    max_layers   None for 4, or for the largest number of layers in ``sizes``
    bidirectional, bias, lengths: True, False, or None for both
    empty        which sizes may be 0: any of "time", "batch", "length"
    projections  whether an LSTM may have proj_size > 0
    network      "dense"; "integer" (exact in every order with ReLU); "linear" (tanh is the identity);
                 "automaton" (saturated units); None for all
    memory       whether arrays may be Fortran-ordered, strided, reversed, cut out of larger ones or read-only
    sizes        allowed values of input_size, hidden_size, num_layers, batch and steps

    Shrinks towards one layer, one direction, one row, one step, one unit, and values 0 and 1.
    Raises InvalidArgument for a value that does not exist.
    """
    drawn = checked_sizes({} if sizes is None else sizes)
    layers = drawn.get("num_layers", ())
    if max_layers is None:
        max_layers = max((LAYERS_DRAWN, *layers))
    allowed = Allowed(
        cells=tuple(cells), dtypes=tuple(dtypes), min_layers=min_layers, max_layers=max_layers,
        bidirectional=bidirectional, bias=bias, lengths=lengths, empty=tuple(empty), projections=projections,
        network=network, memory=memory, sizes=drawn,
    )  # fmt: skip
    if not allowed.possible:
        bounds = f"from min_layers = {allowed.min_layers} to max_layers = {allowed.max_layers}"
        raise InvalidArgument(f"sizes['num_layers'] is {layers}, and none of them is {bounds}")
    return BLOCKS.map(lambda block: from_block(block, allowed))


def from_block(block: bytes, allowed: Allowed) -> Case:
    """The case that a block of bytes stands for, within what is allowed."""
    return build(decode(block), allowed)


def calm_from_block(block: bytes, allowed: Allowed) -> Case:
    """The case of a block, with small weights throughout, so that rounding explains little."""
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
        network=pick(("dense",) * 12 + tuple(NETWORKS)),
        mode=pick(range(len(MODES))),
        gain=pick(GAINS),
        contract=pick((True, True, True, False)),
        padding=pick(PADDINGS),
        memory=pick(MEMORIES),
        relay=pick(range(256)),
        seed=pick(range(256)),
        dtype=pick(range(256)),
        projection=pick((0, 1, 0, 2)),
        form=Form(*(pick(chances) for chances in CHANCES)),
        levels=block[20 + len(CHANCES) :],
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
    config, T, N = fit_sketch(sketch, allowed)
    lengths = fitted_lengths(sketch, allowed, T, N)
    x = np.zeros((T, N, config.input_size))
    case = Case(config, {}, x, lengths=lengths)
    network = network_of(sketch, allowed, config.cell)
    case = NETWORKS[network](fill_arrays(case, sketch, allowed, network), allowed.bits.get(config.dtype))
    case = padded(case, "garbage" if allowed.finite_padding and sketch.padding in UNBOUNDED else sketch.padding)
    case = relaid_case(case, sketch) if allowed.memory else case
    return sketch.form.only(allowed.forms).ask(case)


def network_of(sketch: Sketch, allowed: Allowed, cell: Cell) -> str:
    """The kind of network that a case becomes; with ReLU, linear ones are integers and nothing saturates."""
    network = allowed.network or ("dense" if allowed.shared_parameters else sketch.network)
    return {"linear": "integer", "automaton": "dense"}.get(network, network) if cell == "RNN_RELU" else network


def fit_sketch(sketch: Sketch, allowed: Allowed) -> tuple[Config, int, int]:
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
    N = nearest(N, allowed.choice("batch", 1))
    T = nearest(T, allowed.choice("steps", allowed.min_steps))
    bias = sketch.bias if allowed.bias is None else allowed.bias
    cell = allowed.cells[sketch.cell % len(allowed.cells)]
    L = fitted_layers(L, allowed, weights_of_layer(cell, D, H))
    dtype = allowed.dtypes[sketch.dtype % len(allowed.dtypes)]
    proj_size = (0, H - 1, (H + 1) // 2)[sketch.projection] if allowed.projections and cell.projects and H > 1 else 0
    return Config(cell, I, H, L, bidirectional, bias, proj_size=proj_size, dtype=dtype), T, N


def fitted_layers(L: int, allowed: Allowed, weights: int) -> int:
    """An allowed number of layers of so many weights; where there is a choice, one that does not fill the memory."""
    choices = allowed.choice("num_layers", allowed.min_layers, allowed.max_layers)
    L = nearest(L, choices)
    if L * weights <= LARGEST or not choices:
        return L
    return max((count for count in choices if count * weights <= LARGEST), default=min(choices))


def weights_of_layer(cell: Cell, D: int, H: int) -> int:
    """How many weights the directions of one layer have that reads another."""
    return D * (D + 1) * len(cell.gates) * H * H


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


def fill_arrays(case: Case, sketch: Sketch, allowed: Allowed, network: str) -> Case:
    """The case with numbers in all its arrays, rounded to its dtype."""
    config = case.config
    states, parameters = state_shapes(case), parameter_shapes(config)
    shared = replace(sketch, **SHARED) if allowed.shared_parameters else sketch
    arrays: dict[str, Any] = {}
    for salt, (name, shape) in enumerate({**states, **parameters}.items()):
        own = shared if name in parameters else sketch
        table = MODES[own.mode][name.startswith(("weight", "bias"))]
        if table == "saturating" and config.dtype in ("float16", "bfloat16"):
            table = "gauss"
        array = cut(
            table, own.levels[salt % len(own.levels)], own.seed, salt, shape.sizes,
            gates=len(config.cell.packing(kind_of(name))) or 1 if name.startswith(PACKED) else 1, dtype=config.dtype,
            scale=scale(own, name, shape.sizes[-1]) if network == "dense" else 1.0,
        )  # fmt: skip
        if name.startswith("weight_hh") and own.contract and config.num_layers > 1 and network == "dense":
            array = contractive(array)
        if name.startswith("bias_hh") and allowed.biases != "two":
            array *= own_hidden_biases(config, allowed.biases)
        arrays[name] = array
    if not allowed.initial_state:
        arrays |= {"h_0": None, "c_0": None}
    elif sketch.form.no_state and "no_state" in allowed.forms:
        arrays |= {name: np.zeros_like(arrays[name]) for name in ("h_0", "c_0") if name in arrays}
    given = {name: arrays.pop(name, None) for name in ("x", "h_0", "c_0")}
    return case.replace(parameters=arrays, **given)


def shares_parameters(case: Case, allowed: Allowed) -> bool:
    """Whether the parameters of a case are those that all cases of its configuration share."""
    shared = fill_arrays(case, Sketch(), replace(allowed, shared_parameters=True), "dense").parameters
    return shared.keys() == case.parameters.keys() and all(
        np.array_equal(shared[name], array) for name, array in case.parameters.items()
    )


def scale(sketch: Sketch, name: str, columns: int) -> float:
    """What the numbers of an array are multiplied by: weights by less where a row has many."""
    inputs, weights = MODES[sketch.mode]
    if name.startswith("bias"):
        return 2.0**-40 if inputs == "tiny" else 1.0
    if not name.startswith("weight"):
        return 1.0
    if weights in ("uniform", "gauss"):
        return sketch.gain / math.sqrt(columns) * min(1.0, math.sqrt(WIDE / columns))
    return 2.0 ** min(0, math.floor(math.log2(FULL / columns)))


def own_hidden_biases(config: Config, biases: str) -> np.ndarray:
    """(G*H,) 1 where bias_hh has a number of its own, 0 where one bias holds all there is."""
    own = config.cell.packing("bias_hh")
    kept = {"two": own, "one": "", "no b_hn": own.replace("n", "")}[biases]
    return np.repeat([float(gate in kept) for gate in own], config.hidden_size)


def contractive(W: np.ndarray) -> np.ndarray:
    """The matrix scaled down by a power of two, so that the balls of a stacked layer stay narrow."""
    most = reach(W)
    return W if most <= CONTRACTION else W * 2.0 ** -math.ceil(math.log2(most / CONTRACTION))


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


def checked_sizes(sizes: Any) -> dict[str, tuple[int, ...]]:
    """The allowed sizes of each dimension; raises InvalidArgument unless they are positive integers.

    Where steps and rows are said, 0 may be among them.
    """
    if not isinstance(sizes, Mapping):
        raise InvalidArgument(f"sizes is {sizes!r}, must be a dict from {', '.join(DIMENSIONS)} to allowed sizes")
    for dimension, chosen in sizes.items():
        require("sizes", dimension, DIMENSIONS)
        several = isinstance(chosen, Collection) and not isinstance(chosen, str | bytes | Mapping)
        least = 0 if dimension in ("steps", "batch") else 1
        if not several or not len(chosen) or not all(is_size(size, least) for size in chosen):
            raise InvalidArgument(f"sizes[{dimension!r}] is {chosen!r}, must be a sequence of positive integers")
    return {dimension: tuple(map(int, chosen)) for dimension, chosen in sizes.items()}


def is_size(value: Any, least: int) -> bool:
    """Whether a value is an integer of at least this size, of Python or of NumPy."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)


def require(argument: str, value: str, known: Collection[str]) -> None:
    """Raises InvalidArgument unless the value is one of the known ones."""
    if value not in known:
        raise InvalidArgument(f"{argument} has {value!r}, must be of {', '.join(known)}")
