"""Mistakes in what is read from where: operators on the loops over time, directions and layers around any cell.

Each changes one place of their text, as a slip does: another entry of a list (the first, the last, the one before), the
first layer, direction, row or step for all, another name of the same kind, a weight transposed, a parameter not read,
one side of a choice for both. What gives the reference's numbers on every case of a small search, or those of another
mistake, is left out, and so is what never runs.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from reference_rnn import CELLS, Case, Config, parameter_shapes, result_shapes, state_shapes

from .operators import STEPS, Change, places
from .patching import Fault, FaultyReference, PatchError, place_of

LOOPS = ("run", "scan", "layer_parameters")
COUNTERS = ("layer", "direction", "reverse", "t")
ALIKE = (("state", "before", "new"), ("n", "s"))
ROWS = {"x[t]": "(0 * x[t] + x[t][:1])", "before": "tuple(0 * s + s[:1] for s in before)"}
KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
PARAMETER = "plain.parameters.get(kind + end, absent.get(kind))"
ENDS = (("the forward direction", "end.removesuffix('_reverse')"), ("the first layer and direction", "'_l0'"))
SHAPES = ((6, 3, 3, 2), (3, 3, 3, 1))  # I, H, layers, directions: every weight of a layer fits into every other layer


@lru_cache(maxsize=1)
def wiring() -> dict[str, Fault]:
    """The mistakes in the loops that some case tells from the reference and from each other, by id."""
    right = answers(FaultyReference())
    found, seen = dict[str, Fault](), {right}
    for function in LOOPS:
        for number, change in enumerate(changes_of(function)):
            id = f"wiring.{function.replace('_', '-')}.{change.operator}.{number}"
            fault = Fault(id, change.title, "recurrence", function, change.old, change.new, (STEPS,))
            try:
                given = answers(FaultyReference(fault))
            except PatchError:  # a line that stands there twice
                continue
            if given and given not in seen:
                found[id] = fault
                seen.add(given)
    return found


@np.errstate(all="ignore")
def answers(reference: FaultyReference) -> bytes:
    """What a reference gives on the cases of the search, as bytes, rounded; empty where it runs on none."""
    found = [answer(reference, case) for case in cases()]
    return b"|".join(found) if any(found) else b""


def answer(reference: FaultyReference, case: Case) -> bytes:
    """What it gives on one of them; empty where it does not work, or gives other shapes."""
    try:
        values = [np.asarray(value, float) for _, value in reference.forward(case).items()]
    except Exception:  # a change may not fit every case
        return b""
    if [value.shape for value in values] != [shape.sizes for shape in result_shapes(case).values()]:
        return b""
    return b"".join((np.round(np.nan_to_num(value), 9) + 0.0).tobytes() for value in values)


@lru_cache(maxsize=1)
def cases() -> list[Case]:
    """Ragged cases of several layers in which nothing is alike, of a cell with one state and of one with two."""
    return [drawn(cell, *shape) for cell in (CELLS[0], CELLS[-1]) for shape in SHAPES]


def drawn(cell: str, inputs: int, units: int, layers: int, directions: int) -> Case:
    """One of these cases."""
    normal = np.random.default_rng(inputs).standard_normal
    config = Config(cell, inputs, units, layers, directions == 2, dtype="float64")
    parameters = {name: normal(shape.sizes) for name, shape in parameter_shapes(config).items()}
    case = Case(config, parameters, normal((4, 3, inputs)), lengths=np.array([4, 2, 3]))
    states = {name: normal(shape.sizes) for name, shape in state_shapes(case).items() if name != "x"}
    return case.replace(**states)


def changes_of(function: str) -> Iterator[Change]:
    """Every change of one place in a loop."""
    source = place_of(function).source
    body = ast.parse(source).body[0].body[1:]  # type: ignore[attr-defined]  # behind its docstring
    for line in source.splitlines()[body[0].lineno - 1 :]:
        for node, text, with_text in places_of(line):
            for change in changed(node, text):
                yield Change(change.operator, f"{change.title}, in {function}", line, with_text(change.new))


def changed(node: ast.expr, text: str) -> Iterator[Change]:
    """What else may stand in the place of an expression."""
    if isinstance(node, ast.Subscript) and not isinstance(node.slice, ast.Slice | ast.Tuple | ast.Constant):
        whole, index = ast.unparse(node.value), ast.unparse(node.slice)
        yield from (instead("entry", text, f"{whole}[{other}]") for other in ("0", "-1", f"({index}) - 1"))
    if isinstance(node, ast.Name) and node.id in COUNTERS:
        yield instead("entry", text, "0")
    if isinstance(node, ast.Name):
        alike = next((names for names in ALIKE if node.id in names), ())
        yield from (instead("exchange", text, other) for other in alike if other != text)
    if isinstance(node, ast.IfExp):
        yield from (instead("choice", text, f"({ast.unparse(arm)})") for arm in (node.body, node.orelse))
    if text in ROWS:
        yield Change("row", f"every row reads {text} of the first row", text, ROWS[text])
    if text == PARAMETER:
        yield from parameters()


def instead(operator: str, old: str, new: str) -> Change:
    """A change whose title is what it does."""
    return Change(operator, f"{new} stands where {old} should", old, new)


def parameters() -> Iterator[Change]:
    """One kind of parameter read from elsewhere, or as another one."""
    for kind in KINDS:
        for where, end in (("layer 0", "('_l0' + '_reverse' * end.endswith('_reverse'))"), *ENDS):
            new = f"plain.parameters.get(kind + ({end} if kind == '{kind}' else end), absent.get(kind))"
            yield Change("parameter", f"{kind} is that of {where} everywhere", PARAMETER, new)
        yield Change("parameter", f"{kind} is not read", PARAMETER, f"({PARAMETER} * (kind != '{kind}'))")
        first = f"({PARAMETER} * (kind != '{kind}' or end.startswith('_l0')))"
        yield Change("parameter", f"{kind} is read in layer 0 only", PARAMETER, first)
        if kind.startswith("weight"):
            square = "a.reshape(-1, config.hidden_size, config.hidden_size).swapaxes(1, 2).reshape(a.shape)"
            turned = f"(lambda a: {square} if kind == '{kind}' else a)({PARAMETER})"
            yield Change("transpose", f"each gate's {kind} is applied transposed", PARAMETER, turned)


def places_of(line: str) -> Iterator:
    """Every expression of a line that is read; none of what heads a block, but for what a loop goes over."""
    if line.lstrip().startswith("for ") and line.endswith(":"):
        at = line.index(" in ") + 4
        for node, text, with_text in places(line[at:-1]):
            yield node, text, lambda new, with_text=with_text: f"{line[:at]}{with_text(new)}:"
        return
    try:
        yield from places(line)
    except SyntaxError:  # a part of a statement of several lines
        return
