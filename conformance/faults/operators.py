"""Mistakes in the equations of any cell: operators on its text, where every ``p.g(x, h)`` is written out.

Each operator changes one place, as somebody does who writes the equations down: a term is dropped, doubled or has
the wrong sign; a gate, a weight, a bias or a state stands where another one should; a weight is transposed; gates are
packed in another order; an activation is another one; 1 - z stands for z; a state is read before its update; no gate
reads a bias; a state stays as it was.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import chain, combinations, permutations, product

import numpy as np

from reference_rnn import Case, Cell, CellError, Config, functions, parameter_shapes, state_shapes
from reference_rnn.cell import by_gate, run_step
from reference_rnn.equations import arguments, parameter_of, written_out
from reference_rnn.layers import layer_parameters

from .patching import Fault, PatchError, compiled, patched_source

STEPS = "equivalence.steps"
ACTIVATIONS = {"tanh": "tanh", "sigmoid": "sigmoid", "relu": "ReLU"}
WEIGHTS = {"W_ih": "W_i{}", "W_hh": "W_h{}", "b_ih": "b_i{}", "b_hh": "b_h{}"}
KINDS = (("W_ih",), ("W_hh",), ("b_ih", "b_hh"))  # that can stand for one another: those of one shape
LEFT_OUT = (
    ("bias_ih",),
    ("bias_hh",),
    ("bias_ih", "bias_hh"),
    ("weight_ih",),
    ("weight_hh",),
    ("weight_hh", "bias_hh"),
)
DRAWS, SIZE = 4, 4  # of the search for a case that tells a mistake apart


@dataclass(frozen=True)
class Change:
    """One place of a text changed: the line it was, the line it becomes, and what somebody did there.

    hint: the title without what is right, where the title says that
    """

    operator: str
    title: str
    old: str
    new: str
    hint: str = ""

    def told(self, where: str) -> tuple[str, str]:
        """The title and the hint, each with where it is at the end."""
        return self.title + where, self.hint and self.hint + where


def faults_of(family: str, fault_class: str, killed_by: str, changes: Iterable[tuple[str, Change]]) -> dict[str, Fault]:
    """Changes of functions, each with the function that it is made in, as faults of a family, by id."""
    found = {}
    for number, (function, change) in enumerate(changes):
        id = f"{family}.{function.replace('_', '-')}.{number}"
        found[id] = Fault(
            id, change.title, fault_class, function, change.old, change.new, (killed_by,), hint=change.hint
        )
    return found


@lru_cache(maxsize=64)
def derived(cell: Cell) -> dict[str, Fault]:
    """The mistakes in a cell's equations that some case tells from them and from each other, by id.

    Empty if the source of the cell cannot be read.
    """
    return found(cell)[0]


@lru_cache(maxsize=64)
def indistinct(cell: Cell) -> dict[str, Fault]:
    """Those that no case of the search tells from the equations: the same numbers, written in another way."""
    return found(cell)[1]


@lru_cache(maxsize=64)
def found(cell: Cell) -> tuple[dict[str, Fault], dict[str, Fault]]:
    """The mistakes that are told apart, and those that are not."""
    try:
        changes = list(changes_of(cell))
    except CellError:
        return {}, {}
    right, apart, same = answers(cell, written_out(cell)), dict[str, Fault](), dict[str, Fault]()
    seen = {right}
    for number, change in enumerate(changes):
        fault = fault_of(cell, change, number)
        try:
            given = answers(cell, patched_source((fault,)))
        except PatchError:  # a line that stands there twice
            continue
        if given == right:
            same[fault.id] = fault
        elif given not in seen:
            apart[fault.id] = fault
        seen.add(given)
    return apart, same


def fault_of(cell: Cell, change: Change, number: int) -> Fault:
    """A change as a fault."""
    function = cell if cell.own else cell.step.__name__
    id = f"{cell.lower().replace('_', '-')}.{change.operator}.{number}"
    title, hint = change.told(f" ({cell})")
    return Fault(id, title, "cell-variant", function, change.old, change.new, (STEPS,), hint=hint)


@np.errstate(all="ignore")
def answers(cell: Cell, text: str) -> bytes:
    """What a text of the equations gives in a few steps, as bytes; rounded, since sums have no order."""
    space = vars(functions) | {"by_gate": by_gate} | cell.step.__globals__
    parts = []
    try:
        exec(compiled(text), space)
        for seed in range(DRAWS):
            case = drawn(cell, seed)
            ((p,),) = layer_parameters(case)
            state = tuple(s[0] for s in (case.h_0, case.c_0) if s is not None)
            for x in case.x:
                new = run_step(cell, space[cell.step.__name__], x, *state, p)
                state = new if len(cell.states) > 1 else (new,)
                parts += [np.round(np.nan_to_num(np.asarray(array, float)), 9) + 0.0 for array in state]
    except Exception as error:  # a change may not work at all, which tells it apart
        return repr(error).encode()
    return b"".join(part.tobytes() for part in parts)


@lru_cache(maxsize=256)
def drawn(cell: Cell, seed: int) -> Case:
    """A small case of a cell in which nothing is alike."""
    generator = np.random.default_rng(seed)
    config = Config(cell, 3, SIZE, dtype="float64")
    case = Case(config, {}, generator.standard_normal((3, 3, 3)))
    shapes = {**parameter_shapes(config), **state_shapes(case)}
    arrays = {name: generator.standard_normal(shape.sizes) for name, shape in shapes.items() if name != "x"}
    states = {name: arrays.pop(name, None) for name in ("h_0", "c_0")}
    return case.replace(parameters=arrays, **states)


def changes_of(cell: Cell) -> Iterator[Change]:
    """Every change of one place in the equations of a cell; raises CellError if its source cannot be read."""
    packing, *lines = written_out(cell).splitlines()[1:]
    yield from packed_otherwise(cell, packing)
    for line in lines:
        for operator in OPERATORS:
            yield from operator(cell, line, lines)
    yield from left_out(cell, packing)
    yield from not_made(cell, lines)


def packed_otherwise(cell: Cell, line: str) -> Iterator[Change]:
    """Gates unpacked in other orders."""
    names = gate_names(cell)
    for order in other_orders(len(names)):
        said = ", ".join(cell.gates[place] for place in order)
        new = line.replace(", ".join(names), ", ".join(names[place] for place in order))
        yield Change("pack", f"gates are packed in the order {said}", line, new)


def left_out(cell: Cell, line: str) -> Iterator[Change]:
    """Parameters that no gate reads."""
    ((p,),) = layer_parameters(drawn(cell, 0))
    name = parameter_of(cell)
    for kinds in LEFT_OUT:
        if set(kinds) <= p.arrays.keys():
            zeros = ", ".join(f"{kind}=0 * {name}.arrays['{kind}']" for kind in kinds)
            new = line.replace(f"by_gate({name})", f"by_gate({name}.replace({zeros}))")
            yield Change("lack", f"no gate reads {' and '.join(kinds)}", line, new)


def not_made(cell: Cell, lines: list[str]) -> Iterator[Change]:
    """States that a step leaves as they were, or zero, one of them or all, as one that is not made does."""
    *before, last = lines
    states = arguments(cell)[1:]
    result, _, with_result = next(places(last))
    new = result.elts if isinstance(result, ast.Tuple) else [result]
    changed = {name for line in before for name in assigned(line)}
    kept = {name: f"{name}_before" if name in changed else name for name in states}
    for some in dict.fromkeys([*((name,) for name in states), tuple(states)]) if len(new) == len(states) else ():
        which = some[0] if len(some) == 1 else "every state"
        for said, saved, text in (("stays as it was", some, "{kept}"), ("becomes zero", (), "0 * ({new})")):
            first = [f"    {kept[name]} = {name}" for name in saved if kept[name] != name]
            parts = [
                text.format(kept=kept[name], new=ast.unparse(n)) if name in some else ast.unparse(n)
                for name, n in zip(states, new)
            ]
            made = [*first, *before, with_result(", ".join(parts))]
            yield Change("unmade", f"{which} {said}", "\n".join(lines), "\n".join(made))


def other_orders(count: int) -> list[tuple[int, ...]]:
    """Every other order of up to four places; of more, those by one slip: two exchanged, one moved, or all turned."""
    right = tuple(range(count))
    orders = permutations(right) if count <= 4 else chain(exchanged_places(right), moved_places(right), turned(right))
    return [order for order in dict.fromkeys(orders) if order != right]


def exchanged_places(right: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every order in which two places are exchanged."""
    for one, other in combinations(right, 2):
        yield tuple({one: other, other: one}.get(place, place) for place in right)


