"""What a property is, and the chapters in the order in which they are judged and reported."""

from __future__ import annotations

import ast
import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from conformance.claims.allowed import drawn, forms, taken
from conformance.claims.capabilities import MODELS, Capabilities
from reference_rnn import CELLS, PRECISION, Case, Cell
from strategies.cases import Allowed, Sketch
from strategies.covering import COVERING, calmer, covering

from .oracle import (
    Failure,
    NotApplicable,
    NotRun,
    Run,
    agree,
    applicable,
    claimed,
    fail,
    right_at_first,
    steps_agree,
    steps_right,
    within,
)
from .subject import Subject

__all__ = [
    "GRUS", "PLAIN", "Failure", "NotApplicable", "NotRun", "Property", "Run", "agree", "applicable",
    "claimed", "fail", "prop", "right_at_first", "steps_agree", "steps_right", "within",
]  # fmt: skip

PLAIN = ("RNN_TANH", "RNN_RELU")
GRUS = ("GRU", "GRU_RESET_BEFORE")

# What a needed capability says about the cases that are drawn.
DRAWS: dict[str, dict[str, Any]] = {
    "bidirectional": {"bidirectional": True},
    "lengths": {"lengths": True},
    "layers": {"min_layers": 2},
    "projections": {"projections": True},
    "options": {"projections": False},
    # 0 times NaN is NaN in all gradients that meet it: one property is about that, so that it hides no other mistake
    "gradients": {"finite_padding": True},
}


FEWEST = 10  # random cases
CALLS = 60  # of one instance: what happens at the fiftieth call is seen by every property

# What a property may draw alone, in words.
KINDS = {
    ("bidirectional", True): "bidirectional",
    ("bidirectional", False): "one direction",
    ("bias", True): "biases",
    ("bias", False): "no_bias",
}


@dataclass(frozen=True)
class Property:
    """One statement that must hold for every case.

    id          chapter and name;  statement  the sentence
    needs       the capabilities without which it says nothing;  cells  those that it is about, None for all
    about       whether it says anything about a cell
    check       called with the target and a case: raises Failure where the statement is false
    draws       which cases it is about; sizes are never restricted beyond what the target says
    every_cell  whether each covering case is judged for each cell
    about_memory  whether it is about what happens in memory, which not every target lets us see
    about_history  whether it is about what an answer keeps of the calls before it
    sketches    its covering cases; if they are its own, there are no random ones
    models      how many sets of parameters it takes beside those that all cases of a configuration share
    calls       how many calls one instance gets at least, if there are random cases: beyond CALLS, of one small case
    before      those that come before it where a new set is dear
    formerly    ids that it had in the last release, under which it is still accepted
    heavy       whether it imports a package that takes long, as it is judged
    rank        its place among those that find most mistakes soonest, 0 for the first
    share       of the random cases of a profile, what it needs of them
    """

    id: str
    statement: str
    needs: tuple[str, ...]
    check: Callable[..., None]
    cells: tuple[str, ...] | None = None
    about: Callable[[Cell], bool] = lambda cell: True
    every_cell: bool = False
    about_memory: bool = False
    about_history: bool = False
    models: int = 0
    calls: int = CALLS
    before: tuple[Property, ...] = ()
    formerly: tuple[str, ...] = ()
    heavy: bool = False
    rank: int = 0
    share: float = 1.0
    sketches: tuple[Sketch, ...] = COVERING
    draws: dict[str, Any] = field(default_factory=dict)

    def missing(self, capabilities: Capabilities) -> list[str]:
        """The capabilities that the property needs and the target does not claim."""
        if capabilities.recurrences:
            return ["layers of cells"]
        cells = [] if self.claimed_cells(capabilities) else [" or ".join(self.cells or ["a cell that it is about"])]
        needs = [need for need in self.needs if not capabilities.claims(need)]
        has = taken(capabilities)
        kinds = [
            words
            for (name, value), words in KINDS.items()
            if self.draws.get(name) is value and getattr(has, name) is not value and getattr(has, name) is not None
        ]
        return list(dict.fromkeys([*cells, *needs, *kinds]))

    def claimed_cells(self, capabilities: Capabilities) -> tuple[str, ...]:
        """The cells that the property is about and the target claims."""
        return tuple(cell for cell in capabilities.cells if cell in (self.cells or (cell,)) and self.about(cell))

    @property
    def weight(self) -> int:
        """About how long it takes, in units of a property that calls one cell forward."""
        return (len(self.cells or CELLS) if self.every_cell else 1) * (3 if "gradients" in self.needs else 1)

    def random_cases(self, count: int) -> int:
        """How many random cases it is judged on, of so many of a profile: none if its covering cases are its own."""
        return max(round(self.share * count), min(count, FEWEST)) if self.sketches is COVERING else 0

    def spare(self, capabilities: Capabilities) -> float:
        """How many sets of parameters it may ask beside those that all cases of a configuration share."""
        if capabilities.recompiles != "model":
            return math.inf
        others = sum(prop.models for prop in self.before if not prop.missing(capabilities))
        return self.models if capabilities.configurations + others + self.models <= MODELS else 0

    def requirements(self) -> list[str]:
        """What the property needs, in words."""
        return [*([" or ".join(self.cells)] if self.cells else []), *self.needs]

    def allowed(self, capabilities: Capabilities) -> Allowed:
        """The cases that the property is about and the target claims to run."""
        draws: dict[str, Any] = {"cells": self.claimed_cells(capabilities)}
        for need in self.needs:
            draws |= DRAWS.get(need.partition(".")[0], {})
        if self.sketches is not COVERING:
            most = max(sketch.num_layers for sketch in self.sketches)
            # one column of many shows only where few digits are rounded away
            fine = tuple(dtype for dtype in capabilities.dtypes if PRECISION[dtype] >= PRECISION["float32"])
            draws |= {"max_layers": most, "dtypes": fine or capabilities.dtypes}
        asked = forms(capabilities, besides=self.needs)  # what a property is about it asks itself
        draws = {"forms": asked} | draws | self.draws
        if "max_layers" in draws:
            draws["max_layers"] = min(draws["max_layers"], taken(capabilities).max_layers)
        return drawn(capabilities, **draws)

    def covering(self, allowed: Allowed, number: int) -> Iterable[Case]:
        """The covering cases, whatever the seed; number: of the property."""
        return covering(allowed, number, self.every_cell, self.sketches)

    def completion(self, allowed: Allowed, number: int) -> Iterable[Case]:
        """Cases without end, for what neither the covering nor the random ones exercise; number: follows the seed."""
        return calmer(allowed)

    def judge(self, subject: Subject, case: Case) -> None:
        """Judges a case: the property sees it plain, and whatever it asks is asked in the form that the case has."""
        meant, subject.form = self.allowed(subject.capabilities).taken_apart(case)
        self.check(subject, meant)


