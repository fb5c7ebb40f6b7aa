"""The derivatives that are printed are the slopes of the lines that they stand beside."""

import ast
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from reference_rnn import (
    CELLS,
    CellError,
    cell,
    cell_of,
    exp,
    functions,
    hard_sigmoid,
    maximum,
    silu,
    softplus,
    softsign,
    sqrt,
    tanh,
)  # fmt: skip
from reference_rnn.autodiff.derivatives import ALL_UNITS, derivatives
from reference_rnn.cell import loaded

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "cells").glob("*.py"))


@cell("abcde", vectors=("u",))
def everything(x, h, p):
    """Every function that a step may be written in."""
    a = softplus(p.a(x, h)) / (2 + exp(p.b(x, h)))
    b = -sqrt(2 + silu(p.b(x, h)) * p.u)
    c = maximum(softsign(p.c(x, h)), hard_sigmoid(p.d(x, h)))
    d = maximum(a, p.e(x, h))
    return a * b - c / d


def functions_of_scalars():
    """The functions of a step, where weights are numbers too."""

    def affine(x, W_x, h, W_h, b_x, b_h):
        return x * W_x + b_x + h * W_h + b_h

    return vars(functions) | {"affine": affine, "linear": lambda x, W, b: x * W + b}


def scalars(own, seed):
    """A number for each name that stands in the equations of a cell."""
    draw = np.random.default_rng(seed).uniform
    weights = {kind: float(draw(-1, 1)) for kind in ("W_ih", "W_hh", "b_ih", "b_hh")}
    space = own.step.__globals__ | functions_of_scalars()
    for gate in own.gates:
        space |= {name: SimpleNamespace(**weights) for name in (gate.upper(), f"gate_{gate}")}
    p = {name: float(draw(0.2, 1)) for name in own.vectors}
    states = {name: draw(-1, 1, size=1) for name in ("x", *own.states)}
    return space | {"p": SimpleNamespace(projected=lambda h: h, **p), "W_hr": 1.0} | states


@pytest.mark.parametrize(
    "own",
    [*map(cell_of, CELLS), everything, *(loaded(str(path), path.stem) for path in EXAMPLES)],
    ids=str,
)
def test_the_derivative_of_a_line_is_its_slope(own):
    compared = 0
    for seed in range(3):
        space = scalars(own, seed)
        for line in derivatives(own):
            statement = ast.parse(line.text.removeprefix("return ")).body[0]
            value = statement.value
            value = value.elts[own.states.index(line.name)] if isinstance(value, ast.Tuple) else value
            right = compile(ast.Expression(value), "<line>", "eval")
            result = {} if line.text.startswith("return") else {line.name: eval(right, space)}
            # the derivative may call the line's value by its name, unless that is a state, which is what it was
            here = space | {name: number for name, number in result.items() if name not in own.states}
            for operand, text in line.by.items():
                if not any(f"{function}'" in text for function in ALL_UNITS):
                    assert np.sum(eval(text, here)) == pytest.approx(slope(right, space, operand), rel=1e-5, abs=1e-8)
                    compared += 1
            space |= result
    assert compared >= 3


def slope(code, space, operand):
    """How fast an expression changes with a name or a vector."""
    step, values = 1e-6, []
    for sign in (1, -1):
        if "." in operand:
            name = operand.split(".")[1]
            changed = {"p": SimpleNamespace(**vars(space["p"]) | {name: getattr(space["p"], name) + sign * step})}
        else:
            changed = {operand: space[operand] + sign * step}
        values.append(np.sum(eval(code, space | changed)))
    return (values[0] - values[1]) / (2 * step)


def test_what_depends_on_all_units_is_marked():
    own = loaded(str(next(path for path in EXAMPLES if path.stem == "gru_normalised")), "gru_normalised")
    assert any("normalised' *" in text for line in derivatives(own) for text in line.by.values())


def test_a_constant_of_the_file_is_nothing_that_changes():
    own = loaded(str(next(path for path in EXAMPLES if path.stem == "leaky")), "leaky")
    assert [set(line.by) for line in derivatives(own)] == [{"h", "x"}]


def bounded(z):
    """Not one of the functions of a step, but made of one."""
    return functions.clip(z, 1.0)


squash = functions.sigmoid
GATED = True


@cell("fn")
def otherwise_called(inp, s, w, leak=0.3):
    """Other names for everything, two names in a line, a name that reads itself, and a default."""
    f, n = squash(w.f(inp, h=s)), functions.tanh(w.n(inp, s))
    n *= 0.5
    f: object = 2 * f
    return leak * s + f * n


def test_names_are_the_authors_own():
    f, n, n_half, f_twice, last = derivatives(otherwise_called)
    assert f.by == {"inp": "f * (1 - f) * F.W_ih", "s": "f * (1 - f) * F.W_hh"}
    assert n.by == {"inp": "(1 - n * n) * N.W_ih", "s": "(1 - n * n) * N.W_hh"}
    assert (n_half.by, f_twice.by) == ({"n": "0.5"}, {"f": "2"})
    assert (last.name, last.by) == ("s", {"s": "0.3", "f": "n", "n": "f"})


@cell("n")
def helped(x, h, p):
    """A function of the author's own."""
    return bounded(p.n(x, h))


@cell("n")
def chosen(x, h, p):
    """A choice."""
    n = p.n(x, h)
    return n if GATED else -n


@cell("n")
def branched(x, h, p):
    """A branch."""
    if GATED:
        x = 2 * x
    return tanh(p.n(x, h))


@cell("n")
def chained(x, h, p):
    """One value for two names."""
    a = b = p.n(x, h)
    return a * b


@pytest.mark.parametrize(
    ("own", "words"),
    [
        (helped, "HELPED: the derivative of 'bounded(affine("),
        (chosen, "CHOSEN: the derivative of 'n if GATED else -n' is not known here"),
        (branched, "BRANCHED: 'if GATED:' is no line like name = expression"),
        (chained, "is no line like name = expression"),
    ],
    ids=str,
)
def test_what_is_written_in_no_such_form_is_said(own, words):
    with pytest.raises(CellError, match=re.escape(words)):
        derivatives(own)
