"""A cell is its equations: what the gates read, which parameters there are and of what shape follows from one function.

    @cell("fn")                                   # its gates, in the order in which they are packed
    def mgu(x, h, p):
        f = sigmoid(p.f(x, h))                    # W_if x + b_if + W_hf h + b_hf
        n = tanh(p.n(x, f * h))
        return mix(f, h, n)

A step takes x (N, I), the states (N, H) and the parameters of one layer and direction, and returns the new states; the
first is the output. It is written in ``functions`` and in sums and products, so that the same text runs on float64
arrays, on complex arrays, on balls and backwards.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import inspect
import linecache
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from functools import cache, cached_property
from importlib.abc import SourceLoader
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import functions
from .bounds.arithmetic import arithmetic
from .bounds.ball import Ball, exact
from .cell_source.source_hash import digest
from .cell_source.user_code import CellError as CellError
from .cell_source.user_code import described, frames_of, line_at, line_of, running, try_elsewhere
from .functions import Number, affine, affine_peephole, clip, hard_sigmoid, linear, relu, sigmoid, softsign, tanh

ACTIVATIONS: dict[str, Callable] = {
    "tanh": tanh, "relu": relu, "sigmoid": sigmoid, "hard_sigmoid": hard_sigmoid, "softsign": softsign
}  # fmt: skip
STATES = ("h", "c")
RESERVED = ("arrays", "cell", "projected")
READS = {"weight_ih": "x", "weight_hh": "h", "bias_ih": "x", "bias_hh": "h", "weight_ch": "c"}  # by their gates
DEEPEST = 150  # levels of a step's syntax tree; what works on it takes several calls for each
KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr", "weight_ch")


class Gate(NamedTuple):
    """The parameters of one gate: H rows of all that it reads."""

    W_ih: Any
    W_hh: Any
    b_ih: Any
    b_hh: Any
    w_ch: Any = None

    def __call__(self, x: Any, h: Any, c: Any = None) -> Any:
        """W_ih x + b_ih + W_hh h + b_hh, and w_ch c if it has a peephole to c."""
        if c is None or self.w_ch is None:
            return affine(x, self.W_ih, h, self.W_hh, self.b_ih, self.b_hh)
        return affine_peephole(x, self.W_ih, h, self.W_hh, self.b_ih, self.b_hh, self.w_ch, c)

    def input(self, x: Any) -> Any:
        """W_ih x + b_ih."""
        return linear(x, self.W_ih, self.b_ih)

    def recurrent(self, h: Any) -> Any:
        """W_hh h + b_hh."""
        return linear(h, self.W_hh, self.b_hh)


class Parameters:
    """The parameters of one layer and direction, as a step reads them: gates by their letters, vectors by their names.

    arrays  by kind: weight_ih (G*H, I), weight_hh (G*H, H), bias_ih and bias_hh (G*H,), and where there are any
            weight_hr (P, H), weight_ch (3*H,) and the vectors of the cell (H,)
    """

    def __init__(self, cell: Cell, arrays: Mapping[str, Any]) -> None:
        self.cell = cell
        self.arrays = arrays
        self.__dict__.update(zip(cell.gates, by_gate(self)))
        self.__dict__.update((name, arrays[name]) for name in cell.vectors)

    def map(self, change: Callable[[Any], Any]) -> Parameters:
        """The same with ``change(array)`` in place of every array."""
        return Parameters(self.cell, {kind: change(array) for kind, array in self.arrays.items()})

    def replace(self, **arrays: Any) -> Parameters:
        """The same with other arrays of some kinds."""
        return Parameters(self.cell, {**self.arrays, **arrays})

    def beside(self, state: Any) -> Parameters:
        """The same with its vectors as numbers of the kind of a state (N, H): so functions of them are such, too."""
        if not self.cell.vectors or not isinstance(state, Number):
            return self
        found = copy(self)
        found.__dict__.update((name, state.lift(self.arrays[name])) for name in self.cell.vectors)
        return found

    def projected(self, h: Any) -> Any:
        """W_hr h, of size P, where there are projections, else h."""
        W_hr = self.arrays.get("weight_hr")
        return h if W_hr is None else linear(h, W_hr, 0.0)


def by_gate(p: Parameters) -> list[Gate]:
    """The parameters of each gate of a cell, in the order in which they are packed."""
    W_ih = unpacked(p, "weight_ih")
    W_hh = unpacked(p, "weight_hh")
    b_ih = unpacked(p, "bias_ih")
    b_hh = unpacked(p, "bias_hh")
    w_ch = unpacked(p, "weight_ch")
    return [Gate(W_ih.get(g), W_hh.get(g), b_ih.get(g), b_hh.get(g), w_ch.get(g)) for g in p.cell.gates]


def unpacked(p: Parameters, kind: str) -> dict[str, Any]:
    """H rows of an array for each gate that is packed in it; none if there is no such array."""
    array, gates = p.arrays.get(kind), p.cell.packing(kind)
    return {} if array is None or not gates else dict(zip(gates, array.reshape(len(gates), -1, *array.shape[1:])))


class Cell(str):
    """A cell: a string, its name in ``Config.cell``, with its equations.

    gates     a letter for each, in the order in which they are packed;  states: of STATES
    step      the function; None of an outline;  vectors: names of further parameters, each (H,)
    holds     for each gate what it is the activation of, so that the cell keeps most of its state
    passes    the same, so that the cell gives what its candidate reads, through an activation that is linear around 0;
              of the gates that it does not name the last one is the candidate
    """

    gates: str
    states: tuple[str, ...]
    step: Callable
    vectors: tuple[str, ...]
    holds: Mapping[str, float] | None
    passes: Mapping[str, float] | None

    # Which gates read x, h and c, in packed order; those read as a whole sum only; whether h goes through W_hr.
    reads: Mapping[str, str]
    sums: str
    projects: bool

    # Of an outline, which cannot be run: where its text was when it was saved, and its equations, to be printed.
    origin: Mapping[str, str] | None = None
    equations = ""

    def __new__(cls, step: Callable, gates: str, **facts: Any) -> Cell:
        """A cell from its step; raises CellError if it cannot be run."""
        self = super().__new__(cls, name_of(step))
        self.step, self.gates = step, gates
        self.states = tuple(facts.pop("states", "h"))
        self.vectors = tuple(facts.pop("vectors", ()))
        self.holds, self.passes = facts.pop("holds", None), facts.pop("passes", None)
        if facts:
            known = "states, vectors, holds, passes"
            raise CellError(f"{self}: a cell has no {', '.join(facts)}; what can be said of it is {known}")
        check(self)
        probe(self)
        return self

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Cell) and (code_of(self), self.origin) != (code_of(other), other.origin):
            return False
        return str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __reduce__(self) -> tuple:
        """A cell crosses to another process by name, or as file, name and hash of the text: never as code."""
        if self.origin is not None:
            return outline, (self.origin, self.outline, self.equations)
        if self.own:
            return loaded, tuple(self.crossing.values())
        return of_module, (self.step.__module__, self.step.__name__)

    def packing(self, kind: str) -> str:
        """The gates whose rows are packed in an array, by its kind; none for what is no array of gates."""
        return self.reads[READS[kind]] if kind in READS else ""

    @cached_property
    def activations(self) -> tuple[str, ...]:
        """The names of its usual activations, where they can be chosen."""
        return tuple(usual.__name__ for usual in self.choices.values())

    @cached_property
    def choices(self) -> dict[str, Callable]:
        """The arguments of its step that are activations, with the usual ones: their defaults."""
        given = inspect.signature(self.step).parameters.values()
        return {p.name: p.default for p in given if p.default in ACTIVATIONS.values()}

    @cached_property
    def couples(self) -> bool:
        """Whether its gates can be coupled."""
        return "coupled_gates" in inspect.signature(self.step).parameters

    @cached_property
    def apart(self) -> bool:
        """Whether a unit that nothing feeds and nothing reads stays zero, and the others do not notice it."""
        more = example(self, UNITS + 1, idle=1)
        return alike([state[:, :-1] for state in more], example(self, UNITS)) and not any(s[:, -1].any() for s in more)

    @cached_property
    def exchangeable(self) -> bool:
        """Whether its units may be numbered in another order."""
        turned = example(self, UNITS, order=ORDER)
        return alike(turned, [state[:, ORDER] for state in example(self, UNITS)])

    @cached_property
    def linear(self) -> bool:
        """Whether each unit's new state is linear in its own state, and reads no other's: what a scan can compute."""
        still = example(self, UNITS)
        first = example(self, UNITS, moved=[WAY * (WAY[0] == WAY)] * len(self.states))
        if not alike([state[:, 1:] for state in first], [state[:, 1:] for state in still]):
            return False
        for size in SIZES:  # some kinks are far away
            ways = [size * WAY, -3 * size * WAY[::-1]][: len(self.states)]
            ahead, behind = (example(self, UNITS, moved=[sign * way for way in ways]) for sign in (1, -1))
            if not alike([(a + b) / size for a, b in zip(ahead, behind)], [2 * state / size for state in still]):
                return False
        return True

    @cached_property
    def candidate(self) -> str:
        """The gate that ``passes`` lets through: the last that it does not name."""
        return [gate for gate in self.gates if gate not in (self.passes or ())][-1]

    @property
    def place(self) -> str:
        """The file that its step stands in; raises CellError if there is none."""
        file = self.step.__code__.co_filename
        if not Path(file).is_file():
            raise CellError(
                f"{self} stands in no file ({file}); put it into a file of its own, spec.py, to use it here"
            )
        return str(Path(file).resolve())

    @cached_property
    def own(self) -> bool:
        """Whether it is somebody's own, and none of this package."""
        return self.origin is not None or not (self.step.__module__ or "").startswith(f"{__package__}.")

    @property
    def outline(self) -> dict[str, Any]:
        """What is known of it besides its equations, as plain data: of which shapes its parameters and states are."""
        return {
            "gates": self.gates, "states": "".join(self.states), "vectors": list(self.vectors),
            "reads": dict(self.reads), "projects": self.projects, "activations": list(self.activations),
            "couples": self.couples,
        }  # fmt: skip

    @property
    def crossing(self) -> Any:
        """What stands for it outside this process: its name, or of one's own cell file, name and hash, never code."""
        if self.origin is not None:
            return dict(self.origin)
        return {"file": self.place, "name": self.step.__name__, "sha256": self.digest} if self.own else str(self)

    @cached_property
    def text(self) -> str:
        """The text of that file, as it was when this was first asked for: when the cell was loaded."""
        return text_of(self.place)

    @cached_property
    def digest(self) -> str:
        """The hash of its own text in that file."""
        return digest(self.text, self.step.__name__)

    def run(self, x: Any, state: tuple, p: Parameters, options: Mapping[str, Any]) -> tuple:
        """The states after one step."""
        new = run_step(self, self.step, x, *state, p.beside(state[-1]), **options)
        return new if len(self.states) > 1 else (new,)