def moved_places(right: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every order in which one place stands elsewhere, the others as they were."""
    for one, at in product(right, right):
        others = [place for place in right if place != one]
        yield (*others[:at], one, *others[at:])


def turned(right: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every order that begins elsewhere and goes on at the beginning."""
    return ((*right[first:], *right[:first]) for first in right)


def places(line: str) -> Iterator[tuple[ast.expr, str, Callable[[str], str]]]:
    """Every expression of a line that is read: its node, its text, and the line with another text in its place."""
    start = len(line) - len(line.lstrip())
    start += len("return ") if line[start:].startswith("return ") else 0
    for node in ast.walk(ast.parse(line[start:])):
        if isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            first, last = start + node.col_offset, start + (node.end_col_offset or 0)
            yield node, line[first:last], partial(put, line, first, last)


def put(line: str, first: int, last: int, text: str) -> str:
    """A line with another text between two places."""
    return line[:first] + text + line[last:]


def terms(cell: Cell, line: str, lines: list[str]) -> Iterator[Change]:
    """A name or a parameter dropped, doubled or negated."""
    for node, text, with_text in places(line):
        if (name := called(cell, node, text)) and not isinstance(node, ast.Call):
            said = name if isinstance(node, ast.Attribute) else f"{name} in {place_of(line)}"
            yield Change("drop", f"{said} is left out", line, with_text(f"(0 * {text})"))
            yield Change("double", f"{said} counts twice", line, with_text(f"(2 * {text})"))
            yield Change("negate", f"{said} has the wrong sign", line, with_text(f"(0 - {text})"))


def exchanged(cell: Cell, line: str, lines: list[str]) -> Iterator[Change]:
    """Another parameter of the same kind, another gate or another state in the place of one."""
    known = values(cell, lines[: lines.index(line)])
    for node, text, with_text in places(line):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.attr in WEIGHTS:
            kinds = next(kinds for kinds in KINDS if node.attr in kinds)
            for letter, gate in zip(gate_names(cell), cell.gates):
                for kind in kinds:
                    half = cell.packing({"W_ih": "weight_ih", "b_ih": "bias_ih"}.get(kind, "weight_hh"))
                    if gate in half and (other := f"{letter}.{kind}") != text:
                        theirs, right = parameter(gate, kind), called(cell, node, text)
                        hint = stands(theirs, where=f" in {place_of(line)}")
                        yield Change("exchange", stands(theirs, right), line, with_text(other), hint)
        elif isinstance(node, ast.Name) and node.id in known:
            for other in known:
                if other != node.id:
                    where = f" in {place_of(line)}"
                    title, hint = stands(other, node.id, where), stands(other, where=where)
                    yield Change("exchange", title, line, with_text(other), hint)


def transposed(cell: Cell, line: str, lines: list[str]) -> Iterator[Change]:
    """A recurrent weight applied transposed."""
    for node, text, with_text in places(line):
        if isinstance(node, ast.Attribute) and node.attr == "W_hh":
            yield Change("transpose", f"{called(cell, node, text)} is applied transposed", line, with_text(f"{text}.T"))


def activated(cell: Cell, line: str, lines: list[str]) -> Iterator[Change]:
    """Another activation, or none."""
    for node, text, with_text in places(line):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ACTIVATIONS:
            inner = ", ".join(ast.unparse(argument) for argument in node.args)
            said = ACTIVATIONS[node.func.id]
            yield Change("activation", f"{said} is not applied", line, with_text(f"({inner})"))
            for other, name in ACTIVATIONS.items():
                if other != node.func.id:
                    hint = stands(name, where=f" in {place_of(line)}")
                    yield Change("activation", stands(name, said), line, with_text(f"{other}({inner})"), hint)


def inverted(cell: Cell, line: str, lines: list[str]) -> Iterator[Change]:
    """1 - z for z, or for another gate, of what earlier lines computed."""
    computed = [name for name in values(cell, lines[: lines.index(line)]) if name not in arguments(cell)]
    for node, text, with_text in places(line):
        if isinstance(node, ast.Name) and node.id in computed:
            for name in computed:
                title, hint = stands(f"1 - {name}", node.id), stands(f"1 - {name}", where=f" in {place_of(line)}")
                yield Change("invert", title, line, with_text(f"(1 - {name})"), hint)


def added(cell: Cell, line: str, lines: list[str]) -> Iterator[Change]:
    """A state, or what was computed before, added to what an activation reads."""
    known = values(cell, lines[: lines.index(line)])
    for node, text, with_text in places(line):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ACTIVATIONS:
            inner = text[len(node.func.id) + 1 : -1]
            for name in known:
                title = f"{place_of(line)} reads {name} beside what it should"
                yield Change("add", title, line, with_text(f"{node.func.id}({inner} + {name})"))


def mixed(cell: Cell, line: str, lines: list[str]) -> Iterator[Change]:
    """Only one side of a sum, a product or a mixture."""
    for node, _, with_text in places(line):
        if isinstance(node, ast.BinOp):
            left, right = ast.unparse(node.left), ast.unparse(node.right)
            where = f" in {place_of(line)}"
            yield Change("side", f"{right} is left out", line, with_text(f"({left})"), unsaid(node.right, where))
            yield Change("side", f"{left} is left out", line, with_text(f"({right})"), unsaid(node.left, where))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "mix":
            z, n, h = map(ast.unparse, node.args)
            named = all(isinstance(argument, ast.Name) for argument in node.args)
            hint = "" if named else f"only one side of a mixture is taken in {place_of(line)}"
            yield Change("side", f"{z} is not used: {n} is taken", line, with_text(f"({n})"), hint)
            yield Change("side", f"{z} is not used: {h} is taken", line, with_text(f"({h})"), hint)


def gated(cell: Cell, line: str, lines: list[str]) -> Iterator[Change]:
    """A gate that acts behind a product with the state, with the product's bias or without it, and not before."""
    for node, _, with_text in places(line):
        if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "affine"):
            continue
        read = node.args[2]
        if isinstance(read, ast.BinOp) and isinstance(read.op, ast.Mult) and len(node.args) == 6:
            left, right = ast.unparse(read.left), ast.unparse(read.right)
            x, W_ih, _, W_hh, b_ih, b_hh = map(ast.unparse, node.args)
            ways = {"": (b_ih, b_hh), ", but for its bias": (f"{b_ih} + {b_hh}", f"0 * {b_hh}")}
            for said, (outside, inside) in ways.items():
                new = with_text(f"linear({x}, {W_ih}, {outside}) + {left} * linear({right}, {W_hh}, {inside})")
                title = f"{left} multiplies the product with {right}{said}, and not {right} itself, in {place_of(line)}"
                yield Change("gate", title, line, new, f"{left} multiplies something else in {place_of(line)}")


