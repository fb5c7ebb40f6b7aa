"""A fault is one deliberate mistake in the reference: a patch of a named function, or of the equations of a cell.

A faulty reference is made of copies of the reference's functions that call each other, the patched ones compiled
from their patched text. So it costs a fraction of a millisecond, the real reference stays as it is, and patches
of different lines compose. It runs on arrays only.

A mistake in gradients is a patch of the forward text too, where ``passed_back`` leaves a number as it is and hands
back something else.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from reference_rnn import CELLS, Cell, Config, layers
from reference_rnn.autodiff.tape import Traced, Weight
from reference_rnn.cell import Parameters, run_step
from reference_rnn.equations import written_out
from reference_rnn.functions import linear, select

from .parts import DIRECTIONS, LAYERS, STEPS, Share, Turn

# In the order in which they import each other.
MODULES = tuple(
    importlib.import_module(f"reference_rnn.{name}") for name in ("functions", "cell", "layers", "gradients")
)


class PatchError(ValueError):
    """A patch does not fit the text of the reference."""


@dataclass(frozen=True)
class Fault:
    """One mistake.

    id           a short name;  title  the mistake as its maker would say it
    fault_class  the id of its class in ``CLASSES``
    function     the function of the reference, or the equations of a cell (see ``equations_of``), that are patched:
                 ``old`` becomes ``new``; for a cell that is not of the kit, the cell itself
    killed_by    properties, each of which must reject it
    seen         where it really happened
    hint         the title without what is right, where the title says that
    within       the part of a network in which it is made, a name or a share (see ``parts``); empty: everywhere

    Two that make the same change are equal, whatever they are called.
    """

    id: str = field(compare=False)
    title: str = field(compare=False)
    fault_class: str = field(compare=False)
    function: str | Cell
    old: str
    new: str
    killed_by: tuple[str, ...] = field(compare=False)
    seen: tuple[str, ...] = field(default=(), compare=False)
    hint: str = field(default="", compare=False)
    within: str | Share = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells that can show the mistake."""
        cell = place_of(self.function).cell
        return CELLS if cell is None else (cell,)

    def about(self, cell: Cell) -> bool:
        """Whether a cell can show the mistake."""
        return place_of(self.function).cell in (None, cell)

    @property
    def backward_only(self) -> bool:
        """Whether only gradients show the mistake: it is made where they are, or in what is passed back."""
        made_of_gradients = place_of(self.function).module is MODULES[-1]
        return made_of_gradients or passed_back.__name__ in names(compiled(patched_source((self,))))

    @cached_property
    def stateful(self) -> bool:
        """Whether it depends on the calls before: it keeps something on a function, as nothing else here does."""
        return "__dict__" in names(compiled(patched_source((self,))))

    def patch(self) -> str:
        """The change as a diff."""
        lines = difflib.unified_diff(self.old.splitlines(), self.new.splitlines(), lineterm="", n=0)
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


class Place(NamedTuple):
    """What can be patched: its text, and the module of a function, or the cell of equations."""

    source: str
    module: ModuleType | None = None
    cell: Cell | None = None
    options: bool = False


@lru_cache(maxsize=1)
def places() -> dict[str, Place]:
    """Whatever of the reference can be patched, by name."""
    found = {}
    for module in MODULES:
        text = Path(inspect.getfile(module)).read_text()
        lines = text.splitlines()
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef):
                found[node.name] = Place("\n".join(lines[node.lineno - 1 : node.end_lineno]), module)
    for cell in CELLS:
        for options in (False, True):
            found[equations_of(cell, options)] = Place(written_out(cell, options), None, cell, options)
    return found


def equations_of(cell: Cell, options: bool = False) -> str:
    """The name of the equations of a cell, for a configuration with options of ONNX' operators or without."""
    return cell.step.__name__ + " with options" * options


def place_of(function: str | Cell) -> Place:
    """What a fault patches; raises PatchError if it does not exist."""
    if isinstance(function, Cell):
        return Place(written_out(function), cell=function)
    if function not in places():
        raise PatchError(f"the reference has no function {function!r}")
    return places()[function]


def patched_source(faults: Sequence[Fault]) -> str:
    """The text of what some faults patch, all the same, with their patches; raises PatchError if one does not fit."""
    text = place_of(faults[0].function).source
    for fault in faults:
        if text.count(fault.old) != 1:
            raise PatchError(f"{fault.id}: {fault.old!r} occurs {text.count(fault.old)} times in {fault.function}")
        text = text.replace(fault.old, fault.new)
    return text


@lru_cache(maxsize=4096)
def compiled(text: str) -> CodeType:
    """The code of a text; raises PatchError if it is no Python, as where patches do not fit each other."""
    try:
        return compile(text, "<a function with a fault>", "exec")
    except SyntaxError as error:
        raise PatchError(f"patches do not fit each other: {error.msg} in {text}") from None