def prop(
    needs: str | Sequence[str] = (),
    cells: Sequence[str] | None = None,
    about: Callable[[Cell], bool] = lambda cell: True,
    every_cell: bool = False,
    about_memory: bool = False,
    about_history: bool = False,
    models: int = 0,
    calls: int = CALLS,
    sketches: tuple[Sketch, ...] = COVERING,
    formerly: Sequence[str] = (),
    heavy: bool = False,
    kind: type[Property] = Property,
    **draws: Any,
) -> Callable[[Callable[..., None]], Property]:
    """Makes a property of a function ``test_name(target, case)`` of a chapter; its docstring is the statement.

    needs  capabilities, as Capabilities.claims reads them;  cells  those that it is about, None for all
    about  whether it says anything about a cell, for what follows from its equations
    models  how many sets of parameters it takes beside those of the case;  calls  that one instance gets at least
    draws  fields of strategies' Allowed;  every_cell  whether each covering case is judged for each cell
    sketches  covering cases of its own, in place of all others;  formerly  ids that it had in the last release
    heavy  whether it imports a package that takes long;  kind  Property, or one of its own kind
    """

    def decorate(function: Callable[..., None]) -> Property:
        chapter = function.__module__.rpartition(".test_")[2]
        statement = " ".join((function.__doc__ or documented(function)).split())
        wanted = (needs,) if isinstance(needs, str) else tuple(needs)
        id = f"{chapter}.{function.__name__.removeprefix('test_')}"
        own = None if cells is None else tuple(cells)
        return kind(
            id,
            statement,
            wanted,
            function,
            own,
            about,
            every_cell,
            about_memory,
            about_history,
            models,
            calls,
            formerly=tuple(formerly),
            heavy=heavy,
            sketches=sketches,
            draws=draws,
        )

    return decorate


def documented(function: Callable[..., None]) -> str:
    """The docstring of a function as its file has it, for an interpreter that leaves them out (python -OO)."""
    tree = ast.parse(inspect.getsource(function))
    return ast.get_docstring(tree.body[0]) or ""  # type: ignore[arg-type]