def name_of(step: Any) -> str:
    """The name of a cell with this step; raises CellError if that is no function with a name."""
    if not inspect.isfunction(step):
        raise CellError(f"the step of a cell is a {type(step).__name__}, must be a function that is written with def")
    if not step.__name__.isidentifier():
        place = line_at(step.__code__.co_filename, step.__code__.co_firstlineno)
        raise CellError(f"{place}: the step of a cell is a lambda, must be a function that is written with def")
    return step.__name__.upper()


def run_step(own: Cell, step: Callable, *arguments: Any, **options: Any) -> Any:
    """What the step of a cell returns, or one that was made of its text.

    Raises CellError for whatever the code of a user's own cell raises.
    """
    if not own.own:
        return step(*arguments, **options)
    with running(own.step.__code__.co_filename, lambda error: f"{own}: {failing(own, error)}"):
        return step(*arguments, **options)


def failing(own: Cell, error: BaseException) -> str:
    """The line of a step in which an error came up, and what the matter is."""
    code = own.step.__code__
    line = line_of(error, code.co_filename, code.co_firstlineno)
    return f"{line}: {elsewhere(own, error) or described(error)}"


def outline(origin: Mapping[str, str], facts: Mapping[str, Any], equations: str) -> Cell:
    """A cell of which there is no step: a case of it can be read, and its equations printed; nothing is imported.

    origin  file, name and hash, as its ``crossing`` was;  facts  its ``outline``

    Raises CellError for facts that do not fit each other.
    """
    found = str.__new__(Cell, origin["name"].upper())
    found.step, found.origin, found.equations = None, dict(origin), equations  # type: ignore[assignment]
    found.gates, found.states, found.vectors = facts["gates"], tuple(facts["states"]), tuple(facts["vectors"])
    found.reads, found.sums, found.projects = dict(facts["reads"]), "", facts["projects"]
    found.holds = found.passes = None
    found.activations, found.couples = tuple(facts["activations"]), facts["couples"]
    check_names(found)
    if set(found.reads) != {"x", "h", "c"} or not set("".join(found.reads.values())) <= set(found.gates):
        raise CellError(f"{found}: reads is {found.reads!r}, must name gates of {found.gates}")
    return found


