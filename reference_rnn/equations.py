"""The equations of a cell as text, with each ``p.g(x, h)`` written out: what is printed, and what a mistake changes.

The text is a function of x, the states and the parameters of one layer and direction; it runs like the step itself.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Sequence
from functools import lru_cache

from .cell import Cell, CellError


@lru_cache(maxsize=256)
def written_out(own: Cell, options: bool = False) -> str:
    """The text of a cell's step.

    options  whether its activations and coupled gates are arguments, and its gates have peepholes

    Raises CellError if its source cannot be read, or has statements within others.

    >>> from reference_rnn.cells import gru
    >>> print(written_out(gru))
    def gru(x, h, p):
        R, Z, N = by_gate(p)
        r = sigmoid(affine(x, R.W_ih, h, R.W_hh, R.b_ih, R.b_hh))
        z = sigmoid(affine(x, Z.W_ih, h, Z.W_hh, Z.b_ih, Z.b_hh))
        q = linear(h, N.W_hh, N.b_hh)
        n = tanh(linear(x, N.W_ih, N.b_ih) + r * q)
        return mix(z, n, h)
    """
    function = parsed(own)
    names = letters(own, function)
    usual: dict[str, ast.expr] = {name: ast.Name(f.__name__) for name, f in own.choices.items()}
    usual |= defaults(own) | {"coupled_gates": ast.Constant(False)}
    written = WriteOut(parameter_of(own), names, options).visit(Replace({} if options else usual).visit(function))
    lines = [
        f"def {written.name}({', '.join(argument.arg for argument in written.args.args)}):",
        f"    {', '.join(names.values())}{',' * (len(names) == 1)} = by_gate({parameter_of(own)})",
    ]
    for statement in body_of(written):
        if hasattr(statement, "body"):
            raise CellError(f"{own}: {ast.unparse(statement).splitlines()[0]!r} is no line like name = expression")
        lines.append(textwrap.indent(ast.unparse(ast.fix_missing_locations(statement)), "    "))
    return "\n".join(lines)


def equations_of(own: Cell) -> str:
    """The text of a cell's or a recurrence's step, for people; empty where it is not known."""
    if own.step is None:
        return own.equations
    try:
        if own.gates:
            return written_out(own)
        function = parsed(own)
    except CellError:
        return ""
    function.decorator_list, function.body = [], list(body_of(function))
    return ast.unparse(function)


def parsed(own: Cell) -> ast.FunctionDef:
    """The syntax tree of a step; raises CellError."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(own.step))).body[0]
    except (OSError, TypeError, SyntaxError) as error:
        raise CellError(f"the source of {own} cannot be read: {error}; put it into a file of its own") from None
    if not isinstance(tree, ast.FunctionDef):
        raise CellError(f"{own} is no function that is written with def")
    return tree


def defaults(own: Cell) -> dict[str, ast.expr]:
    """The arguments of a step that are numbers by default, and nobody gives another value."""
    given = inspect.signature(own.step).parameters.values()
    numbers = {argument.name: argument.default for argument in given if isinstance(argument.default, int | float)}
    return {name: ast.Constant(value) for name, value in numbers.items()}


def body_of(function: ast.FunctionDef) -> Sequence[ast.stmt]:
    """The statements of a function without its docstring."""
    return function.body[ast.get_docstring(function) is not None :]


def arguments(own: Cell) -> list[str]:
    """What a step calls x and the states."""
    return list(inspect.signature(own.step).parameters)[: 1 + len(own.states)]


def parameter_of(own: Cell) -> str:
    """The name by which a step calls its parameters: that of the argument behind the states."""
    return list(inspect.signature(own.step).parameters)[1 + len(own.states)]


def letters(own: Cell, function: ast.FunctionDef) -> dict[str, str]:
    """The names of the gates' parameters: capital letters, or others where a step has a use for these."""
    used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
    return {gate: gate.upper() if gate.upper() not in used else f"gate_{gate}" for gate in own.gates}


class Replace(ast.NodeTransformer):
    """Puts the usual activations and options into the places of the arguments for them."""

    def __init__(self, values: dict[str, ast.expr]) -> None:
        self.values = values

    def visit_FunctionDef(self, function: ast.FunctionDef) -> ast.FunctionDef:
        """The function without these arguments."""
        function.args.args = [argument for argument in function.args.args if argument.arg not in self.values]
        function.body = [self.visit(statement) for statement in function.body]
        return function

    def visit_Name(self, name: ast.Name) -> ast.expr:
        """The value of one of these arguments."""
        return self.values.get(name.id, name)

    def visit_IfExp(self, choice: ast.IfExp) -> ast.expr:
        """What is chosen, where that is known."""
        test = self.visit(choice.test)
        if isinstance(test, ast.Constant):
            return self.visit(choice.body if test.value else choice.orelse)
        return ast.IfExp(test, self.visit(choice.body), self.visit(choice.orelse))


class WriteOut(ast.NodeTransformer):
    """Writes the sums of gates out."""

    def __init__(self, p: str, names: dict[str, str], peepholes: bool) -> None:
        self.p = p
        self.names = names
        self.peepholes = peepholes

    def visit_Call(self, call: ast.Call) -> ast.expr:
        """``p.g(x, h)``, ``p.g.input(x)`` and ``p.g.recurrent(h)`` as what they stand for."""
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        ordered = [*call.args, *(named[name] for name in ("x", "h", "c") if name in named)]
        given = [ast.unparse(self.visit(argument)) for argument in ordered]
        gate, half = self.gate(call.func), ""
        if not gate and isinstance(call.func, ast.Attribute):
            gate, half = self.gate(call.func.value), call.func.attr
        if not gate:
            return ast.Call(self.visit(call.func), [self.visit(argument) for argument in call.args], call.keywords)
        if half == "input":
            return expression(f"linear({given[0]}, {gate}.W_ih, {gate}.b_ih)")
        if half == "recurrent":
            return expression(f"linear({given[0]}, {gate}.W_hh, {gate}.b_hh)")
        sums = f"{given[0]}, {gate}.W_ih, {given[1]}, {gate}.W_hh, {gate}.b_ih, {gate}.b_hh"
        if self.peepholes and len(given) == 3:
            return expression(f"affine_peephole({sums}, {gate}.w_ch, {given[2]})")
        return expression(f"affine({sums})")

    def gate(self, node: ast.expr) -> str:
        """The name of the gate's parameters that ``p.g`` stands for; empty for anything else."""
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == self.p:
            return self.names.get(node.attr, "")
        return ""


def expression(text: str) -> ast.expr:
    """The syntax tree of an expression."""
    return ast.parse(text, mode="eval").body
