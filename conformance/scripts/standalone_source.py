"""The source of some functions of ours with all of ours that they use, so that they stand alone."""

from __future__ import annotations

import ast
import importlib.util
import symtable
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from conformance.harness.source_text import names_defined

BLOCKS = ("def ", "class ", "@")
OURS = ("conformance", "reference_rnn", "strategies")
CLAIMS = ("conformance.claims.capabilities", "Capabilities")

Statement = ast.Import | ast.ImportFrom | ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign


class NotAlone(Exception):
    """Something cannot be written out; the message says what."""


def alone(wanted: Mapping[str, Iterable[str]]) -> str:
    """The text of names by module, and of ours what they use; what is not used is left out."""
    written = Written()
    for module, names in wanted.items():
        for name in names:
            written.add(module, name)
        written.calls(module)
    text = "\n".join([*written.first, *sorted(written.imports, key=str.lower), ""])
    for part, before in zip(written.parts, ["", *written.parts]):
        defines = part.startswith(BLOCKS) or before.startswith(BLOCKS)
        text += ("\n\n" if defines else "\n" * (not before)) + part + "\n"
    return text


class Written:
    """What has been written out so far: imports of other packages, and definitions in the order of their use."""

    def __init__(self) -> None:
        self.first: list[str] = []  # what has to be done before the imports
        self.imports: dict[str, None] = {}
        self.parts: list[str] = []
        self.done: dict[str, str] = {}  # for each name the module that defines it, or the import that does
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
        module, statement = self.defining(module, name)
        outside = isinstance(statement, ast.Import | ast.ImportFrom)
        place = ast.unparse(statement) if outside else module
        if name in self.done:
            if self.done[name] != place:
                raise NotAlone(f"{module} and {self.done[name]} have the same name {name}")
            return
        self.done[name] = place
        if outside:
            self.imports[place] = None
        elif (module, name) == CLAIMS:
            self.parts.append(f"{name} = dict  # what a target says of itself is not needed here")
        else:
            self.used(module, statement)
            segment = brief(source_of(self.read(module)[0], statement))
            if segment not in self.parts:
                self.parts.append(segment)

    def defining(self, module: str, name: str) -> tuple[str, ast.stmt]:
        """The module of ours that defines a name, and the statement; or the import of a name that is not ours."""
        _, tree = self.read(module)
        statement = next((s for s in tree.body if name in names_defined(s)), None)
        if statement is None:
            raise NotAlone(f"{module} does not define {name}")
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            return module, statement
        alias = next(a for a in statement.names if (a.asname or a.name.partition(".")[0]) == name)
        source = statement.module or "" if isinstance(statement, ast.ImportFrom) else alias.name
        if isinstance(statement, ast.ImportFrom) and statement.level:
            package = module if self.modules[module][2] else module.rpartition(".")[0]
            source = importlib.util.resolve_name("." * statement.level + source, package)
        if source.partition(".")[0] not in OURS:
            from_it = isinstance(statement, ast.ImportFrom)
            return module, ast.ImportFrom(source, [alias], 0) if from_it else ast.Import([alias])
        if isinstance(statement, ast.Import) or alias.asname:
            raise NotAlone(f"{module} uses {source} as a whole")
        return self.defining(source, name)

    def used(self, module: str, statement: ast.stmt) -> None:
        """Writes out the names of a module that a statement uses."""
        text, tree = self.read(module)
        known = {name for s in tree.body for name in names_defined(s)} & of_module(source_of(text, statement))
        own = set(names_defined(statement))
        for node in without_annotations(statement):
            if isinstance(node, ast.Name) and node.id in known - own:
                self.add(module, node.id)

    def calls(self, module: str) -> None:
        """Writes out what a module does besides defining: such as setting a number of threads.

        What it does before an import may be meant for what is imported, and is done first.
        """
        text, tree = self.read(module)
        imports = [s.lineno for s in tree.body if isinstance(s, ast.Import | ast.ImportFrom)]
        for statement in tree.body:
            if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Call):
                continue
            if statement.lineno < max(imports, default=0):
                before = Written()
                before.used(module, statement)
                self.first += [*before.imports, *before.parts, source_of(text, statement)]
            else:
                self.used(module, statement)
                self.parts.append(source_of(text, statement))


def of_module(text: str) -> set[str]:
    """The names that code reads of the module that it stands in; its parameters and variables are others."""

    def read(table: symtable.SymbolTable) -> Iterator[str]:
        outermost = table.get_type() == "module"
        yield from (s.get_name() for s in table.get_symbols() if s.is_referenced() and (outermost or s.is_global()))
        for inner in table.get_children():
            yield from read(inner)

    return set(read(symtable.symtable(text, "<text>", "exec")))


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


def brief(source: str) -> str:
    """Code with the first paragraph of each docstring: who reads a script has one case before them, not the library."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        text = ast.get_docstring(node) if isinstance(node, ast.FunctionDef | ast.ClassDef) else None
        if text and "\n\n" in text:
            told = node.body[0]  # type: ignore[attr-defined]
            last = told.lineno - 1 + text.partition("\n\n")[0].count("\n")
            lines[last] += '"""'
            lines[last + 1 : told.end_lineno] = [None] * (told.end_lineno - last - 1)  # type: ignore[list-item]
    return "\n".join(line for line in lines if line is not None)
