"""Mistakes in recurrences: operators on the text of a step, and slips in how states are handed on.

An operator changes one place of the equations, as somebody does who writes them down. A slip changes one line of the
loop around them: a state that is ignored, taken from another row, added twice, lost at the edge of a chunk. Both are
patches of the reference's own text, so that each has a diff, and both are tried on a few cases: what no case tells from
the equations, or from another mistake, is left out.
"""

from __future__ import annotations

import ast
import copy
import difflib
import inspect
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Any

import numpy as np

from reference_rnn import CellError, Handed, Recurrence, RecurrenceCase, equations, recurrences
from reference_rnn.cell import run_step
from strategies.recurrences import ARRANGED, Sequences

from .operators import Change, stands, unsaid

LOOPS = ("handed", "padded", "like")
APPLIED = ("exp", "sigmoid", "tanh", "softplus", "sqrt", "silu", "relu")
CHUNKS = (4, 8, 16, 32, 64)
TRIED = 6  # cases that tell mistakes apart


@dataclass(frozen=True)
class Mistake:
    """One mistake in a recurrence.

    id      a short name;  title  as its maker would say it;  patch  the diff
    handed  the reference with it
    hint    the title without what is right, where the title says that
    """

    id: str
    title: str
    patch: str
    handed: Callable[[RecurrenceCase], Handed]
    hint: str = ""


@lru_cache(maxsize=16)
def mistakes_of(cell: Recurrence) -> dict[str, Mistake]:
    """The mistakes in a recurrence that some case tells from it and from each other, by id.

    Empty where its equations are not known, or their source cannot be read.
    """
    if cell.step is None:
        return {}
    cases = told_apart_by(cell)
    seen = {fingerprint(recurrences.handed, cases)}
    found = {}
    for mistake in (*slips(), *operated(cell)):
        given = fingerprint(mistake.handed, cases)
        if given not in seen:
            found[mistake.id] = mistake
        seen.add(given)
    return found


def told_apart_by(cell: Recurrence) -> list[RecurrenceCase]:
    """Small cases in which nothing is alike; in some of them all letters have the same size."""
    draw = random.Random(0)
    one = Sequences((cell,), ("float64",), arranged=ARRANGED, empty=("length",))
    found = []
    for number in range(TRIED):
        arranged = ARRANGED[number % len(ARRANGED)]
        chosen = {
            "steps": (5, 27, 70, 3, 27, 70)[number],
            "batch": 3,
            "heads": 2,
            "stateless": False,
            "kind": "uniform",
        }
        case = one.filled(draw, chosen | {"arranged": arranged})
        if number % 2:
            alike = Sequences((cell,), ("float64",), arranged=ARRANGED, sizes=dict.fromkeys(cell.letters, (3,)))
            case = alike.filled(draw, chosen | {"arranged": arranged})
        found.append(case)
    return found


@np.errstate(all="ignore")
def fingerprint(function: Callable[[RecurrenceCase], Handed], cases: list[RecurrenceCase]) -> bytes:
    """What a reference makes of some cases, as bytes; rounded, since sums have no order."""
    parts = []
    for case in cases:
        try:
            values = [np.asarray(value, np.float64) for _, value in function(case).items()]
        except Exception as error:  # a change may not work at all, which tells it apart
            return repr(type(error)).encode()
        parts += [np.round(np.nan_to_num(value), 9) + 0.0 for value in values]
    return b"".join(part.tobytes() for part in parts)


# ---------------------------------------------------------------- how states are handed on

GIVEN = "states = [lift(plain.states[name]) for name in cell.states]"
STEP = "new = stepped(cell, [lift(plain.inputs[name][t]) for name in cell.inputs], states, p)"
KEPT = "states = [held(alive, *both) for both in zip(new[len(cell.outputs) :], states)]"
SHOWN = "steps.append([held(alive, output, 0.0) for output in new[: len(cell.outputs)]])"
ENDED = "return like(case, Handed(outputs, dict(zip(cell.states, states))))"
ALIVE = "alive = t < plain.row_lengths"

