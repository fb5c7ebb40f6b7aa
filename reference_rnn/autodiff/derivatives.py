"""The derivative of each line of a cell's equations, as text: what a reader checks back-propagation against.

Gradients are computed by ``tape``; here the same rules are written down, for people.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from .. import functions
from ..cell import Cell, CellError
from ..equations import arguments, parameter_of, written_out

ALL_UNITS = ("mean", "normalised")  # whose every unit depends on every other


class Line(NamedTuple):
    """One line of the equations: its text, the name that it gives a value, and its derivative by what it reads."""

    text: str
    name: str
    by: dict[str, str]


def derivatives(own: Cell) -> list[Line]:
    """The lines of a cell's equations with their derivatives.

    By x and states, by what earlier lines computed, and by vectors. Products with a weight are products of matrices;
    W_hr is 1 without a projection, and what depends on all units, as a mean does, is marked by a prime.

    Raises CellError if the source cannot be read, or a line is not of the form ``name = expression``.

    >>> from reference_rnn.cells import gru
    >>> for line in derivatives(gru)[-2:]:
    ...     print(line.name, line.by)
    n {'x': '(1 - n * n) * N.W_ih', 'r': '(1 - n * n) * q', 'q': '(1 - n * n) * r'}
    h {'z': '(h - n)', 'n': '(1 - z)', 'h': 'z'}
    """
    function = ast.parse(written_out(own)).body[0]
    names = arguments(own)
    found: list[Line] = []
    for statement in function.body[1:]:  # type: ignore[attr-defined]
        for name, value in assignments(own, statement, names[1:]):
            if ast.unparse(value) in (name, f"{parameter_of(own)}.projected({name})"):  # as a line before computed it
                continue
            by: dict[str, list[str]] = {}
            for operand, factors in Ways(own).of(value, (), "" if name in names else name):
                if operand in (*names, *(line.name for line in found)) or "." in operand:  # and no constant
                    by.setdefault(operand, []).append(" * ".join(factors) or "1")
            found.append(Line(ast.unparse(statement), name, {key: " + ".join(terms) for key, terms in by.items()}))
    return found


def assignments(own: Cell, statement: ast.stmt, states: list[str]) -> list[tuple[str, ast.expr]]:
    """The names that a line gives a value, with what that is; of the last line the states. Raises CellError."""
    if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        name = statement.target.id
        return [(name, ast.BinOp(ast.Name(name, ast.Load()), statement.op, statement.value))]
    if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
        return [(statement.target.id, statement.value)]
    targets: list[ast.expr] = []
    value: ast.expr = getattr(statement, "value", None) or ast.Constant(None)
    if isinstance(statement, ast.Return):
        targets = [ast.Name(state) for state in states]
    elif isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        (target,) = statement.targets
        targets = target.elts if isinstance(target, ast.Tuple) else [target]
    values = value.elts if isinstance(value, ast.Tuple) else [value]
    if len(targets) != len(values) or not all(isinstance(target, ast.Name) for target in targets):
        line = ast.unparse(statement).splitlines()[0]
        raise CellError(f"{own}: {line!r} is no line like name = expression")
    return [(ast.unparse(target), each) for target, each in zip(targets, values)]


class Ways:
    """What a change of an operand is multiplied by on its way through an expression of a cell."""

    def __init__(self, own: Cell) -> None:
        self.own = own

    def of(self, node: ast.expr, factors: tuple[str, ...], name: str = "") -> Iterator[tuple[str, tuple[str, ...]]]:
        """Each operand that an expression reads, and its factors.

        name  what the value of the expression is called; empty: nothing

        Raises CellError for what is neither a sum, a product, a quotient nor a known function.
        """
        if isinstance(node, ast.Name):
            yield node.id, factors
        elif isinstance(node, ast.Attribute):
            yield ast.unparse(node), factors
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield from self.of(node.operand, ("-1", *factors))
        elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            by_left, by_right = OPERATORS[type(node.op)](in_product(node.left), in_product(node.right))
            yield from self.of(node.left, (*factors, *by_left))
            yield from self.of(node.right, (*factors, *by_right))
        elif isinstance(node, ast.Call):
            yield from self.through(node, factors, name or ast.unparse(node))
        elif not isinstance(node, ast.Constant):
            raise CellError(f"{self.own}: the derivative of {ast.unparse(node)!r} is not known here")

    def through(self, call: ast.Call, factors: tuple[str, ...], y: str) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The chain rule through a function whose value is called y."""
        function, given = self.function(call.func), [*call.args, *(keyword.value for keyword in call.keywords)]
        texts = [in_product(argument) for argument in given]
        if function in ("affine", "linear", "affine_peephole"):
            for at in (0, 2) if len(given) > 3 else (0,):
                yield from self.of(given[at], (*factors, texts[at + 1]))
            if function == "affine_peephole":
                yield from self.of(given[7], (*factors, texts[6]))
        elif function == "mix":
            z, n, h = texts
            for argument, factor in zip(given, (f"({h} - {n})", f"(1 - {z})", z)):
                yield from self.of(argument, (*factors, factor))
        elif function == "maximum":
            first, second = texts
            yield from self.of(given[0], (*factors, f"({first} > {second})"))
            yield from self.of(given[1], (*factors, f"({second} >= {first})"))
        elif function in ALL_UNITS:
            yield from self.of(given[0], (*factors, f"{function}'"))
        elif function in SLOPES:
            yield from self.of(given[0], (*factors, SLOPES[function](y, *texts)))
        else:
            raise CellError(f"{self.own}: the derivative of {ast.unparse(call)!r} is not known here")

    def function(self, node: ast.expr) -> str:
        """The name that a function has in ``functions``, by whatever name it is called."""
        text = ast.unparse(node)
        if text == f"{parameter_of(self.own)}.projected":
            return "projected"
        whole, *parts = text.split(".")
        value = self.own.step.__globals__.get(whole)
        for part in parts:
            value = getattr(value, part, None)
        name = getattr(value, "__name__", text)
        return name if value is not None and getattr(functions, name, None) is value else text