def behind(cell: Cell, line: str, lines: list[str]) -> Iterator[Change]:
    """An activation that comes behind the projection, and not before it."""
    at = lines.index(line)
    for node, _, with_text in places(line):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "projected":
            name, project = ast.unparse(node.args[0]), ast.unparse(node)
            for own in (own for own in lines[:at] if name in assigned(own)):
                for inner, _, with_other in places(own):
                    if isinstance(inner, ast.Call) and getattr(inner.func, "id", "") in ACTIVATIONS:
                        between = lines[lines.index(own) + 1 : at]
                        read = ", ".join(ast.unparse(argument) for argument in inner.args)
                        activation = ast.unparse(inner.func)
                        title = f"{ACTIVATIONS[activation]} of {read} comes behind the projection"
                        new = [with_other(f"({read})"), *between, with_text(f"{activation}({project})")]
                        yield Change("behind", title, "\n".join([own, *between, line]), "\n".join(new))


def early(cell: Cell, line: str, lines: list[str]) -> Iterator[Change]:
    """A state read before its update by a line that comes behind it."""
    updates = {
        target: at for at, text in enumerate(lines) for target in assigned(text) if target in arguments(cell)[1:]
    }
    at = lines.index(line)
    for state, update in updates.items():
        if update < at:
            for node, _, with_text in places(line):
                if isinstance(node, ast.Name) and node.id == state:
                    between = lines[update:at]
                    old = "\n".join([*between, line])
                    new = "\n".join([f"    before = {state}", *between, with_text("before")])
                    yield Change("early", f"the {state} of the step before is read, not the new one", old, new)