def code_of(own: Cell) -> Any:
    """The code of a step; None where there is none."""
    return getattr(own.step, "__code__", None)


def cell(gates: str, **facts: Any) -> Callable[[Callable], Cell]:
    """Makes a cell of its step: ``step(x, h, p)``, or ``step(x, h, c, p)`` with ``states="hc"``.

    gates  a letter for each gate, in the order in which they are packed; facts: the others of ``Cell``

    Raises CellError if the step uses what there is not, or cannot be run on balls.

    >>> from reference_rnn import cell, sigmoid, tanh, mix
    >>> @cell("fn")
    ... def mgu(x, h, p):
    ...     f = sigmoid(p.f(x, h))
    ...     n = tanh(p.n(x, f * h))
    ...     return mix(f, h, n)
    >>> mgu, mgu.gates, mgu.states
    ('MGU', 'fn', ('h',))
    """
    return lambda step: Cell(step, gates, **facts)


def options_of(config: Any) -> dict[str, Any]:
    """What the options of ONNX' operators say about a step: its activations, and whether its gates are coupled."""
    if not config.has_options:
        return {}
    names = config.activations or config.cell.activations
    chosen = {k: Bounded(ACTIVATIONS[name], config.clip) for k, name in zip(config.cell.choices, names)}
    return chosen | ({"coupled_gates": config.coupled_gates} if config.cell.couples else {})