def in_product(node: ast.expr) -> str:
    """The text of an expression as a factor."""
    text = ast.unparse(node)
    return f"({text})" if isinstance(node, ast.BinOp | ast.UnaryOp) else text


OPERATORS: dict[type, Callable[[str, str], tuple[tuple[str, ...], tuple[str, ...]]]] = {
    ast.Add: lambda left, right: ((), ()),
    ast.Sub: lambda left, right: ((), ("-1",)),
    ast.Mult: lambda left, right: ((right,), (left,)),
    ast.Div: lambda left, right: ((f"1 / {right}",), (f"-{left} / ({right} * {right})",)),
}


def slope(text: str, y: str, z: str, *others: str) -> str:
    """The derivative of a function of z, whose value is y; others: its other arguments."""
    return text.format(*others, y=y, z=z)


SLOPES: dict[str, Callable[..., str]] = {
    "tanh": partial(slope, "(1 - {y} * {y})"),
    "sigmoid": partial(slope, "{y} * (1 - {y})"),
    "relu": partial(slope, "({z} > 0)"),
    "exp": partial(slope, "{y}"),
    "sqrt": partial(slope, "0.5 / {y}"),
    "softplus": partial(slope, "sigmoid({z})"),
    "silu": partial(slope, "(sigmoid({z}) + {y} * (1 - sigmoid({z})))"),
    "softsign": partial(slope, "(1 - abs({y})) * (1 - abs({y}))"),
    "hard_sigmoid": partial(slope, "0.2 * (0 < {y} < 1)"),
    "projected": partial(slope, "W_hr"),
    "clip": partial(slope, "(abs({z}) < {0})"),
}