def stands(theirs: str, right: str = "something else", where: str = "") -> str:
    """That something stands in the place of what is right; a hint does not say what that is."""
    return f"{theirs} stands where {right} should{where}"


def unsaid(operand: ast.expr, where: str) -> str:
    """The hint for an operand that is left out; none where that has a name, by which it may be called."""
    return "" if isinstance(operand, ast.Name) else f"one of two operands is left out{where}"


OPERATORS = (terms, exchanged, transposed, activated, inverted, mixed, gated, behind, early, added)


def clipped(cell: Cell, bound: float) -> list[Fault]:
    """The mistakes of one value that the equations compute, which is cut off at a bound each way.

    Empty if the source of the cell cannot be read.
    """
    found = []
    with suppress(CellError):
        for line in written_out(cell).splitlines()[2:]:
            name, _, value = (part.strip() for part in line.partition(" = "))
            new = line.replace(value, f"np.clip({value}, -{bound:g}, {bound:g})")
            id = f"{cell.lower().replace('_', '-')}.clipped.{name}.{bound:g}"
            function, title = cell if cell.own else cell.step.__name__, f"{name} is cut off at {bound:g} ({cell})"
            hint = f"{name} is cut off ({cell})"
            fault = Fault(id, title, "cell-variant", function, line, new, (STEPS,), hint=hint)
            with suppress(PatchError):  # a line that stands there twice, or gives one value two names
                if assigned(line) == [name] and compiled(patched_source((fault,))):
                    found.append(fault)
    return found


