"""A fault is one deliberate mistake in the reference: a patch of a named function.

A faulty reference is made of copies of the reference's functions that call each other, the patched ones compiled
from their patched text. So it costs a fraction of a millisecond, the real reference stays as it is, and patches
of different lines compose. It runs on arrays only.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from reference_rnn import CELLS

# In the order in which they import each other.
MODULES = tuple(
    importlib.import_module(f"reference_rnn.{name}")
    for name in ("functions", "cells", "variants", "recurrence", "gradients")
)


class PatchError(ValueError):
    """A patch does not fit the text of the reference."""


@dataclass(frozen=True)
class Fault:
    """One mistake.

    id           a short name;  title  the mistake as its maker would say it
    fault_class  the id of its class in ``CLASSES``
    function     the function of the reference that is patched: ``old`` becomes ``new``
    killed_by    properties, each of which must reject it
    seen         where it really happened
    """

    id: str
    title: str
    fault_class: str
    function: str
    old: str
    new: str
    killed_by: tuple[str, ...]
    seen: tuple[str, ...] = ()

    @property
    def cells(self) -> tuple[str, ...]:
        """The cells that can show the mistake."""
        name = self.function.removesuffix("_backward").removesuffix("_variant").removesuffix("_projected").upper()
        return (name,) if name in CELLS else CELLS

    @property
    def backward_only(self) -> bool:
        """Whether only gradients show the mistake."""
        return place_of(self.function).module.__name__.endswith("gradients") or self.function.endswith("_slope")

    def patch(self) -> str:
        """The change as a diff."""
        lines = difflib.unified_diff(self.old.splitlines(), self.new.splitlines(), lineterm="", n=0)
        return "\n".join(line for line in lines if not line.startswith(("---", "+++", "@@")))


class Place(NamedTuple):
    """Where a function of the reference stands, and its text."""

    module: ModuleType
    source: str


@lru_cache(maxsize=1)
def places() -> dict[str, Place]:
    """Every function of the reference that can be patched, by name."""
    found = {}
    for module in MODULES:
        text = Path(inspect.getfile(module)).read_text()
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef):
                found[node.name] = Place(module, ast.get_source_segment(text, node) or "")
    return found


def place_of(function: str) -> Place:
    """Where a function of the reference stands; raises PatchError if it does not exist."""
    if function not in places():
        raise PatchError(f"the reference has no function {function!r}")
    return places()[function]


def patched_source(function: str, faults: Sequence[Fault]) -> str:
    """The text of a function with the patches of some faults; raises PatchError if one does not fit."""
    text = place_of(function).source
    for fault in faults:
        if text.count(fault.old) != 1:
            raise PatchError(f"{fault.id}: {fault.old!r} occurs {text.count(fault.old)} times in {function}")
        text = text.replace(fault.old, fault.new)
    return text


@lru_cache(maxsize=4096)
def compiled(function: str, faults: tuple[Fault, ...]) -> CodeType:
    """The code of a function with the patches of some faults; raises PatchError if they do not fit each other."""
    try:
        return compile(patched_source(function, faults), f"<{function} with a fault>", "exec")
    except SyntaxError as error:
        raise PatchError(f"{' and '.join(fault.id for fault in faults)} do not fit each other: {error.msg}") from None


class FaultyReference:
    """The reference with some mistakes: ``forward`` and ``gradients``; raises PatchError if a patch does not fit."""

    def __init__(self, *faults: Fault) -> None:
        patches = {fault.function: tuple(f for f in faults if f.function == fault.function) for fault in faults}
        for function in patches:
            compiled(function, patches[function])
        copies: dict[int, Any] = {}
        for module in MODULES:
            space = {name: copies.get(id(value), value) for name, value in vars(module).items()} | {"np": np}
            for name, value in vars(module).items():
                if name in patches and place_of(name).module is module:
                    exec(compiled(name, patches[name]), space)
                    if own_function(module, value):
                        space[name] = quiet_like(value, space[name])
                elif own_function(module, value):
                    space[name] = copied(value, space)
                else:
                    continue
                copies[id(value)] = space[name]
            for name, value in vars(module).items():
                if isinstance(value, dict) and name.isupper():  # tables of functions
                    space[name] = {key: copies.get(id(entry), entry) for key, entry in value.items()}
        self.forward: Callable[..., Any] = copies[id(vars(MODULES[-2])["forward"])]
        self.gradients: Callable[..., Any] = copies[id(vars(MODULES[-1])["gradients"])]


def own_function(module: ModuleType, value: Any) -> bool:
    """Whether this is a function that a module defines, and one that calls others."""
    return (
        inspect.isfunction(value) and value.__module__ == module.__name__ and not hasattr(value, "dispatch")
    )  # those that dispatch call nothing of ours


def copied(function: Any, space: dict[str, Any]) -> Any:
    """A copy of a function that looks its names up in another space."""
    inner = inspect.unwrap(function)
    copy = FunctionType(inner.__code__, space, inner.__name__, inner.__defaults__, inner.__closure__)
    return quiet_like(function, copy)


def quiet_like(function: Any, copy: Any) -> Any:
    """The copy, with floating-point warnings off where they are off in the function."""
    return copy if inspect.unwrap(function) is function else np.errstate(all="ignore")(copy)


class FaultyTarget:
    """The reference with some mistakes, as a target; cells: those that it claims."""

    def __init__(self, *faults: Fault, cells: tuple[str, ...] = CELLS) -> None:
        from conformance.adapters import reference

        package = FaultyReference(*faults)
        self.forward: Callable[..., Any] = reference.forward_of(package)
        self.gradients: Callable[..., Any] = reference.gradients_of(package)
        self.capabilities = replace(reference.capabilities, cells=cells)
