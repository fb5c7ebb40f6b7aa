"""What a file of code says before it runs: the names that it defines, and the modules that it imports."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .files import FileError, read_bytes

LARGEST = 2**24  # bytes of a file of code
UNPARSED = (SyntaxError, ValueError, RecursionError, MemoryError)  # what a text may do to its parser
ALLOWED = ("conformance", "Capabilities")  # which a target says what it claims by


@dataclass(frozen=True)
class SourceText:
    """The text of a file, and its tree: one without statements where it cannot be read or parsed.

    refused_at  the line that the parser refused, counted from 1, or 1 of a file that cannot be read; else 0
    """

    text: str
    tree: ast.Module
    refused_at: int = 0

    @classmethod
    def read(cls, file: Path) -> SourceText:
        """The text of a regular file; what is wrong with it, whoever loads it says better."""
        try:
            return parsed(read_bytes(file, LARGEST))
        except FileError:
            return cls("", ast.Module([], []), refused_at=1)

    def line_of(self, name: str) -> int:
        """The line that defines a name, or that was refused; else the first."""
        found = next((one.lineno for one in self.tree.body if name in names_defined(one)), 1)
        return self.refused_at or found

    @property
    def functions(self) -> list[ast.FunctionDef]:
        """The functions at the top of the file."""
        return [one for one in self.tree.body if isinstance(one, ast.FunctionDef)]

    @property
    def own_names(self) -> list[str]:
        """The functions and classes at the top of the file, in its order."""
        return [one.name for one in self.tree.body if isinstance(one, ast.FunctionDef | ast.ClassDef)]

    @property
    def all_names(self) -> set[str]:
        """What importing the file may define, also in an ``if`` or a ``try``; ``*`` where that depends on another."""
        return {name for statement in run_on_import(self.tree) for name in names_defined(statement)}

    @property
    def lone_class(self) -> str | None:
        """The one class at the top whose ``forward(self, case)`` makes it a target, where nothing is named forward.

        None where there are several, where it cannot be built without arguments, is the base of another class, or a
        module of torch, whose ``forward`` takes arrays.
        """
        if self.all_names & {"forward", "*"}:
            return None
        all_classes = [one for one in self.tree.body if isinstance(one, ast.ClassDef)]
        bases = {name for one in all_classes for name in names_of_bases(one)}
        classes = [one for one in all_classes if takes_cases(one) and one.name not in bases]
        return classes[0].name if len(classes) == 1 and builds_alone(classes[0]) else None

    def imports(self) -> Iterator[tuple[int, str]]:
        """Line and dotted name of each module that the file imports anywhere, by a statement or by its name as a text.

        What is imported from a module may be a module in it, and has a name as if it were.
        """
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                if [(node.module, alias.name) for alias in node.names] != [ALLOWED]:
                    yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.lineno, node.module or alias.name) for alias in node.names)
            elif isinstance(node, ast.Call) and called(node) in ("__import__", "import_module"):
                first = [one.value for one in node.args[:1] if isinstance(one, ast.Constant)]
                yield from ((node.lineno, name) for name in first if isinstance(name, str))


@lru_cache(maxsize=4)
def parsed(code: bytes) -> SourceText:
    """The text and the tree of some code: that of a target is asked for by its loader, its report and others."""
    text = code.decode(errors="replace")
    try:
        with warnings.catch_warnings():  # which whoever runs the file sees
            warnings.simplefilter("ignore")
            return SourceText(text, ast.parse(code))
    except UNPARSED as error:
        return SourceText(text, ast.Module([], []), getattr(error, "lineno", None) or 1)


def names_of_bases(found: ast.ClassDef) -> list[str]:
    """The names of the classes that a class is made of, without their modules."""
    return [getattr(base, "attr", getattr(base, "id", "")) for base in found.bases]


def takes_cases(found: ast.ClassDef) -> bool:
    """Whether a class has a method ``forward(self, case)``, and is no ``Module`` of a package."""
    forward = method(found, "forward")
    of_torch = any(name.endswith("Module") for name in names_of_bases(found))
    return forward is not None and not of_torch and [one.arg for one in forward.args.args][1:] == ["case"]


def builds_alone(found: ast.ClassDef) -> bool:
    """Whether its own ``__init__``, if it has one, needs no argument but self."""
    if (build := method(found, "__init__")) is None:
        return True
    arguments = build.args
    positional = len(arguments.posonlyargs) + len(arguments.args) - 1
    return len(arguments.defaults) >= positional and None not in arguments.kw_defaults


def method(found: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    """A method that a class defines itself; None if it does not."""
    return next((one for one in found.body if isinstance(one, ast.FunctionDef) and one.name == name), None)


def names_defined(statement: ast.stmt) -> list[str]:
    """The names that one statement defines; those of an import as they are used."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.partition(".")[0] for alias in statement.names]
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    targets = [statement.target] if isinstance(statement, ast.AnnAssign) else targets
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def called(node: ast.Call) -> str:
    """The name of what is called."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def run_on_import(tree: ast.AST) -> Iterator[ast.stmt]:
    """The statements that run when a file is imported, also those in an ``if``, a ``try`` and the like."""
    todo = [tree]
    while todo:
        for child in ast.iter_child_nodes(todo.pop()):
            if isinstance(child, ast.stmt):
                yield child
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.expr):
                todo.append(child)