def values(cell: Cell, lines: list[str]) -> list[str]:
    """The names that stand for (N, H) numbers behind some lines: the states, and what was computed."""
    return list(dict.fromkeys([*arguments(cell)[1:], *(name for line in lines for name in assigned(line))]))


def assigned(line: str) -> list[str]:
    """The names that a line gives a value."""
    statement = ast.parse(line.strip()).body[0] if not line.strip().startswith("return") else None
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def place_of(line: str) -> str:
    """What a line computes, in words."""
    return " and ".join(assigned(line)) or "the result"


def gate_names(cell: Cell) -> list[str]:
    """The names of the gates' parameters in the text, in packed order."""
    return [name.strip() for name in written_out(cell).splitlines()[1].split("=")[0].strip().rstrip(",").split(",")]


def called(cell: Cell, node: ast.expr, text: str) -> str:
    """What a name or a parameter is called in print; empty for anything else."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        letters = dict(zip(gate_names(cell), cell.gates))
        if node.value.id in letters and node.attr in WEIGHTS:
            return parameter(letters[node.value.id], node.attr)
        return text if node.attr in cell.vectors else ""
    functions = {*ACTIVATIONS, "mix", "affine", "linear", "affine_peephole", *gate_names(cell), parameter_of(cell)}
    return node.id if isinstance(node, ast.Name) and node.id not in functions and len(node.id) <= 8 else ""


def parameter(gate: str, kind: str) -> str:
    """A parameter of a gate as it is written in print: W_hz."""
    return WEIGHTS[kind].format(gate)
