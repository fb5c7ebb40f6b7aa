"""Mistakes in how a gradient goes back through the equations of any cell, and through the loop over time.

The numbers stay as they are; ``passed_back`` changes one way back: a factor of a product gets the gradient times
another value, an activation has another slope, what is read hands nothing back, a parameter is told of one step only,
or what another one is told. What gives the gradients of the equations on a small case, or those of another mistake, is
left out.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, product
from typing import TypeGuard

import numpy as np

from reference_rnn import Case, Cell, CellError, Config, parameter_shapes, result_shapes, state_shapes
from reference_rnn.equations import arguments, written_out

from .gradients import BPTT, STEP, into_step, through_time
from .operators import (
    ACTIVATIONS,
    Change,
    assigned,
    called,
    exchanged_places,
    other_orders,
    place_of,
    places,
    values,
)
from .patching import Fault, FaultyReference

# What else somebody may take for the slope of an activation, of what it reads, z, and gives, y.
SLOPES = {
    "tanh": ("1", "1 - {y}", "{y} * (1 - {y})", "1 - {z} * {z}", "1 - tanh({y}) ** 2", "{y}", "1 + {y} * {y}"),
    "sigmoid": (
        "1",
        "1 - {y} * {y}",
        "{y}",
        "1 - {y}",
        "{z} * (1 - {z})",
        "sigmoid({y}) * (1 - sigmoid({y}))",
        "{y} * {y}",
    ),
    "relu": ("1", "{y}", "({y} >= 0)"),
}
SLOPE = {"tanh": "1 - {y} * {y}", "sigmoid": "{y} * (1 - {y})", "relu": "({y} > 0)"}  # which is right
BOUNDS = (0.1, 0.25, 0.5, 1, 2, 5, 10)
TRUNCATED = range(1, 11)
KINDS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
TAPE = "backward(tape)"
# The step in which a row is first, or last, in a direction
ENDS = {"first": "(lengths - 1) * reverse", "last": "(lengths - 1) * (not reverse)"}
FOUND = "found = {kind: weight.gradient for kind, weight in p.arrays.items()}"


@lru_cache(maxsize=64)
def backward(cell: Cell) -> dict[str, Fault]:
    """The mistakes in a cell's gradients that a case tells from its gradients and from each other, by id."""
    case = drawn(cell)
    seen, found = {answer(FaultyReference(), case)}, dict[str, Fault]()
    for number, (function, change) in enumerate(changes_of(cell)):
        id = f"{cell.lower().replace('_', '-')}.back.{change.operator}.{number}"
        title, hint = change.told(f" ({cell})")
        fault = Fault(id, title, "back-propagation", function, change.old, change.new, (BPTT,), hint=hint)
        given = answer_with(fault, case)
        if given and given not in seen:
            found[id] = fault
            seen.add(given)
    return found


def answer_with(fault: Fault, case: Case) -> bytes:
    """What a fault makes of the gradients of a case; empty where it does not work."""
    try:
        return answer(FaultyReference(fault), case)
    except Exception:  # a change may not fit its place
        return b""


@np.errstate(all="ignore")
def answer(reference: FaultyReference, case: Case) -> bytes:
    """The gradients of a case as bytes, rounded."""
    normal = np.random.default_rng(1).standard_normal
    d = {f"d_{name}": normal(shape.sizes) for name, shape in result_shapes(case).items()}
    found = reference.gradients(case, **d)
    return b"|".join((np.round(np.asarray(array, float), 9) + 0.0).tobytes() for array in found.values())


def drawn(cell: Cell) -> Case:
    """A case of several steps, layers and directions in which nothing is alike, and gradients are not small."""
    normal = np.random.default_rng(0).standard_normal
    config = Config(cell, 3, 3, 2, True, dtype="float64")
    parameters = {name: normal(shape.sizes) for name, shape in parameter_shapes(config).items()}
    case = Case(config, parameters, normal((12, 2, 3)), lengths=np.array([12, 9]))
    return case.replace(**{name: normal(shape.sizes) for name, shape in state_shapes(case).items() if name != "x"})


