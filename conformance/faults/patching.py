"""A fault is one deliberate mistake in the reference: a patch of a named function.

The patched package is compiled from its source text under a name of its own, so the real reference
stays as it is, and patches of different lines compose.
"""

from __future__ import annotations

import ast
import difflib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import reference_rnn
from reference_rnn import CELLS

HOME = Path(reference_rnn.__file__).parent


class PatchError(ValueError):
    """A patch does not fit the text of the reference."""


@dataclass(frozen=True)
class Fault:
    """One mistake.

    id         a short name;  title  the mistake as its maker would say it
    function   the function of the reference that is patched: ``old`` becomes ``new``
    killed_by  properties, one of which must reject it
    seen       where it really happened
    """

    id: str
    title: str
    function: str
    old: str
    new: str
    killed_by: tuple[str, ...]
    seen: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """The module of the reference in which the function stands."""
        return home_of(self.function)[0]

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells that can show the mistake."""
        name = self.function.removesuffix("_backward").removesuffix("_projected").upper()
        return (name,) if name in CELLS else CELLS

    def patch(self) -> str:
        """The change as a diff."""
        lines = difflib.unified_diff(self.old.splitlines(), self.new.splitlines(), lineterm="", n=0)
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


@lru_cache(maxsize=1)
def functions() -> dict[str, tuple[str, int, int]]:
    """Module, first and last line of every function of the reference that can be patched."""
    found = {}
    for path in HOME.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name != "_":
                found[node.name] = (path.stem, node.lineno, node.end_lineno or node.lineno)
    return found


def home_of(function: str) -> tuple[str, int, int]:
    """Where a function of the reference stands; raises PatchError if it does not exist."""
    if function not in functions():
        raise PatchError(f"the reference has no function {function!r}")
    return functions()[function]


def patched_source(module: str, faults: Sequence[Fault]) -> str:
    """The text of a module with the patches of some faults; raises PatchError if one does not fit."""
    lines = (HOME / f"{module}.py").read_text().splitlines(keepends=True)
    texts: dict[str, str] = {}
    for fault in faults:
        _, first, last = home_of(fault.function)
        text = texts.get(fault.function, "".join(lines[first - 1 : last]))
        if text.count(fault.old) != 1:
            raise PatchError(f"{fault.id}: {fault.old!r} occurs {text.count(fault.old)} times in {fault.function}")
        texts[fault.function] = text.replace(fault.old, fault.new)
    for function in sorted(texts, key=lambda name: -home_of(name)[1]):  # from the end, so that lines stay
        _, first, last = home_of(function)
        lines[first - 1 : last] = [texts[function]]
    return "".join(lines)


class PatchedLoader(importlib.machinery.SourceFileLoader):
    """Compiles a module of the reference from its patched text."""

    def __init__(self, fullname: str, path: str, faults: Sequence[Fault]) -> None:
        super().__init__(fullname, path)
        self.faults = faults

    def exec_module(self, module: ModuleType) -> None:
        """Runs the module; a patch may use NumPy where the module itself does not."""
        vars(module).setdefault("np", np)
        super().exec_module(module)

    def get_code(self, _fullname: str) -> Any:
        """The code of the patched text; no bytecode is cached."""
        mine = [fault for fault in self.faults if fault.module == Path(self.path).stem]
        return compile(patched_source(Path(self.path).stem, mine), self.path, "exec")


class PatchedFinder:
    """Finds the modules of one patched copy of the reference."""

    def __init__(self, alias: str, faults: Sequence[Fault]) -> None:
        self.alias = alias
        self.faults = faults

    def find_spec(self, fullname: str, *others: Any) -> Any:
        """The spec of a module of this copy; None for every other module."""
        package, _, module = fullname.partition(".")
        if package != self.alias:
            return None
        file = HOME / f"{module or '__init__'}.py"
        loader = PatchedLoader(fullname, str(file), self.faults)
        places = None if module else [str(HOME)]
        return importlib.util.spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=places)


def faulty_reference(*faults: Fault) -> ModuleType:
    """The reference with these mistakes, as a package of its own; raises PatchError if one does not fit."""
    alias = "reference_rnn_with_" + "_and_".join(fault.id.replace("-", "_") for fault in faults)
    for name in [name for name in sys.modules if name.partition(".")[0] == alias]:
        del sys.modules[name]  # a fault may keep state: every copy starts anew
    finder = PatchedFinder(alias, faults)
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module(alias)
    finally:
        sys.meta_path.remove(finder)


class FaultyTarget:
    """The reference with some mistakes, as a target; cells: those that it claims."""

    def __init__(self, *faults: Fault, cells: tuple[str, ...] = CELLS) -> None:
        from conformance.adapters import reference

        package = faulty_reference(*faults)
        self.forward: Callable[..., Any] = reference.forward_of(package)
        self.gradients: Callable[..., Any] = reference.gradients_of(package)
        self.capabilities = replace(reference.capabilities, cells=cells)