# A second run beside the first one, from zeros.
ASIDE = (
    GIVEN, f"{GIVEN}\n    aside = [0 * s for s in states]",
    STEP, f"{STEP}\n        alone = {STEP.removeprefix('new = ').replace('states, p', 'aside, p')}",
    KEPT, f"{KEPT}\n        aside = [held(t < plain.row_lengths, *b) for b in zip(alone[len(cell.outputs) :], aside)]",
)  # fmt: skip

SLIPS = {
    "given-not-in-final": ("the states that are handed on leave out those that were given", *ASIDE, ENDED,
                           ENDED.replace("states)", "aside)")),
    "given-not-in-outputs": ("the outputs leave out the states that are given", *ASIDE, SHOWN,
                             SHOWN.replace("in new[", "in alone[")),
    "state-ignored": ("the states that are given are ignored", GIVEN, GIVEN.replace("lift(", "0 * lift(")),
    "state-of-row-0": ("every row starts from the states of row 0", GIVEN,
                       "states = [lift(0 * plain.states[name] + plain.states[name][:1]) for name in cell.states]"),
    "state-of-next-row": ("every row starts from the states of the next one", GIVEN,
                          "states = [lift(np.roll(plain.states[name], -1, 0)) for name in cell.states]"),
    "state-of-row-before": ("every row starts from the states of the one before", GIVEN,
                            "states = [lift(np.roll(plain.states[name], 1, 0)) for name in cell.states]"),
    "state-added-twice": ("the states that are given count twice", GIVEN, GIVEN.replace("lift(", "2 * lift(")),
    "state-negated": ("the states that are given have the wrong sign", GIVEN, GIVEN.replace("lift(", "-lift(")),
    "state-of-head-0": ("every head starts from the states of head 0", GIVEN,
                        "states = [lift(0 * plain.states[name] + plain.states[name][:, :1]) for name in cell.states]"),
    "state-transposed": ("the states that are given are read transposed", GIVEN,
                         "states = [lift(s.swapaxes(-1, -2) if s.ndim > 3 and s.shape[-1] == s.shape[-2] else s) "
                         "for s in plain.states.values()]"),
    "first-state-only": ("only the first of the states that are given is read", GIVEN,
                         "states = [lift(s) * (not n) for n, s in enumerate(plain.states.values())]"),
    "every-step-from-start": ("every step starts from the states that are given", KEPT,
                              f"{KEPT[:8]}[lift(plain.states[name]) for name in cell.states]"),
    "final-is-given": ("the states that are given are handed on, not the last ones", ENDED,
                       ENDED.replace("states)", "[lift(plain.states[name]) for name in cell.states])")),
    "final-is-zero": ("zeros are handed on as states", ENDED, ENDED.replace("states)", "[0 * s for s in states])")),
    "final-of-row-0": ("the states of row 0 are handed on for every row", ENDED,
                       ENDED.replace("states)", "[0 * s + s[:1] for s in states])")),
    "final-of-row-before": ("each row is handed the states of the one before", ENDED,
                            ENDED.replace("states)", "[np.roll(s, 1, 0) for s in states])")),
    "final-doubled": ("the states that are handed on count twice", ENDED,
                      ENDED.replace("states)", "[2 * s for s in states])")),
    "final-of-step-before": ("the states before the last step are handed on", KEPT,
                             "before, states = states, [held(alive, *both) for both in "
                             "zip(new[len(cell.outputs) :], states)]", ENDED,
                             ENDED.replace("states)", "before if plain.num_steps else states)")),
    "stepped-once-more": ("the last step is made once more before states are handed on", ENDED,
                          "if plain.num_steps:\n"
                          "        states = list(stepped(cell, [lift(plain.inputs[name][-1]) for name in cell.inputs], "
                          f"states, p)[len(cell.outputs) :])\n    {ENDED}"),
    "final-past-the-end": ("states go on past the end of a row", KEPT, "states = list(new[len(cell.outputs) :])"),
    "output-past-the-end": ("outputs go on past the end of a row", SHOWN,
                            "steps.append(list(new[: len(cell.outputs)]))"),
    "row-ends-late": ("every row ends a step late", ALIVE, "alive = t <= plain.row_lengths"),
    "row-ends-early": ("every row ends a step early", ALIVE, "alive = t < plain.row_lengths - 1"),
    "ends-of-row-0": ("every row ends where row 0 does", ALIVE,
                      "alive = t < 0 * plain.row_lengths + plain.row_lengths[:1]"),
    "first-step-without-state": ("the first step does not read the states that are given, the second does", STEP,
                                 STEP.replace("states, p", "[s * (t > 0) for s in states], p")),
    "last-step-missing": ("the last step is not computed", ALIVE, f"{ALIVE} * (t < plain.num_steps - 1)"),
    "input-of-step-before": ("each step reads the inputs of the one before", STEP,
                             STEP.replace("[t])", "[max(t - 1, 0)])")),
    "input-of-next-step": ("each step reads the inputs of the next one", STEP,
                           STEP.replace("[t])", "[min(t + 1, plain.num_steps - 1)])")),
    "outputs-a-step-late": ("outputs stand a step late", SHOWN,
                            f"{SHOWN}\n        steps[-1], late = steps[-1] if not t else late, steps[-1]"),
    "packed-offset-shifted": ("the offsets of packed rows are shifted by one step", "inputs = {name: beside(array)",
                              "inputs = {name: beside(np.roll(array, -1, 0))"),
    "packed-row-continued": ("a packed row starts from where the one before ended", STEP,
                             f"if case.offsets is not None and not t:\n            states = [np.roll(s, 1, 0) "
                             f"for s in states]\n        {STEP}"),
}  # fmt: skip