def changes_of(cell: Cell) -> Iterator[tuple[str | Cell, Change]]:
    """Every change of one way back, each with what it is made in."""
    equations = cell if cell.own else cell.step.__name__
    try:
        lines = written_out(cell).splitlines()[2:]
    except CellError:
        return
    for number, line in enumerate(lines):
        known = values(cell, lines[:number])
        unbiased = without_biases(cell, lines[:number])
        factors = products(cell, line, known, unbiased)
        before = of_state_before(cell, lines[: number + 1])
        states = [name for name in arguments(cell)[1:] if name not in chain(*map(assigned, lines[:number]))]
        for change in chain(factors, before, mixtures(line), slopes(line, states), detached(cell, line, known)):
            yield equations, change
    yield from ((equations, change) for change in overwritten(lines))
    yield from (("scan", change) for change in in_time())
    yield from (("gradients", change) for change in told())
    yield from (("parameter_gradients", change) for change in chain(exchanged(), reordered(cell)))


def products(cell: Cell, line: str, known: list[str], unbiased: dict[str, dict[str, str]]) -> Iterator[Change]:
    """A factor of a product that gets the gradient times another value; unbiased: see without_biases."""
    new = assigned_again(cell, line)
    multiplied = [node for node, _, _ in places(line) if is_product(node)]
    factors = dict.fromkeys(name for node in multiplied for name in names_in(node) if name not in new)
    for node, text, with_text in places(line):
        if not is_product(node):
            continue
        for mine, other, way in ((node.left, node.right, (0, 1)), (node.right, node.left, (1, 0))):
            one, two = ast.unparse(mine), ast.unparse(other)
            if (own := value_of(mine)) is None or value_of(other) is None:
                continue
            wrong = {"1": "", **{name: f"{name}.value" for name in known if name != two}}
            wrong |= {f"the new {name}": f"{name}.value" for name in new}
            wrong |= unbiased.get(two, {})
            more = [name for name in factors if name not in names_in(node)]
            both = {f"{two} and {name}": f"{value_of(other)} * {name}.value" for name in more}
            for said, factor in (wrong | both).items():
                names = [said] if said in known else names_in(other) if said in both else []
                bound = "".join(f", {name}={name}" for name in names)  # else it is looked up late, or never changes
                times = f"lambda d{bound}: d" + (f" * {factor}" if factor else "")
                right = f"lambda d, {', '.join(f'{n}={n}' for n in names_in(mine))}: d * {own}"
                ways = [f"({one}, {times})", f"({two}, {right})"]
                title = f"the gradient of {one} in {text} is multiplied by {said}, not by {two}"
                hint = f"the gradient of {one} in {place_of(line)} is multiplied by {said}"
                changed = f"passed_back({text}, {', '.join(ways[k] for k in way)})"
                yield Change("factor", title, line, with_text(changed), hint)


def of_state_before(cell: Cell, lines: list[str]) -> Iterator[Change]:
    """A factor that gets the gradient times the activation of a state as it was before the step, not after it."""
    *earlier, line = lines
    for node, text, with_text in places(line):
        if not is_product(node):
            continue
        one, two = ast.unparse(node.left), ast.unparse(node.right)
        inner = names_in(node.right)[:1]
        at = next((k for k, other in enumerate(earlier) if inner and assigned_again(cell, other) == inner), None)
        own, other = value_of(node.left), value_of(node.right)
        if at is None or own is None or other is None:
            continue
        (state,) = inner
        was = other.replace(f"{state}.value", "was.value")
        ways = f"({one}, lambda d, was=was: d * {was}), ({two}, lambda d, {one}={one}: d * {own})"
        saved = [f"    was = {state}", *earlier[at:], with_text(f"passed_back({text}, {ways})")]
        title = f"the gradient of {one} in {text} is multiplied by {two} of the step before"
        yield Change("factor", title, "\n".join(lines[at:]), "\n".join(saved))


def overwritten(lines: list[str]) -> Iterator[Change]:
    """A product that is computed in the place of an activation: the way back finds it where that was.

    So it does where it asks for the slope, and for the other factor of each product.
    """
    for at, line in enumerate(lines[:-1]):
        for (activation, inner, with_text), name in product(activations(line), assigned(line)):
            if with_text("it").strip() == f"{name} = it":
                late = with_slope(activation, inner, with_text, SLOPE[activation].format(y=f"{name}.value"))
                yield from in_place_of(name, lines[at:], late)