def names(code: CodeType) -> set[str]:
    """The names that some code looks up, and the functions in it."""
    inner = (names(constant) for constant in code.co_consts if isinstance(constant, CodeType))
    return set(code.co_names).union(*inner)


def passed_back(number: Any, *ways: tuple[Any, Callable[[Any], Any]]) -> Any:
    """The number; on a tape, what is handed back to it goes on to each operand as its way says, and nowhere else.

    Without ways nothing goes on; a weight then is one that nobody asks for its gradient.
    """
    if isinstance(number, Weight):
        return Weight(number.value)
    if not isinstance(number, Traced):
        return number

    def back(d: Any) -> None:
        for operand, way in ways:
            operand.parts.append(way(d))

    return Traced(number.value, number.tape, back)


class FaultyReference:
    """The reference with some mistakes: ``forward`` and ``gradients``; raises PatchError if a patch does not fit.

    Where ``forward`` is wrong, gradients are those of the right network: what a patch does to an array has no way back.

    dtype  of NumPy, in which it computes
    """

    def __init__(self, *faults: Fault, dtype: str = "float64") -> None:
        self.faults = faults
        self.dtype = dtype
        for made in by_part(faults).values():
            texts_of(made)

    @cached_property
    def forward(self) -> Callable[..., Any]:
        """``forward`` with these mistakes."""
        return Patched([*self.faults, *computing_in(self.dtype)]).functions["forward"]

    @cached_property
    def gradients(self) -> Callable[..., Any]:
        """``gradients`` with those of these mistakes that only gradients show."""
        backward = [fault for fault in self.faults if fault.backward_only]
        return Patched([*backward, *computing_in(self.dtype)]).functions["gradients"]


def computing_in(dtype: str) -> list[Fault]:
    """What has the reference compute in a dtype of NumPy: no mistake, and nothing where it does so anyway."""
    usual, title = "np.float64", f"it computes in {dtype}"
    if usual.endswith(dtype):
        return []
    return [Fault(f"in-{dtype}", title, "precision", "as_float64", usual, f"np.{dtype}", ())]


def texts_of(faults: Sequence[Fault]) -> dict[str | Cell, str]:
    """The text of each function that some faults patch; raises PatchError if a patch does not fit."""
    functions = dict.fromkeys(fault.function for fault in faults)
    texts = {function: patched_source([f for f in faults if f.function == function]) for function in functions}
    for text in texts.values():
        compiled(text)
    return texts


class Patched:
    """Copies of the functions of the reference that call each other, with the patches of some faults.

    functions  by name;  texts: of the functions that are patched;  steps: by cell, with options or without
    elsewhere  the same for each part of a network that has mistakes of its own, with these
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        parts = by_part(faults)
        self.texts = texts_of(parts.pop(""))
        self.elsewhere = {part: Patched(made) for part, made in parts.items()}
        self.copies: dict[int, Any] = {id(layers.step_of): self.step_of}
        self.functions: dict[str, Any] = {}
        self.steps: dict[tuple[Cell, bool], Any] = {}
        for module in MODULES:
            self.copy(module)

    def copy(self, module: ModuleType) -> None:
        """Copies the functions of a module, the patched ones from their patched text."""
        known = {"linear": linear, **vars(module), "np": np, "passed_back": passed_back}
        space = {name: self.copies.get(id(value), value) for name, value in known.items()}
        patched = [name for name in self.texts if name in places() and places()[name].module is module]
        for name in dict.fromkeys([*patched, *own_functions(module)]):
            value = getattr(module, name)
            if id(value) in self.copies:
                continue
            if name not in patched:
                space[name] = copied(value, space)
            else:
                exec(compiled(self.texts[name]), space)
                if name in own_functions(module):
                    space[name] = quiet_like(value, space[name])
            self.copies[id(value)] = space[name]
        for name, value in vars(module).items():
            if isinstance(value, dict) and name.isupper():  # tables of functions
                space[name] = {key: self.copies.get(id(entry), entry) for key, entry in value.items()}
        if module is layers and self.elsewhere:
            self.copies[id(layers.layer_parameters)] = space["layer_parameters"] = placed(space["layer_parameters"])
            self.copies[id(layers.scan)] = space["scan"] = in_turn(space["scan"])
        self.functions |= space

    def step_of(self, config: Config) -> Callable[..., tuple]:
        """The step of a configuration's cell, from its equations."""
        cell, options = config.cell, self.functions["options_of"](config)
        if (cell, config.has_options) not in self.steps:
            self.steps[cell, config.has_options] = self.step_from_text(cell, config.has_options)
        step, two = self.steps[cell, config.has_options], config.num_states == 2

        def run(x: Any, state: tuple, p: Any) -> tuple:
            new = run_step(cell, step, x, *state, p.beside(state[-1]), **options)
            return new if two else (new,)

        return self.by_place(config, run) if self.elsewhere else run

    def by_place(self, config: Config, usual: Callable[..., tuple]) -> Callable[..., tuple]:
        """The step that goes by whose parameters it is given, and by which step it is; usual: that of elsewhere."""
        ((part, patched),) = self.elsewhere.items()
        other = patched.step_of(config)
        if isinstance(part, Share):
            return by_share(part, other, usual)

        def by_layer(x: Any, state: tuple, p: Placed) -> tuple:
            there = (DIRECTIONS | LAYERS)[part](*p.place)
            return (other if there else usual)(x, state, p)

        def by_step(x: Any, state: tuple, p: Placed) -> tuple:
            there = STEPS[part](p.turn.t, p.turn.lengths, p.turn.direction)[:, None]
            return tuple(select(new, there, old) for new, old in zip(other(x, state, p), usual(x, state, p)))

        return by_step if part in STEPS else by_layer

    def step_from_text(self, cell: Cell, options: bool) -> Callable[..., Any]:
        """The step of a cell from its equations, patched or not; what else they call is found beside the cell."""
        text = self.texts.get(cell if cell.own else equations_of(cell, options)) or written_out(cell, options)
        space = self.functions | {name: self.copies.get(id(v), v) for name, v in cell.step.__globals__.items()}
        exec(compiled(text), space)
        return space[cell.step.__name__]