AT_EDGES = {
    "lost": ("the states are lost every {} steps", "[s * (t % {} > 0 or t == 0) for s in states]"),
    "given-again": ("the states that are given are added again every {} steps",
                    "[s + (t % {} == 0 and t > 0) * lift(plain.states[name]) for s, name in zip(states, cell.states)]"),
    "doubled": ("the states count twice at the edge of each chunk of {} steps",
                "[s * (1 + (t % {} == 0 and t > 0)) for s in states]"),
    "row-0": ("rows take the states of row 0 at the edge of each chunk of {} steps",
              "[0 * s + s[:1] if t % {} == 0 and t > 0 else s for s in states]"),
}  # fmt: skip

# What is handed on at the end of a chunk that was also run from zeros: start is what there was before it.
AT_ENDS = {
    "undecayed": (
        "the states before each chunk of {} steps do not decay in it",
        "[a + b for a, b in zip(start, aside)]",
    ),
    "replaced": ("the states of each chunk of {} steps replace those before it", "aside"),
}


def slips() -> Iterator[Mistake]:
    """Mistakes in how states are handed on, and where rows and chunks end."""
    for id, (title, *changes) in SLIPS.items():
        yield slip(id, title, *zip(changes[::2], changes[1::2]))
    for chunk in CHUNKS:
        for id, (title, edge) in AT_EDGES.items():
            yield slip(f"{id}-every-{chunk}", title.format(chunk),
                       (STEP, f"states = {edge.format(chunk)}\n        {STEP}"))  # fmt: skip
        yield from of_chunks(chunk)


def of_chunks(chunk: int) -> Iterator[Mistake]:
    """Mistakes in what chunks of so many steps hand on, where it takes more than their first step to see it."""
    _, _, _, both, _, kept = ASIDE
    begins, ends = f"t % {chunk} == 0", f"(t + 1) % {chunk} == 0 or t + 1 == plain.num_steps"
    for id, (title, handed) in AT_ENDS.items():
        yield slip(
            f"{id}-every-{chunk}", title.format(chunk),
            (STEP, f"if {begins}:\n            start, aside = states, [0 * s for s in states]\n        {both}"),
            (KEPT, f"{kept}\n        if {ends}:\n            states = {handed}"),
        )  # fmt: skip
    given = GIVEN.removeprefix("states = ")
    yield slip(
        f"outputs-from-given-every-{chunk}", f"the outputs of each chunk of {chunk} steps start from the given states",
        (STEP, f"if {begins}:\n            aside = {given}\n        {both}"), (KEPT, kept),
        (SHOWN, SHOWN.replace("in new[", "in alone[")),
    )  # fmt: skip
    whole = f"if t == plain.num_steps - plain.num_steps % {chunk} - 1:\n            whole = states\n        {SHOWN}"
    rest = f"what is behind the last whole chunk of {chunk} steps is not handed on"
    alone = f"{rest}, nor is anything of fewer steps"
    for id, title, fewer in (("rest-of", rest, "states"), ("less-than", alone, given)):
        handed = f"whole if plain.num_steps >= {chunk} else {fewer})"
        yield slip(f"{id}-{chunk}-not-handed-on", title, (SHOWN, whole), (ENDED, ENDED.replace("states)", handed)))


