"""A target in this process: fast, but a crash takes everything down."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from reference_rnn import Case

from . import child
from .answer import Answer, Problem
from .capabilities import Capabilities

Cotangents = Mapping[str, np.ndarray | None]


class LocalTarget:
    """Calls a function, a class or an object in this process."""

    observes_memory = True

    def __init__(self, target: Any, name: str, capabilities: Capabilities) -> None:
        self.name = name
        self.capabilities = capabilities
        self.session = child.Session(target, {})
        self.notes: dict[str, None] = {}

    @classmethod
    def load(cls, spec: dict[str, Any], name: str) -> LocalTarget:
        """The target of a spec; raises LoadError or CapabilityError."""
        if "file" not in spec and "" not in sys.path:
            sys.path.insert(0, "")
        target, module, printed = child.load(spec)
        local = cls(target, name, Capabilities.of(child.declared(target, module)))
        local.session.note(printed.getvalue(), [])
        return local

    def start(self) -> Problem | None:
        """Builds a new instance; a Problem if that raises."""
        try:
            self.session.start()
        except Exception as error:
            return Problem("raised", "cannot be built: " + child.said(error))
        return None

    def forward(self, case: Case) -> Answer:
        """The target's answer to a copy of the case."""
        return self.heard(self.session.forward(copied(case)))

    def gradients(self, case: Case, cotangents: Cotangents) -> Answer:
        """The target's gradients for a copy of the case."""
        given = {name: None if d is None else alike(d) for name, d in cotangents.items()}
        return self.heard(self.session.gradients(copied(case), given))

    def heard(self, reply: dict[str, Any]) -> Answer:
        """A reply as an answer, and what was said along with it among the notes."""
        self.notes.update(dict.fromkeys(self.session.new_notes()))
        return Answer.of(reply)

    def told(self) -> list[str]:
        """The notes so far."""
        return list(self.notes)

    def stop(self) -> None:
        """Nothing is left to stop."""


def copied(case: Case) -> Case:
    """The same case in arrays of its own, with the same memory layout."""
    arrays = dict(case.arrays())
    described = [(name, array.dtype, array.shape) for name, array in arrays.items()]
    data = child.joined(arrays.values())
    buffer = child.aligned(len(data))
    buffer[...] = np.frombuffer(data, np.uint8)
    made = child.cut(buffer, described)
    for name, array in arrays.items():
        if layout := unusual(array):
            made[name] = child.rebuilt(made[name], *layout)
    lengths = None if case.lengths is None else case.lengths.copy()
    top = {name: made.pop(name, None) for name in ("x", "h_0", "c_0")}
    return Case(case.config, made, lengths=lengths, training=case.training, **top)


def alike(array: np.ndarray) -> np.ndarray:
    """A copy of an array, with the same memory layout."""
    return child.rebuilt(array.copy("C"), *(unusual(array) or (None, True)))


def unusual(array: np.ndarray) -> tuple[tuple[int, ...] | None, bool] | None:
    """Strides and writeability of an array that is not plain; None for one that is."""
    if array.flags.c_contiguous and array.flags.writeable:
        return None
    return None if array.flags.c_contiguous else array.strides, bool(array.flags.writeable)
