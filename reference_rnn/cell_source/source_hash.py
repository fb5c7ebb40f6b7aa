"""The hash of what a file says of one name, so that a cell stays the same while code beside it changes."""

from __future__ import annotations

import ast
import hashlib
import io
from collections.abc import Iterator
from functools import lru_cache

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
HELD = (ast.Subscript, ast.Attribute, ast.Starred)
ANYTHING = "*"  # which a call on its own, or an import of all names, may make


@lru_cache(maxsize=64)
def digest(text: str, name: str) -> str:
    """The hash of the statements of a module that make what a name stands for, and what these read, and no others.

    What is called on its own counts, since it may change anything; what another statement calls does not. What is
    imported counts by its name, not by its text. Of a text that cannot be parsed, or that does not define the name, all
    counts.

    >>> text = "two = 2\\ndef twice(x): return two * x\\ndef other(x): return x"
    >>> digest(text, "twice") == digest(text.replace("return x", "return -x"), "twice")
    True
    >>> digest(text, "twice") == digest(text.replace("two = 2", "two = 3"), "twice")
    False
    """
    lines = io.StringIO(text, newline=None).readlines()  # as Python counts them: a form feed ends none
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        statements = []
    needed = [line for statement in needed_by(name, statements) for line in lines[first(statement) : last(statement)]]
    return hashlib.sha256("".join(needed or lines).encode(errors="surrogateescape")).hexdigest()


def needed_by(name: str, statements: list[ast.stmt]) -> list[ast.stmt]:
    """The statements that make what a name stands for, in their order; those that may make anything are among them."""
    wanted, kept = {name, ANYTHING}, set[int]()
    while more := {at for at, one in enumerate(statements) if at not in kept and wanted.intersection(makes(one))}:
        kept |= more
        wanted |= {node.id for at in more for node in ast.walk(statements[at]) if isinstance(node, ast.Name)}
    return [one for at, one in enumerate(statements) if at in kept]


def makes(statement: ast.stmt) -> Iterator[str]:
    """The names that a statement binds, or may change what they stand for."""
    if isinstance(statement, DEFINITIONS):
        yield statement.name
        return
    if is_main(statement):
        return
    for node in ast.walk(statement):
        if isinstance(node, DEFINITIONS):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.Expr) and any(isinstance(inner, ast.Call) for inner in ast.walk(node)):
            yield ANYTHING
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar | ast.MatchMapping):
            yield getattr(node, "rest" if isinstance(node, ast.MatchMapping) else "name") or ""
        elif isinstance(node, ast.expr) and isinstance(getattr(node, "ctx", None), ast.Store | ast.Del):
            yield base(node)


def base(node: ast.expr) -> str:
    """The name that an assignment changes: a itself, or what a[0] and a.b are parts of; "" if there is none."""
    while isinstance(node, HELD):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def is_main(statement: ast.stmt) -> bool:
    """Whether a statement is run only where its file is a program."""
    test = getattr(statement, "test", None)
    return isinstance(test, ast.Compare) and getattr(test.left, "id", "") == "__name__"


def first(statement: ast.stmt) -> int:
    """The index of a statement's first line, its decorators included."""
    above = getattr(statement, "decorator_list", [])
    return min(node.lineno for node in (statement, *above)) - 1


def last(statement: ast.stmt) -> int:
    """The index behind a statement's last line."""
    assert statement.end_lineno is not None
    return statement.end_lineno