def in_place_of(name: str, lines: list[str], late: str) -> Iterator[Change]:
    """The same of one activation, the first line; late: this line with a slope that is looked up on the way back."""
    _, *between, last = lines
    if name in [again for line in between for again in assigned(line)]:
        return
    for number, line in enumerate(between):
        for node, text, _ in places(line):
            if is_product(node) and name in (ast.unparse(node.left), ast.unparse(node.right)):
                made = [*between[:number], f"    made = {text}", *between[number:]]
                kept = f"    if hasattr({name}, 'value'):\n        {name}.value = made.value"
                title = f"{text} is computed in the place of {name}, which the way back finds there"
                yield Change("overwritten", title, "\n".join(lines), "\n".join([late, *made, kept, last]))


def assigned_again(cell: Cell, line: str) -> list[str]:
    """The states that a line gives a new value: a way back that looks them up late finds that."""
    return [name for name in arguments(cell)[1:] if line.strip().startswith(f"{name} = ")]


def without_biases(cell: Cell, lines: list[str]) -> dict[str, dict[str, str]]:
    """By the names of lines that are a sum with a bias and no more: what they are without it, in words and as text."""
    found: dict[str, dict[str, str]] = {}
    for line in lines:
        if line.count("(") > 1:
            continue
        for node, text, _ in places(line):
            if isinstance(node, ast.Attribute) and node.attr.startswith("b_") and (bias := called(cell, node, text)):
                for name in assigned(line):
                    found.setdefault(name, {})[f"{name} without {bias}"] = f"({name}.value - {text}.value)"
    return found


def mixtures(line: str) -> Iterator[Change]:
    """An operand of a mixture that gets another share of the gradient."""
    for node, text, with_text in places(line):
        if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "mix":
            continue
        if not all(isinstance(argument, ast.Name) for argument in node.args):
            continue
        z, n, h = map(ast.unparse, node.args)
        right = {z: f"({h}.value - {n}.value)", n: f"(1 - {z}.value)", h: f"{z}.value"}
        wrong = {
            z: (f"({n}.value - {h}.value)", f"{h}.value", f"{n}.value", "0", "1"),
            n: (f"{z}.value", "1", "0"), h: (f"(1 - {z}.value)", "1", "0"),
        }  # fmt: skip
        for operand, factors in wrong.items():
            for factor in factors:
                ways = right | {operand: factor}
                said = factor.replace(".value", "")
                told = ", ".join(f"({name}, lambda d, {z}={z}, {n}={n}, {h}={h}: d * {ways[name]})" for name in ways)
                title = f"the gradient of {operand} in {text} is multiplied by {said}"
                hint = f"the gradient of {operand} in {place_of(line)} is multiplied by {said}"
                yield Change("share", title, line, with_text(f"passed_back({text}, {told})"), hint)


def slopes(line: str, states: Sequence[str]) -> Iterator[Change]:
    """An activation with another slope; or with the right one of what a state was before the step.

    states: those that are still what they were then
    """
    for name, inner, with_text in activations(line):
        for slope in SLOPES[name]:
            new = with_slope(name, inner, with_text, slope.format(z="read.value", y=f"{name}(read.value)"))
            title = f"the slope of {ACTIVATIONS[name]} in {place_of(line)} is {slope.format(z='z', y='y')}"
            yield Change("slope", title, line, new)
        for state, y in product(states, ("{}", f"{name}({{}})")):
            new = with_slope(name, inner, with_text, SLOPE[name].format(y=y.format(f"{state}.value")), state)
            taken = f"is taken from {state} before the step, as {SLOPE[name].format(y=y.format(state))}"
            yield Change("slope", f"the slope of {ACTIVATIONS[name]} in {place_of(line)} {taken}", line, new)


def activations(line: str) -> Iterator[tuple[str, str, Callable[[str], str]]]:
    """Each activation of a line by its name, what it reads, and the line with another text in its place."""
    for node, _, with_text in places(line):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ACTIVATIONS:
            yield node.func.id, ", ".join(map(ast.unparse, node.args)), with_text