class Bounded(NamedTuple):
    """An activation of what is cut off at both ends; a bound of 0 is none."""

    activation: Callable
    bound: float

    def __call__(self, z: Any) -> Any:
        """The activation of z."""
        return self.activation(clip(z, self.bound) if self.bound else z)


def of_module(module: str, name: str) -> Cell:
    """The cell of this name in a module of this package."""
    return getattr(importlib.import_module(module), name)


def text_of(file: str) -> str:
    """The text of a file, every byte of it."""
    return Path(file).read_bytes().decode(errors="surrogateescape")


LOADED: dict[tuple[str, str], Cell] = {}  # by the hash of the cell's text and the name of the step


def claimed(own: Cell) -> Cell:
    """The cell, known from now on in this process by hash and name; raises CellError if it stands in no file."""
    if own.own:
        LOADED[own.digest, own.step.__name__] = own
    return own


def known(sha256: str, name: str) -> Cell:
    """A cell that has been loaded, by hash and name; raises CellError. Nothing is imported here."""
    if (sha256, name) not in LOADED:
        raise CellError(f"no cell {name!r} of the hash {sha256} is claimed here: its text has changed, or is another")
    return LOADED[sha256, name]


def loaded(file: str, name: str, sha256: str = "", lost: bool = True) -> Cell:
    """The cell of this name in a file, which is imported, once for each text that it has; raises CellError.

    sha256  what the hash of its text must be, if it is known
    lost    whether this process may end by its code; else another one tries that first
    """
    text = text_of(file)
    now = digest(text, name)
    if sha256 and now != sha256:
        raise CellError(f"{name} in {file} has changed: its text has another hash than {sha256}")
    before = LOADED.get((now, name))
    # perhaps a script that is running, and must not be run once more; lines that move are read anew
    if before is not None and before.place == file and before.text == text:
        return before
    if not lost:
        try_elsewhere(file, name)
    module = module_of(file, text)
    found = vars(module).get(name)
    if inspect.isfunction(found):
        raise CellError(
            f"{file} has no cell {name!r}: {name} is a plain function, put @cell(...) or @recurrence(...) above it"
        )
    if not isinstance(found, Cell):
        raise CellError(f"{file} has no cell {name!r}; it has {', '.join(cells_in(file)) or 'none'}")
    return claimed(found)


