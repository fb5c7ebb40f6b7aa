"""Rewriting: what else the equations could say, given what one step of the target gives.

Each expression of a cell's text, and each kind of parameter, is put into a few other forms: with a factor or a summand,
which are fitted, with another value beside it, wrapped in an activation, cut off. What gives the target's numbers for
one step is a mistake that may have been made; the search then tries it on all answers, like others.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import combinations_with_replacement

import numpy as np

from conformance.faults import operators
from conformance.faults.patching import Fault
from conformance.faults.stored import FORMATS
from conformance.judging.oracle import Failure, NotApplicable, NotRun
from reference_rnn import Case, Cell, CellError, functions
from reference_rnn.cell import by_gate, run_step
from reference_rnn.equations import arguments, parameter_of, written_out
from reference_rnn.layers import layer_parameters

from .asking import Bench, mapped
from .curves import plain
from .influence import ONE, SLACK, built, with_other_signs

MOST = 4  # that are tried by the search
ROUNDS = 6  # of fitting
STEP = 1e-6  # of a slope
SIZES = ONE | {"N": 6, "I": 3, "H": 4}
FAR = 8.0  # times as large: there what is cut off shows
UNKNOWNS = ("A", "B")
START = {"A": 1.0, "B": 0.0}
BOUNDS = (0.5, 1, 2, 3, 5, 6, 10, 20, 50)
# What may stand in the place of an expression {e}; {w} and {v} are values that are known there, A and B are fitted.
FORMS = (
    "(A * {e})",
    "({e} + B)",
    "(A * {e} + B)",
    "({w} * {e})",
    "({e} + B * {w})",
    "(A * {e} + B * {w})",
    "({e} + B * {w} * {v})",
    "tanh({e})",
    "sigmoid({e})",
    "relu({e})",
    "(1 - {e})",
    *(f"np.clip({{e}}, -{bound}, {bound})" for bound in BOUNDS),
    *(f"np.clip({{e}}, 0, {bound})" for bound in BOUNDS),
)
# The same for what goes in and for parameters, of which bits are lost: rounded to a shorter format, or cut off.
SHORTER = tuple(FORMATS.values())
# The same for an activation {f} of {e} of which a term {t} is read elsewhere.
PAST = ("({f}({e} - {t}) + {t})", "({f}({e} - {t}) + {f}({t}))")
# The same for arrays: of parameters, and of what goes in.
RELAID = ("{e}[:, ::-1]", "{e}[::-1]", "np.roll({e}, 1, 0)", "np.roll({e}, -1, 0)", "np.roll({e}, 1, -1)",
          "np.roll({e}, -1, -1)", "({e} - {e}.mean(-1, keepdims=True))")  # fmt: skip


@dataclass(frozen=True)
class Rewritten:
    """A text in which one line is another: the line it was, the line it becomes, and what stands where what should.

    shown  what stands there as a hint has it, with an ellipsis for what is right in it
    where  what that stands in, in words
    """

    old: str
    new: str
    theirs: str
    mine: str
    shown: str
    where: str = ""

    @property
    def unknowns(self) -> list[str]:
        """What is to be fitted."""
        names = {node.id for node in ast.walk(ast.parse(self.theirs)) if isinstance(node, ast.Name)}
        return [name for name in UNKNOWNS if name in names]

    def filled(self, values: dict[str, float]) -> Rewritten:
        """The same with numbers for what was fitted."""
        theirs, shown = (
            ast.unparse(Fill(values).visit(ast.parse(text, mode="eval"))) for text in (self.theirs, self.shown)
        )
        return replace(self, new=self.new.replace(self.theirs, f"({theirs})"), theirs=theirs, shown=shown)


class Fill(ast.NodeTransformer):
    """Puts numbers in the place of names; a factor of one is left out."""

    def __init__(self, values: dict[str, float]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """A number for a name."""
        return ast.Constant(self.values[node.id]) if node.id in self.values else node

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """A product without a factor of one."""
        self.generic_visit(node)
        one = isinstance(node.op, ast.Mult) and isinstance(node.left, ast.Constant) and node.left.value == 1
        return node.right if one else node


def rewritten(bench: Bench) -> list[Fault]:
    """Mistakes in the equations of a cell that give what the target makes of one step."""
    try:
        bench.restart()
        steps = [Step(bench, case) for case in cases(bench)]
        if not steps or all(step.right for step in steps) or not all(step.finite for step in steps):
            return []
        return list(fitting(bench.cell, steps))
    except (Failure, NotApplicable, NotRun, CellError):
        return []


def cases(bench: Bench) -> Iterator[Case]:
    """One step of some rows, the same with larger numbers, and with other signs."""
    case = built(bench, SIZES)
    if case is None or case.num_steps != 1 or case.config.num_layers != 1:
        return
    yield case
    far = {name: bench.rounded(FAR * array) for name, array in case.arrays() if name in ("x", "h_0", "c_0")}
    yield mapped(case, far)
    yield with_other_signs(case)


class Step:
    """One step of a target: what goes in, what came out, and how far rounding may lead."""

    @np.errstate(all="ignore")
    def __init__(self, bench: Bench, case: Case) -> None:
        count = case.num_rows * case.config.hidden_size * case.config.num_states
        given, (mid, rad) = bench.ask(case), bench.ball(case)
        self.given = given[-count:]
        self.room = SLACK * rad[-count:] + 32 * bench.unit * abs(self.given) + bench.arithmetic(case).eta
        self.right = bool((abs(given - mid) <= SLACK * rad).all())
        self.finite = bool(np.isfinite(self.given).all())  # else no text gives it, whatever its numbers are
        ((self.p,),) = layer_parameters(case)
        self.x = np.asarray(case.x[0], np.float64)
        states = [state for state in (case.h_0, case.c_0) if state is not None]
        self.state = [np.asarray(state[0], np.float64) for state in states]

    def residual(self, step: Callable) -> np.ndarray:
        """How far what a text gives is from what came out, in units of the room."""
        new = step(self.x, *self.state, self.p)
        flat = np.concatenate([np.ravel(array) for array in (new if isinstance(new, tuple) else (new,))])
        return (flat - self.given) / self.room


@np.errstate(all="ignore")
def fitting(cell: Cell, steps: Sequence[Step]) -> Iterator[Fault]:
    """The rewritten texts that give these steps, as faults; a few of them."""
    found = 0
    for number, candidate in enumerate(candidates(cell)):
        values = fitted(cell, candidate, steps)
        if values is not None:
            yield fault_of(cell, candidate.filled(values), number)
            found += 1
        if found == MOST:
            return


def fault_of(cell: Cell, candidate: Rewritten, number: int) -> Fault:
    """A rewritten text as a fault."""
    where = f"{candidate.where} ({cell})"
    title = operators.stands(candidate.theirs, candidate.mine, where)
    hint = operators.stands(candidate.shown, where=where)
    function = cell if cell.own else cell.step.__name__
    id = f"rewritten-{cell.lower().replace('_', '-')}-{number}"
    return Fault(id, title, "cell-variant", function, candidate.old, candidate.new, (operators.STEPS,), hint=hint)


def fitted(cell: Cell, candidate: Rewritten, steps: Sequence[Step]) -> dict[str, float] | None:
    """The numbers with which a text gives these steps, as plain as they can be; None if there are none.

    Nor if one of them is zero or one, where it makes no difference: then a shorter form gives the same.
    """
    names = candidate.unknowns
    try:
        residual = residual_of(cell, candidate, steps)
        values = newton(residual, np.array([START[name] for name in names]))
        for numbers in ([plain(value) for value in values], values.tolist()):
            if (abs(residual(np.array(numbers))) <= 1).all():
                found = dict(zip(names, numbers))
                return None if any(value in (0, START[name]) for name, value in found.items()) else found
    except Exception:  # a form may not fit its place, nor numbers it
        pass
    return None


def residual_of(cell: Cell, candidate: Rewritten, steps: Sequence[Step]) -> Callable[[np.ndarray], np.ndarray]:
    """The residual of all steps as a function of what is to be fitted."""
    space = vars(functions) | {"by_gate": by_gate, "np": np} | cell.step.__globals__
    exec(compile(text_of(cell).replace(candidate.old, candidate.new), "<rewritten>", "exec"), space)
    step = partial(run_step, cell, space[cell.step.__name__])

    def residual(values: np.ndarray) -> np.ndarray:
        space.update(zip(candidate.unknowns, values))
        return np.concatenate([each.residual(step) for each in steps])

    return residual


def newton(residual: Callable[[np.ndarray], np.ndarray], values: np.ndarray) -> np.ndarray:
    """The values that make a residual least, by Gauss and Newton; as far as a few rounds lead."""
    for _ in range(ROUNDS if len(values) else 0):
        base = residual(values)
        if (abs(base) <= 1).all():
            break
        slopes = [(residual(values + STEP * unit) - base) / STEP for unit in np.eye(len(values))]
        if not np.isfinite([base, *slopes]).all():
            break
        values = values - np.linalg.lstsq(np.stack(slopes, 1), base, rcond=None)[0]
    return values


@cache
def text_of(cell: Cell) -> str:
    """The equations of a cell."""
    return written_out(cell)


@cache
def candidates(cell: Cell) -> list[Rewritten]:
    """Every form of every place of the equations, plain ones first."""
    packing, *lines = text_of(cell).splitlines()[1:]
    found = [*parameters(cell, packing), *inputs(cell, packing)]
    for number, line in enumerate(lines):
        known = operators.values(cell, lines[:number])
        where = f" in {operators.place_of(line)}"
        for node, text, with_text in operators.places(line):
            both = zip(forms(text, known), forms(shown(node), known)) if read(cell, node, known) else ()
            for new, told in (*both, *past(cell, node)):
                found.append(Rewritten(line, with_text(new), new, text, told, where))
    return sorted(found, key=lambda candidate: len(candidate.unknowns))


def read(cell: Cell, node: ast.expr, known: Sequence[str]) -> bool:
    """Whether a node is a value, and no name of a function or of all parameters."""
    if isinstance(node, ast.Name):
        return node.id in (*known, arguments(cell)[0])
    parameter = isinstance(node, ast.Attribute) and node.attr in operators.WEIGHTS
    return parameter or isinstance(node, ast.Call | ast.BinOp)


def shown(node: ast.expr) -> str:
    """What is shown of a value by which it is known: a name, and nothing of what is computed."""
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else "..."


def forms(text: str, known: Sequence[str]) -> Iterator[str]:
    """What may stand in the place of a text."""
    for form in FORMS:
        if "{v}" in form:
            pairs = combinations_with_replacement(known, 2)
            yield from (form.format(e=text, w=one, v=other) for one, other in pairs)
        elif "{w}" in form:
            yield from (form.format(e=text, w=one) for one in known)
        else:
            yield form.format(e=text)


def past(cell: Cell, node: ast.expr) -> Iterator[tuple[str, str]]:
    """An activation of which a term goes past it, and what is shown of that."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in operators.ACTIVATIONS:
        inner = ", ".join(ast.unparse(argument) for argument in node.args)
        x, h, *_ = arguments(cell)
        for gate in operators.gate_names(cell):
            products = f"linear({x}, {gate}.W_ih, {gate}.b_ih)", f"linear({h}, {gate}.W_hh, {gate}.b_hh)"
            for term in (f"{gate}.b_ih", f"{gate}.b_hh", *products):
                told = shown(ast.parse(term, mode="eval").body)
                for form in PAST:
                    yield form.format(f=node.func.id, e=inner, t=term), form.format(f=node.func.id, e="...", t=told)


def parameters(cell: Cell, packing: str) -> Iterator[Rewritten]:
    """The line that unpacks gates, of which one kind of parameter is another one."""
    p = parameter_of(cell)
    for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        text = f"{p}.arrays['{kind}']"
        for form in ("(A * {e})", "({e} + B)", *SHORTER, *(RELAID if kind.startswith("weight") else RELAID[1:4])):
            new = form.format(e=text)
            line = packing.replace(f"by_gate({p})", f"by_gate({p}.replace({kind}={new}))")
            yield Rewritten(packing, line, new, text, new)


def inputs(cell: Cell, packing: str) -> Iterator[Rewritten]:
    """The same line, and behind it one that makes something else of what goes in, for all that reads it."""
    for name in arguments(cell):
        clipped = (form for form in FORMS if "clip" in form)
        for form in ("(A * {e})", "({e} + B)", "tanh({e})", "relu({e})", *clipped, *SHORTER, *RELAID):
            new = form.format(e=name)
            yield Rewritten(packing, f"{packing}\n    {name} = {new}", new, name, new, " in all equations")