def by_share(part: Share, other: Callable[..., tuple], usual: Callable[..., tuple]) -> Callable[..., tuple]:
    """The step that is another one in a part of its units, of the rows or of all steps; usual: that of elsewhere."""

    def step(x: Any, state: tuple, p: Placed) -> tuple:
        both = zip(other(x, state, p.unprojected), usual(x, state, p.unprojected))
        h, *c = (select(new, part.there(p.turn, new.shape[-1]), old) for new, old in both)
        return p.projected(h), *c

    return step


class Placed(Parameters):
    """Parameters that know whose they are, and which step reads them.

    place  layer and direction;  turn  the step
    """

    turn: Turn

    def __init__(self, p: Parameters, place: tuple[int, int]) -> None:
        super().__init__(p.cell, p.arrays)
        self.place = place

    def at(self, turn: Turn) -> Placed:
        """The same as a step reads them."""
        found = copy(self)
        found.turn = turn
        return found

    @property
    def unprojected(self) -> Parameters:
        """The same without a projection: h is as wide as the units."""
        if "weight_hr" not in self.arrays:
            return self
        return Parameters(self.cell, {kind: array for kind, array in self.arrays.items() if kind != "weight_hr"})

    def map(self, change: Callable[[Any], Any]) -> Placed:
        """The same with ``change(array)`` in place of every array."""
        return Placed(super().map(change), self.place)


def placed(layer_parameters: Callable[[Any], list[list[Parameters]]]) -> Callable[[Any], list[list[Placed]]]:
    """The function, with parameters that know whose they are."""
    return lambda plain: [
        [Placed(p, (layer, direction)) for direction, p in enumerate(directions)]
        for layer, directions in enumerate(layer_parameters(plain))
    ]


def in_turn(scan: Callable[..., Any]) -> Callable[..., Any]:
    """The loop over time, with parameters that know which step reads them."""

    def scanned(step: Any, p: Placed, x: list, state: tuple, lengths: np.ndarray, reverse: int, *own: Any) -> Any:
        turns = (Turn(t, len(x), lengths, reverse) for t in range(len(x))[:: -1 if reverse else 1])
        return scan(lambda x_t, before, p: step(x_t, before, p.at(next(turns))), p, x, state, lengths, reverse, *own)

    return scanned


def by_part(faults: Sequence[Fault]) -> dict[str | Share, list[Fault]]:
    """The faults as they are made in a part of a network that has some of its own, by the part; "": everywhere else.

    Raises PatchError where two parts have some: they may overlap.
    """
    parts = list(dict.fromkeys(["", *(fault.within for fault in faults)]))
    if len(parts) > 2:
        raise PatchError(f"mistakes in more than one part of a network: {', '.join(map(str, parts[1:]))}")
    everywhere = [fault for fault in faults if not fault.within]
    return {
        part: [*everywhere, *(replace(fault, within="") for fault in faults if part and fault.within == part)]
        for part in parts
    }


@lru_cache(maxsize=len(MODULES))
def own_functions(module: ModuleType) -> list[str]:
    """The names of the functions that a module defines, and that call others: those that dispatch call none of ours."""
    return [
        name for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not hasattr(value, "dispatch")
    ]  # fmt: skip


@lru_cache(maxsize=1024)
def unwrapped(function: Any) -> Any:
    """The function without what is around it."""
    return inspect.unwrap(function)


def copied(function: Any, space: dict[str, Any]) -> Any:
    """A copy of a function that looks its names up in another space."""
    inner = unwrapped(function)
    copy = FunctionType(inner.__code__, space, inner.__name__, inner.__defaults__, inner.__closure__)
    return quiet_like(function, copy)


def quiet_like(function: Any, copy: Any) -> Any:
    """The copy, with floating-point warnings off where they are off in the function."""
    return copy if unwrapped(function) is function else np.errstate(all="ignore")(copy)