def cells_in(file: str) -> list[str]:
    """The names of the cells in a file; raises CellError where it cannot be imported."""
    return [name for name, value in vars(module_of(file, text_of(file))).items() if isinstance(value, Cell)]


@cache
def module_of(file: str, text: str) -> Any:
    """A file as a module, imported once; its folder is on the path meanwhile. Raises CellError."""
    path, data = Path(file), text.encode(errors="surrogateescape")
    name = f"cells_of_{path.stem}_{hashlib.sha256(data).hexdigest()[:16]}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or not isinstance(spec.loader, SourceLoader):
        raise CellError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        with running(file, lambda error: unimported(file, error)):
            # not the bytecode beside it: a file that is edited within a second, and is as long as before, is another
            exec(spec.loader.source_to_code(data, file), vars(module))
    finally:
        with suppress(ValueError):  # its code may have changed the path
            sys.path.remove(str(path.parent))
    return module


def unimported(file: str, error: BaseException) -> str:
    """Why a file cannot be imported, and which of its lines raised that, if one did."""
    line = f" ({line_of(error, file)})" if frames_of(error, file) else ""
    return f"{file} cannot be imported: {described(error)}{line}"


def check(own: Cell) -> None:
    """Raises CellError unless gates, states, vectors and the function's arguments fit each other."""
    check_names(own)
    signature = inspect.signature(own.step).parameters.values()
    arguments = [p.name for p in signature if p.default is inspect.Parameter.empty]
    if len(arguments) != 2 + len(own.states):
        wanted = ", ".join(("x", *own.states, "p"))
        raise CellError(f"{own}: its step takes {', '.join(arguments)}, must take {wanted}")
    if own.own:
        check_depth(own)


def check_depth(own: Cell) -> None:
    """Raises CellError if a line of a step is nested so deep that its text cannot be worked on."""
    try:
        lines, first = inspect.getsourcelines(own.step)
        level: list[ast.AST] = [ast.parse(textwrap.dedent("".join(lines)))]
    except (OSError, TypeError, SyntaxError):  # typed into an interpreter, say
        return
    depth, number = 0, 1
    while level:
        depth, number = depth + 1, getattr(level[0], "lineno", number)
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if depth > DEEPEST:
        place = line_at(own.step.__code__.co_filename, max(first, 1) + number - 1)
        raise CellError(f"{own}: {place} is nested {depth} deep, must be at most {DEEPEST}: give parts of it names")


def check_names(own: Cell) -> None:
    """Raises CellError unless gates, states and vectors fit each other."""
    if not own.gates or not all(gate.isalpha() and gate.islower() for gate in own.gates):
        raise CellError(f"{own}: gates is {own.gates!r}, must be a lower-case letter for each gate")
    if len(set(own.gates)) < len(own.gates):
        raise CellError(f"{own}: gates is {own.gates!r}, each letter must be another one")
    if not own.states or len(own.states) > len(STATES):
        raise CellError(f"{own}: states is {own.states!r}, must be one or two: there is room for h_0 and c_0")
    for name in own.vectors:
        if not name.isidentifier() or name in (*RESERVED, *KINDS, *own.gates):
            raise CellError(f"{own}: a vector cannot be called {name!r}: that is taken, or no name")