def with_slope(name: str, inner: str, with_text: Callable[[str], str], slope: str, *known: str) -> str:
    """A line with another slope of an activation of what it reads, ``read``, and of what else is known."""
    way = f"lambda d, {', '.join(f'{name}={name}' for name in ('read', *known))}: d * ({slope})"
    return f"    read = {inner}\n" + with_text(f"passed_back({name}(read), (read, {way}))")


def detached(cell: Cell, line: str, known: list[str]) -> Iterator[Change]:
    """A state, a value or a parameter to which nothing goes back from where it is read."""
    for node, text, with_text in places(line):
        value = isinstance(node, ast.Name) and text in known
        if value or (isinstance(node, ast.Attribute) and called(cell, node, text)):
            title = f"no gradient goes back to {called(cell, node, text) or text} in {place_of(line)}"
            yield Change("detach", title, line, with_text(f"passed_back({text})"))


def in_time() -> Iterator[Change]:
    """What goes from one step back to the one before, cut off, bounded or scaled."""
    ways = {f"is cut off at {bound} each way": f"lambda d: np.clip(d, -{bound}, {bound})" for bound in BOUNDS}
    ways |= {f"ends after {k} steps": f"lambda d, left=left: d * (left % {k} != {k - 1})" for k in TRUNCATED}
    ways |= {
        f"ends before each step of number {k} times n": f"lambda d, t=t: d * (t % {k} != 0)" for k in TRUNCATED[1:]
    }
    ways |= {f"counts {factor} times": f"lambda d: {factor} * d" for factor in (0.5, 2)}
    for said, way in ways.items():
        old, new = through_time(way, "tuple({way} for s in state)")
        yield Change("time", f"what goes from one step back to the one before {said}", old, new)
    for name, number in {"h": 0, "c": 1}.items():
        for bound in BOUNDS:
            after = f"tuple({{way}} if number == {number} else s for number, s in enumerate(state))"
            old, new = through_time(f"lambda d: np.clip(d, -{bound}, {bound})", after)
            said = f"what goes from {name} of one step back to the one before is cut off at {bound} each way"
            yield Change("time", said, old, new)
    for bound in BOUNDS:
        old, new = into_step(f"lambda d: np.clip(d, -{bound}, {bound})")
        yield Change("time", f"what goes back into h of a step is cut off at {bound} each way", old, new)
    for end, at in ENDS.items():
        way = f"lambda d, other=(t != {at})[:, None]: d * other"
        new = f"{STEP}\n        new = tuple(passed_back(n, (n, {way})) for n in new)"
        yield Change("time", f"nothing goes back into each row's {end} step", STEP, new)


def told() -> Iterator[Change]:
    """A parameter whose gradient is that of one step alone, or taken with other states."""
    yield from told_of_steps({kind: (kind,) for kind in KINDS} | {"each parameter": KINDS})
    every = "for p, state in zip((p for directions in layers for p in directions), final):"
    ways = {
        "the state after each step, not before it": "[state[0].value, *states[:-1]]",
        "the state one step earlier than before each step": "[*states[1:], *states[-1:]]",
        "the final state": "[state[0].value for _ in states]",
        "the initial state": "[states[-1] for _ in states]",
    }
    for said, states in ways.items():
        yield Change("states", f"the gradient of weight_hh is taken with {said}", TAPE, (
            f"{TAPE}\n"
            f"    {every}\n"
            "        for _, states in p.arrays['weight_hh'].pairs.values():\n"
            f"            states[:] = {states}"
        ))  # fmt: skip
    title = "the gradient of weight_hh is taken with the final state in steps in which all rows run"
    yield Change("states", title, TAPE, (
        f"{TAPE}\n"
        "    least, steps = min(plain.row_lengths.tolist(), default=0), range(plain.num_steps)\n"
        "    places = [(reverse, p) for directions in layers for reverse, p in enumerate(directions)]\n"
        "    for (reverse, p), state in zip(places, final):\n"
        "        for _, states in p.arrays['weight_hh'].pairs.values():\n"
        "            times = steps if reverse else reversed(steps)\n"
        "            states[:] = [state[0].value if t < least else s for t, s in zip(times, states)]"
    ))  # fmt: skip


