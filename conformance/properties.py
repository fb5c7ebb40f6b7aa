"""What a property is, and the chapters in the order in which they are judged and reported."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.engine.judgement import (
    Failure,
    NotApplicable,
    NotRun,
    Run,
    agree,
    applicable,
    claimed,
    fail,
    steps_agree,
    within,
)
from conformance.target.capabilities import CELLS, Capabilities
from strategies.cases import Allowed

__all__ = [
    "CHAPTERS", "GRUS", "PLAIN", "Failure", "NotApplicable", "NotRun", "Property", "Run", "agree", "applicable",
    "catalogue", "claimed", "fail", "prop", "steps_agree", "within",
]  # fmt: skip

# Shapes first: where they are wrong, what follows is noise.
CHAPTERS = (
    "shapes",
    "equivalence",
    "directions",
    "layers",
    "time",
    "batch",
    "lengths",
    "nonfinite",
    "symmetries",
    "dropout",
    "gates",
    "options",
    "gradients",
)

PLAIN = ("RNN_TANH", "RNN_RELU")
GRUS = ("GRU", "GRU_RESET_BEFORE")
LAYERS_DRAWN = 4

# What a needed capability says about the cases that are drawn.
DRAWS: dict[str, dict[str, Any]] = {
    "bidirectional": {"bidirectional": True},
    "lengths": {"lengths": True},
    "layers": {"min_layers": 2},
    "projections": {"projections": True},
    "options": {"projections": False},
}


@dataclass(frozen=True)
class Property:
    """One statement that must hold for every case.

    id          chapter and name;  statement  the sentence
    needs       the capabilities without which it says nothing;  cells  those that it is about
    check       called with the target and a case: raises Failure where the statement is false
    draws       which cases it is about; sizes are never restricted beyond what the target says
    every_cell  whether each covering case is judged for each cell
    about_memory  whether it is about what happens in memory, which not every target lets us see
    """

    id: str
    statement: str
    needs: tuple[str, ...]
    check: Callable[..., None]
    cells: tuple[str, ...] = CELLS
    every_cell: bool = False
    about_memory: bool = False
    draws: dict[str, Any] = field(default_factory=dict)

    def missing(self, capabilities: Capabilities) -> list[str]:
        """The capabilities that the property needs and the target does not claim."""
        cells = [] if self.claimed_cells(capabilities) else [" or ".join(self.cells)]
        return cells + [need for need in self.needs if not capabilities.claims(need)]

    def claimed_cells(self, capabilities: Capabilities) -> tuple[str, ...]:
        """The cells that the property is about and the target claims."""
        return tuple(cell for cell in capabilities.cells if cell in self.cells)

    def requirements(self) -> list[str]:
        """What the property needs, in words."""
        return [*([] if self.cells == CELLS else [" or ".join(self.cells)]), *self.needs]

    def allowed(self, capabilities: Capabilities) -> Allowed:
        """The cases that the property is about and the target claims to run."""
        c = capabilities
        most = max([LAYERS_DRAWN, *c.sizes.get("num_layers", ())])
        drawn: dict[str, Any] = {
            "cells": self.claimed_cells(c),
            "dtypes": c.dtypes,
            "max_layers": most if c.max_layers is None else min(c.max_layers, most),
            "bidirectional": None if c.bidirectional else False,
            "bias": None if c.no_bias else True,
            "biases": c.biases,
            "projections": c.projections,
            "lengths": None if c.lengths else False,
            "empty": c.empty,
            "initial_state": c.initial_state,
            "sizes": c.sizes_drawn,
        }
        if c.recompiles:
            drawn |= {"bidirectional": c.bidirectional, "bias": True, "empty": ()}
        for need in self.needs:
            drawn |= DRAWS.get(need.partition(".")[0], {})
        return Allowed(**(drawn | self.draws))


def prop(
    needs: str | Sequence[str] = (),
    cells: Sequence[str] = CELLS,
    every_cell: bool = False,
    about_memory: bool = False,
    **draws: Any,
) -> Callable[[Callable[..., None]], Property]:
    """Makes a property of a function ``test_name(target, case)`` of a chapter; its docstring is the statement.

    needs  capabilities, as Capabilities.claims reads them;  cells  those that it is about
    draws  fields of strategies' Allowed;  every_cell  whether each covering case is judged for each cell
    """

    def decorate(function: Callable[..., None]) -> Property:
        chapter = function.__module__.rpartition(".test_")[2]
        statement = " ".join((function.__doc__ or "").split())
        wanted = (needs,) if isinstance(needs, str) else tuple(needs)
        id = f"{chapter}.{function.__name__.removeprefix('test_')}"
        return Property(id, statement, wanted, function, tuple(cells), every_cell, about_memory, draws)

    return decorate


def catalogue() -> dict[str, Property]:
    """All properties by id, in the order of their chapters."""
    found: dict[str, Property] = {}
    for chapter in CHAPTERS:
        module = importlib.import_module(f"conformance.test_{chapter}")
        found |= {p.id: p for p in vars(module).values() if isinstance(p, Property)}
    return found