class Probe:
    """Parameters of ones that remember which half of which gate was read."""

    def __init__(self, own: Cell) -> None:
        self.own = own
        self.reads: dict[str, set[str]] = {"x": set(), "h": set(), "c": set(), "halves": set()}
        self.projects = False

    def __getattr__(self, name: str) -> Any:
        if name in self.own.gates:
            return ProbeGate(name, self.reads)
        if name in self.own.vectors:
            return exact(bias(), arithmetic("float32"))
        known = [*self.own.gates, *self.own.vectors]
        raise AttributeError(f"there is no p.{name}; there are {', '.join('p.' + own for own in known)}")

    def projected(self, h: Any) -> Any:
        """h itself; that it could be projected is remembered."""
        self.projects = True
        return h


ROWS, INPUTS, UNITS = 2, 3, 5


class ProbeGate:
    """A gate of ones."""

    def __init__(self, letter: str, reads: dict[str, set[str]]) -> None:
        self.letter = letter
        self.reads = reads

    def __call__(self, x: Any, h: Any, c: Any = None) -> Any:
        """The whole sum."""
        if c is not None:
            self.reads["c"].add(self.letter)
        self.reads["x"].add(self.letter)
        self.reads["h"].add(self.letter)
        return affine(x, weight(INPUTS), h, weight(UNITS), bias(), bias())

    def input(self, x: Any) -> Any:
        """The half that reads x."""
        self.reads["halves"].add(self.letter)
        self.reads["x"].add(self.letter)
        return linear(x, weight(INPUTS), bias())

    def recurrent(self, h: Any) -> Any:
        """The half that reads the state."""
        self.reads["halves"].add(self.letter)
        self.reads["h"].add(self.letter)
        return linear(h, weight(UNITS), bias())


def weight(columns: int) -> np.ndarray:
    """(UNITS, columns) numbers for a probe."""
    return np.full((UNITS, columns), 0.25)


def bias() -> np.ndarray:
    """(UNITS,) numbers for a probe."""
    return np.full(UNITS, 0.5)


def probe(own: Cell) -> None:
    """Runs the step once on balls, and keeps what it read; raises CellError if that cannot be."""
    p, a = Probe(own), arithmetic("float32")
    numbers = [exact(np.full((ROWS, size), 0.5), a) for size in (INPUTS, *[UNITS] * len(own.states))]
    try:
        with np.errstate(all="ignore"):
            new = run_step(own, own.step, *numbers, p)
    except CellError as error:
        widths = WIDTHS if isinstance(error.__cause__, ValueError) else ""  # which is what NumPy raises of shapes
        raise CellError(f"{error}; {REMEDY}{widths}") from error.__cause__
    states = new if isinstance(new, tuple) else (new,)
    if len(states) != len(own.states):
        raise CellError(f"{own}: its step returns {len(states)} states, must return {' and '.join(own.states)}")
    for name, state in zip(own.states, states):
        if not isinstance(state, Ball):
            raise CellError(f"{own}: its step returns {name} as {type(state).__name__}; {REMEDY}")
        if state.shape != (ROWS, UNITS):
            raise CellError(f"{own}: its step returns {name} of shape {state.shape}, must be {(ROWS, UNITS)} = (N, H)")
    own.reads = {name: "".join(gate for gate in own.gates if gate in p.reads[name]) for name in ("x", "h", "c")}
    own.sums = "".join(gate for gate in own.gates if gate not in p.reads["halves"])
    own.projects = p.projects
    unread = [g for g in own.gates if g not in own.reads["x"] + own.reads["h"]]
    if own.reads["c"] and not own.choices:
        gate = own.reads["c"][0]
        raise CellError(f"{own}: p.{gate} reads c only as an option of ONNX' operators; a vector reads it: p.w * c")
    if unread:
        raise CellError(f"{own}: its step never reads {', '.join('p.' + g for g in unread)}: leave it out of its gates")


