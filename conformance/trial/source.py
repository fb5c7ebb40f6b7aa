"""The source of some functions of ours with all of ours that they use, so that they stand alone."""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path

BLOCKS = ("def ", "class ", "@")
OURS = ("conformance", "reference_rnn", "strategies")
CLAIMS = ("conformance.claims.capabilities", "Capabilities")

Statement = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


class NotAlone(Exception):
    """Something cannot be written out; the message says what."""


def alone(module: str, names: list[str]) -> str:
    """The text of a module with these names, and of ours what they use; what is not used is left out."""
    written = Written()
    for name in names:
        written.add(module, name)
    written.calls(module)
    text = "\n".join([*sorted(written.imports, key=str.lower), ""])
    for part, before in zip(written.parts, ["", *written.parts]):
        defines = part.startswith(BLOCKS) or before.startswith(BLOCKS)
        text += ("\n\n" if defines else "\n" * (not before)) + part + "\n"
    return text


class Written:
    """What has been written out so far: imports of other packages, and definitions in the order of their use."""

    def __init__(self) -> None:
        self.imports: dict[str, None] = {}
        self.parts: list[str] = []
        self.done: dict[str, tuple[str, str]] = {}
        self.modules: dict[str, tuple[str, ast.Module, bool]] = {}

    def read(self, module: str) -> tuple[str, ast.Module]:
        """The text and the syntax of a module."""
        if module not in self.modules:
            spec = importlib.util.find_spec(module)
            assert spec is not None and spec.origin is not None
            text = Path(spec.origin).read_text()
            self.modules[module] = text, ast.parse(text), spec.submodule_search_locations is not None
        return self.modules[module][:2]

    def add(self, module: str, name: str) -> None:
        """Writes out a name of a module, after all that it uses."""
        place = module, name
        if self.done.setdefault(name, place) != place:
            raise NotAlone(f"{module}.{name} and {'.'.join(self.done[name])} have the same name")
        text, tree = self.read(module)
        statement = next((s for s in tree.body if name in bound(s)), None)
        if statement is None:
            raise NotAlone(f"{module} does not define {name}")
        if isinstance(statement, ast.Import | ast.ImportFrom):
            self.imported(module, statement, name)
            return
        segment = source_of(text, statement)
        if segment in self.parts:
            return
        self.used(module, statement)
        if segment not in self.parts:
            self.parts.append(segment)

    def imported(self, module: str, statement: ast.Import | ast.ImportFrom, name: str) -> None:
        """An import: of another package as it is, of ours by what is imported."""
        alias = next(a for a in statement.names if (a.asname or a.name.partition(".")[0]) == name)
        source = statement.module or "" if isinstance(statement, ast.ImportFrom) else alias.name
        if isinstance(statement, ast.ImportFrom) and statement.level:
            package = module if self.modules[module][2] else module.rpartition(".")[0]
            source = importlib.util.resolve_name("." * statement.level + source, package)
        if source.partition(".")[0] not in OURS:
            single = (
                ast.ImportFrom(source, [alias], 0) if isinstance(statement, ast.ImportFrom) else ast.Import([alias])
            )
            self.imports[ast.unparse(single)] = None
        elif isinstance(statement, ast.Import) or alias.asname:
            raise NotAlone(f"{module} uses {source} as a whole")
        elif (source, name) == CLAIMS:
            self.parts.append(f"{name} = dict  # what a target says of itself is not needed here")
        else:
            del self.done[name]
            self.add(source, name)

    def used(self, module: str, statement: ast.stmt) -> None:
        """Writes out the names of a module that a statement uses."""
        _, tree = self.read(module)
        known = {name for s in tree.body for name in bound(s)}
        own = set(bound(statement))
        for node in without_annotations(statement):
            if isinstance(node, ast.Name) and node.id in known - own and self.done.get(node.id) is None:
                self.add(module, node.id)

    def calls(self, module: str) -> None:
        """Writes out what a module does besides defining: such as setting a number of threads."""
        text, tree = self.read(module)
        for statement in tree.body:
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
                self.used(module, statement)
                self.parts.append(source_of(text, statement))


def bound(statement: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module defines."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.partition(".")[0] for alias in statement.names]
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    targets = [statement.target] if isinstance(statement, ast.AnnAssign) else targets
    return [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def without_annotations(node: ast.AST) -> Iterator[ast.AST]:
    """A statement and all that is in it, but for annotations, which are never evaluated."""
    yield node
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from without_annotations(child)


def source_of(text: str, statement: ast.stmt) -> str:
    """The lines of a statement, decorators included."""
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(decorator.lineno for decorator in decorators)])
    return "\n".join(text.splitlines()[first - 1 : statement.end_lineno])
