"""What compiles for each new shape: noticed by what a process has loaded, and what costs as much, noted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np

from conformance.claims.allowed import drawn, in_own_layout
from conformance.claims.capabilities import NOTICED, Capabilities
from reference_rnn import Case
from strategies.cases import BLOCK_SIZE

from .child import COMPILERS

FIRST, TIMES, SHAPES = 0.05, 20, 4  # seconds of CPU; how often a repeat goes into them; shapes of which that is so


def with_compiler(claims: Capabilities, compiler: str) -> tuple[Capabilities, list[str]]:
    """What a target claims that compiles for each new shape and does not say so, and the note that says that.

    compiler: what compiles, empty if nothing does
    """
    if not compiler or claims.recompiles is not None or claims.recurrences:
        return claims, []
    note = f"{compiler} compiles for each new shape: judged as if recompiles=True were claimed, on few shapes; claim it"
    return replace(claims, recompiles=NOTICED), [f"{note}, or recompiles=False to be asked for many"]


def trials(claims: Capabilities) -> Iterator[tuple[Case, dict[str, np.ndarray | None]]]:
    """The plainest case of each cell, and its cotangents; there are none if gradients are not claimed."""
    for cell in () if claims.recurrences else claims.cells:
        allowed = drawn(claims, cells=(cell,))
        if allowed.possible:
            case = in_own_layout(allowed.calm_from_block(bytes(BLOCK_SIZE)), claims)
            shapes = case.result_shapes() if claims.gradients else {}
            ones = {f"d_{name}": np.ones(shape.sizes, case.x.dtype) for name, shape in shapes.items()}
            taken = {
                name: ones.get(name) if name in claims.cotangents else None for name in ("d_output", "d_h_n", "d_c_n")
            }
            yield case, taken if claims.gradients else {}


def named_compiler(target: Any) -> str:
    """What compiles for each new shape among what the module of an object has imported; empty if nothing does.

    What the process has loaded says nothing about the object: somebody else may need it.
    """
    module = sys.modules.get(getattr(target, "__module__", None) or type(target).__module__)
    own = vars(module).values() if module else ()
    of = [value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) for value in own]
    packages = {name.partition(".")[0] for name in of if isinstance(name, str)}
    return next((name for name in COMPILERS if name in packages), "")


class Costs:
    """What calls cost, in seconds of CPU: the first of each shape, and the least of its repeats."""

    def __init__(self) -> None:
        self.first: dict[Any, float] = {}
        self.repeat: dict[Any, float] = {}

    def add(self, do: str, case: Case, seconds: float) -> None:
        """Counts a call."""
        shape = do, case.config.cell, case.config.dtype, tuple((name, array.shape) for name, array in case.arrays())
        if shape not in self.first:
            self.first[shape] = seconds
        else:
            self.repeat[shape] = min(seconds, self.repeat.get(shape, seconds))

    def notes(self, claims: Capabilities) -> list[str]:
        """The note that many shapes were slow at their first call, where `recompiles` is not claimed.

        None for recurrences.
        """
        dear = sum(self.first[shape] > max(FIRST, TIMES * seconds) for shape, seconds in self.repeat.items())
        if dear < SHAPES or claims.recompiles is not None or claims.recurrences:
            return []
        return [
            f"the first call of a shape takes {TIMES} times as long as its repeats: recompiles=True asks for few shapes"
        ]
