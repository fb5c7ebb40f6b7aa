"""What a file imports that it may not: read off its text, so that an import in a function counts before it runs."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from pathlib import Path

from .child import forbidden_package
from .files import FileError, read_bytes

LARGEST = 2**24  # bytes of a file of code
UNPARSED = (FileError, SyntaxError, ValueError, RecursionError, MemoryError)  # what a text may do to its parser
ALLOWED = ("conformance", "Capabilities")  # which a target says what it claims by


def forbidden_import(file: Path, forbid: Collection[str], seen: frozenset[Path] = frozenset()) -> str:
    """Where a file, or one beside it that it imports, imports a forbidden module; empty if it does not, or cannot be
    read, which others say better.

    forbid: dotted names; each stands for a module with all that is in it
    """
    tree = parsed(file)
    if tree is None:
        return ""
    for line, name in imports(tree):
        if package := forbidden_package(name, forbid):
            return f"{file.name} imports {package} on line {line}, which is forbidden here"
        beside = file.with_name(name.partition(".")[0] + ".py")
        if (
            beside.is_file()
            and beside not in seen
            and (said := forbidden_import(beside, forbid, seen | {file, beside}))
        ):
            return said
    return ""


def parsed(file: Path) -> ast.Module | None:
    """The tree of a regular file; None where it cannot be read, which others say better."""
    try:
        return ast.parse(read_bytes(file, LARGEST))
    except UNPARSED:
        return None


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of each module that some code imports, by a statement or by its name as a text.

    What is imported from a module may be one in it, and has a name as if it were.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if [(node.module, alias.name) for alias in node.names] != [ALLOWED]:
                yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, node.module or alias.name) for alias in node.names)
        elif isinstance(node, ast.Call) and called(node) in ("__import__", "import_module"):
            texts = [one.value for one in node.args[:1] if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            yield from ((node.lineno, text) for text in texts)


def called(node: ast.Call) -> str:
    """The name of what is called."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