def slip(id: str, title: str, *changes: tuple[str, str]) -> Mistake:
    """A mistake of changed lines of the loop."""
    texts = sources()
    for old, new in changes:
        (name,) = [name for name, text in texts.items() if old in text]
        texts[name] = texts[name].replace(old, new)
    patch = "\n".join(diff(old, new) for old, new in changes)
    return Mistake(f"handed.{id}", title, patch, reference_of(texts))


def diff(old: str, new: str) -> str:
    """Two texts as lines that go and lines that come."""
    before, after = (inspect.cleandoc(text).splitlines() for text in (old, new))
    lines = difflib.unified_diff(before, after, lineterm="", n=0)
    return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


@lru_cache(maxsize=1)
def originals() -> dict[str, str]:
    """The text of the loop and of what stands around it."""
    return {name: inspect.getsource(getattr(recurrences, name)) for name in LOOPS}


def sources() -> dict[str, str]:
    """The same, to be changed."""
    return dict(originals())


def reference_of(
    texts: dict[str, str], stepped: Callable[..., Any] | None = None
) -> Callable[[RecurrenceCase], Handed]:
    """The reference made of these texts."""
    space = dict(vars(recurrences))
    if stepped is not None:
        space["stepped"] = stepped
    for text in texts.values():
        exec(code_of(text), space)
    return space["handed"]