ORDER = [3, 0, 4, 2, 1]
WAY = np.array([1.0, -4.0, 3.0, 9.0, -2.0])
SIZES = (0.01, 1.0, 30.0, 1000.0)


def example(
    own: Cell, units: int, idle: int = 0, order: Sequence[int] = (), moved: Sequence[Any] = (0.0, 0.0)
) -> tuple:
    """The states after a step of some numbers; the last units idle, all in another order, or the states moved."""
    generator = np.random.default_rng(7)
    used, order = units - idle, list(order) or list(range(units))

    def numbers(*shape: int) -> np.ndarray:
        return generator.standard_normal(shape)

    def rows(array: np.ndarray) -> np.ndarray:
        return np.concatenate([array, np.zeros((idle, *array.shape[1:]))])[order]

    arrays = {}
    for kind in ("weight_ih", "bias_ih", "bias_hh", "weight_hh"):
        columns = {"weight_ih": (INPUTS,), "weight_hh": (used,)}.get(kind, ())
        blocks = [rows(numbers(used, *columns)) for _ in own.packing(kind)]
        if kind == "weight_hh":
            blocks = [rows(block.T).T for block in blocks]
        if blocks:
            arrays[kind] = np.concatenate(blocks)
    arrays |= {name: rows(numbers(used)) for name in own.vectors}
    x, *states = numbers(ROWS, INPUTS), *(rows(numbers(used, ROWS)).T + way for _, way in zip(own.states, moved))
    with np.errstate(all="ignore"):
        return own.run(x, tuple(states), Parameters(own, arrays), {})


def alike(one: Iterable, other: Iterable) -> bool:
    """Whether two lists of arrays hold the same numbers, but for rounding."""
    return all(np.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True) for a, b in zip(one, other))


WIDTHS = (
    f"; here x is {(ROWS, INPUTS)} = (N, I) and h is {(ROWS, UNITS)} = (N, H); what adds x without weights, or has "
    "gates that are not H wide, is no cell but a recurrence: see reference_rnn.recurrence"
)
REMEDY = "a step is written in the functions of reference_rnn (tanh, sigmoid, mix ...), +, -, * and /"


def elsewhere(own: Cell, error: BaseException) -> str:
    """Says that the call that failed is of another package's function, where there is one here; empty if it is not."""
    file = own.step.__code__.co_filename
    places = [(at.lineno, at.colno, at.end_lineno, at.end_colno) for at in frames_of(error, file)]
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError, MemoryError, RecursionError):  # the file has changed meanwhile
        return ""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset) in places[-1:]:
            called = named(node.func, own.step.__globals__)
            name = getattr(called, "__name__", "")
            if name in vars(functions) and called is not vars(functions)[name]:
                return f"{ast.unparse(node.func)} cannot be used here; import {name} from {__package__}"
    return ""


def named(function: ast.expr, space: Mapping[str, Any]) -> Any:
    """What a name in the text, with dots or without, stands for; None where that is not known."""
    if isinstance(function, ast.Name):
        return space.get(function.id)
    if isinstance(function, ast.Attribute):
        return getattr(named(function.value, space), function.attr, None)
    return None


def kinds_of(own: Cell, bias: bool, projected: bool, peepholes: bool) -> Iterator[str]:
    """The kinds of its arrays, in PyTorch's order."""
    yield from (kind for kind in ("weight_ih", "weight_hh") if own.packing(kind))
    if bias:
        yield from (kind for kind in ("bias_ih", "bias_hh") if own.packing(kind))
    if projected:
        yield "weight_hr"
    if peepholes and own.packing("weight_ch"):
        yield "weight_ch"
    yield from own.vectors