def told_of_steps(kinds: Mapping[str, tuple[str, ...]]) -> Iterator[Change]:
    """Parameters, by what they are called, whose gradient is that of one step alone; they hear of the last first."""
    directions = {"": "", " in the forward direction": "[:1]", " in the reverse direction": "[1:]"}
    steps = {
        "is that of the first step alone": "each[-1:]", "is that of the last step alone": "each[:1]",
        "lacks the first step": "[*each[:-1], *(0 * one for one in each[-1:])]",
        "lacks the last step": "[*(0 * one for one in each[:1]), *each[1:]]",
    }  # fmt: skip
    for (said, some), (which, kept), (where, those) in product(kinds.items(), steps.items(), directions.items()):
        yield Change("step", f"the gradient of {said}{where} {which}", TAPE, (
            f"{TAPE}\n"
            f"    for p in (p for directions in layers for p in directions{those}):\n"
            f"        weights = [p.arrays[kind] for kind in {some} if kind in p.arrays]\n"
            "        for both in (both for weight in weights for both in weight.pairs.values()):\n"
            "            for each in both:\n"
            f"                each[:] = {kept}"
        ))  # fmt: skip
    rows = {"is that of each row's {} step alone": "==", "lacks each row's {} step": "!="}
    for (said, some), (which, kept), (step, at) in product(kinds.items(), rows.items(), ENDS.items()):
        yield Change("step", f"the gradient of {said} {which.format(step)}", TAPE, (
            f"{TAPE}\n"
            "    lengths = plain.row_lengths\n"
            "    for reverse, p in (each for directions in layers for each in enumerate(directions)):\n"
            f"        weights = [p.arrays[kind] for kind in {some} if kind in p.arrays]\n"
            "        for both in (both for weight in weights for both in weight.pairs.values()):\n"
            "            for each in both:\n"
            "                steps = range(len(each)) if reverse else reversed(range(len(each)))\n"
            f"                each[:] = [one * (t {kept} {at})[:, None] for t, one in zip(steps, each)]"
        ))  # fmt: skip


def exchanged() -> Iterator[Change]:
    """A parameter that gets the gradient of the other one of its kind, where that has its shape."""
    for kind in KINDS:
        other = kind.replace("_ih", "_hh") if "_ih" in kind else kind.replace("_hh", "_ih")
        alike = f"'{other}' in found and found['{other}'].shape == found['{kind}'].shape"
        yield Change("other", f"the gradient of {kind} is that of {other}", FOUND, (
            f"{FOUND}\n"
            f"    if {alike}:\n"
            f"        found['{kind}'] = found['{other}']"
        ))  # fmt: skip


def reordered(cell: Cell) -> Iterator[Change]:
    """Gradients whose gates are packed in another order than those of their parameters: of one kind, or of all."""
    gates = cell.packing("weight_ih")
    right = tuple(range(len(gates)))
    alike = tuple(kind for kind in KINDS if cell.packing(kind) == gates)
    each = [(f"the gradient of {kind}", (kind,), order) for kind in alike for order in exchanged_places(right)]
    every = [("the gradient of each parameter", alike, order) for order in other_orders(len(gates))]
    for said, kinds, order in each + every:
        title = f"{said} has its gates in the order {', '.join(gates[place] for place in order)}"
        yield Change("order", title, FOUND, (
            f"{FOUND}\n"
            f"    for kind in [kind for kind in {kinds} if kind in found]:\n"
            "        a = found[kind]\n"
            f"        found[kind] = a.reshape({len(gates)}, -1, *a.shape[1:])[{list(order)}].reshape(a.shape)"
        ))  # fmt: skip


def is_product(node: ast.AST) -> TypeGuard[ast.BinOp]:
    """Whether an expression is a product of two."""
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)


def value_of(node: ast.expr) -> str | None:
    """The text of a value as an array; None for what is no name, nor an activation of one."""
    if isinstance(node, ast.Name):
        return f"{node.id}.value"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ACTIVATIONS:
        (inner,) = node.args
        return f"{node.func.id}({inner.id}.value)" if isinstance(inner, ast.Name) else None
    return None


def names_in(node: ast.expr) -> list[str]:
    """The names of values in an expression."""
    return [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id not in ACTIVATIONS]