def code_of(text: str) -> CodeType:
    """The code of a text; what the interpreter thinks of a mistake is nobody's concern."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return compile(text, "<a recurrence with a mistake>", "exec")


# ---------------------------------------------------------------- the equations


def operated(cell: Recurrence) -> Iterator[Mistake]:
    """Mistakes in one place of the equations."""
    try:
        tree = parsed(cell)
    except CellError:
        return
    before = ast.unparse(tree)
    seen = {before}
    for number, (change, changed) in enumerate(changes_of(cell, tree)):
        after = ast.unparse(ast.fix_missing_locations(changed))
        if after in seen:
            continue
        seen.add(after)
        patch = diff(before, after)
        id = f"{cell.lower().replace('_', '-')}.{change.operator}.{number}"
        title, hint = change.told(f" ({cell})")
        yield Mistake(id, title, patch, reference_of(sources(), step_of(cell, after)), hint)


def parsed(cell: Recurrence) -> ast.FunctionDef:
    """The syntax tree of a step without its docstring; raises CellError if its source cannot be read."""
    tree = equations.parsed(cell)
    tree.decorator_list = []
    tree.body = list(equations.body_of(tree))
    return tree


def step_of(cell: Recurrence, text: str) -> Callable[..., tuple]:
    """``stepped`` with another text of the equations."""
    made: list[Callable[..., Any]] = []

    def stepped(own: Recurrence, x: list[Any], states: list[Any], p: Any) -> tuple:
        if not made:  # many are made and few are called
            space = dict(cell.step.__globals__)
            exec(code_of(text), space)
            made.append(space[cell.step.__name__])
        new = run_step(cell, made[0], *x, *states, *([p] if own.parameters else []))
        return new if isinstance(new, tuple) else (new,)

    return stepped


def changes_of(cell: Recurrence, tree: ast.FunctionDef) -> Iterator[tuple[Change, ast.FunctionDef]]:
    """Each change of one place, and the changed tree."""
    arguments = [argument.arg for argument in tree.args.args]
    assigned = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    known = [name for name in dict.fromkeys([*arguments, *assigned]) if name != "p" or not cell.parameters]
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    where = {id(node): f" in {made_by(statement)}" for statement in tree.body for node in ast.walk(statement)}
    for place, node in enumerate(ast.walk(tree)):
        for change in variants(cell, node, where.get(id(node), ""), known, called):
            yield change, replaced(tree, place, change.new)
    for state in cell.states:
        yield from early(tree, state)


def made_by(statement: ast.stmt) -> str:
    """What a statement computes, in words."""
    return " and ".join(names(statement.targets) if isinstance(statement, ast.Assign) else ()) or "the result"


def variants(cell: Recurrence, node: ast.AST, where: str, known: list[str], called: set[int]) -> Iterator[Change]:
    """What may stand in the place of an expression.  where: what it is a part of, for hints"""
    is_read = isinstance(getattr(node, "ctx", None), ast.Load) and id(node) not in called
    text = ast.unparse(node) if isinstance(node, ast.expr) else ""
    parameter = isinstance(node, ast.Subscript) and ast.unparse(node.value) == "p"
    if is_read and ((isinstance(node, ast.Name) and node.id in known) or parameter):
        yield Change("drop", f"{text} is left out", text, f"(0 * {text})")
        yield Change("double", f"{text} counts twice", text, f"(2 * {text})")
        yield Change("negate", f"{text} has the wrong sign", text, f"(0 - {text})")
        inverse = f"1 - {text}"
        yield Change("invert", stands(inverse, text), text, f"({inverse})", stands(inverse, where=where))
        others = [f"p[{name!r}]" for name in cell.parameters] if parameter else known
        for other in others:
            if other != text:
                yield Change("exchange", stands(other, text), text, other, stands(other, where=where))
        if len(cell.states.get(text, "")) == 2:
            yield Change("transpose", f"{text} is read transposed", text, f"{text}.swapaxes(-1, -2)")
    if isinstance(node, ast.BinOp):
        left, right = ast.unparse(node.left), ast.unparse(node.right)
        yield Change("side", f"{right} is left out", text, f"({left})", unsaid(node.right, where))
        yield Change("side", f"{left} is left out", text, f"({right})", unsaid(node.left, where))
        if isinstance(node.op, ast.Add):
            hint = f"something is subtracted{where}"
            yield Change("sign", f"{right} is subtracted", text, f"({left} - {right})", hint)
        if isinstance(node.op, ast.Sub):
            yield Change("sign", f"{right} is added", text, f"({left} + {right})", f"something is added{where}")
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in APPLIED and node.args:
        inner = ", ".join(map(ast.unparse, node.args))
        yield Change("apply", f"{node.func.id} is not applied", text, f"({inner})")
        for other in APPLIED:
            if other != node.func.id and other in cell.step.__globals__:
                title, hint = stands(other, node.func.id), stands(other, where=where)
                yield Change("apply", title, text, f"{other}({inner})", hint)


def replaced(tree: ast.FunctionDef, place: int, text: str) -> ast.FunctionDef:
    """A copy of a tree with another text in one place, counted as ``ast.walk`` goes."""
    changed = copy.deepcopy(tree)
    old = next(node for number, node in enumerate(ast.walk(changed)) if number == place)

    class Put(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            return ast.parse(text, mode="eval").body if node is old else self.generic_visit(node)

    return Put().visit(changed)  # type: ignore[return-value]


def early(tree: ast.FunctionDef, state: str) -> Iterator[tuple[Change, ast.FunctionDef]]:
    """A state read as it was before its update, in each statement behind that."""
    updates = [at for at, line in enumerate(tree.body) if isinstance(line, ast.Assign) and state in names(line.targets)]
    for at in range(updates[0] + 1 if updates else len(tree.body), len(tree.body)):
        for place, node in enumerate(ast.walk(tree.body[at])):
            if isinstance(node, ast.Name) and node.id == state and isinstance(node.ctx, ast.Load):
                changed = copy.deepcopy(tree)
                found = next(n for number, n in enumerate(ast.walk(changed.body[at])) if number == place)
                assert isinstance(found, ast.Name)
                found.id = "before"
                changed.body.insert(0, ast.parse(f"before = {state}").body[0])
                title = f"{state} of the step before is read, not the new one"
                yield Change("early", title, state, "before"), changed


def names(targets: list[ast.expr]) -> list[str]:
    """The names that are given values."""
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]
