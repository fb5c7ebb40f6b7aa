"""A target in this process: fast, but a crash takes everything down."""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.claims.capabilities import Capabilities
from reference_rnn import Case
from reference_rnn.cell_source.user_code import WATCH

from . import child
from .answer import Answer, Problem
from .child import LoadError
from .compiling import Costs, with_compiler
from .surroundings import Surroundings, Unsound
from .text import LINE, Notes, visible

Cotangents = Mapping[str, np.ndarray | None]


def stages_in(spec: Mapping[str, Any]) -> list[str]:
    """The labels of the stages of a chain; none of what is no chain."""
    return [stage["label"] for stage in spec.get("stages", ())]


class LocalTarget:
    """Calls a function, a class or an object in this process, each time in surroundings of its own."""

    observes_memory = True
    file = ""  # or module, that it stands in, if it was named
    module = ""  # that it is, if it was named
    layout = ""  # of the arrays that it is given, if an adapter changes them
    stages: Sequence[str] = ()  # of a chain
    deaths: Mapping[str, int] = {}  # of a process that is not its own

    def __init__(
        self, target: Any, name: str, capabilities: Capabilities, surroundings: Surroundings | None = None
    ) -> None:
        self.name = visible(name, LINE)
        self.capabilities = capabilities
        self.session = child.Session(target, {})
        self.surroundings = surroundings or Surroundings()
        self.notes, self.costs = Notes(), Costs()

    def notice(self, compiler: str) -> None:
        """Takes it that something compiles for each new shape, unless that is empty or the target says what holds."""
        self.capabilities, notes = with_compiler(self.capabilities, compiler)
        self.notes.add(notes)

    @classmethod
    def load(cls, spec: dict[str, Any], name: str) -> LocalTarget:
        """The target of a spec; raises LoadError or CapabilityError."""
        if "file" not in spec and "" not in sys.path:
            sys.path.insert(0, "")
        file = spec.get("file") or spec["module"]
        WATCH.runs(file)
        surroundings = Surroundings()
        try:
            with warnings.catch_warnings():
                target, module, printed = surroundings.call(child.load, spec)
            claims = Capabilities.of(surroundings.call(child.declared, target, module))
        except Unsound as unsound:
            raise LoadError(f"{name} {unsound}") from None
        except BaseException:
            surroundings.leave()
            raise
        local = cls(target, name, claims, surroundings)
        local.file, local.module = file, spec.get("module", "")
        local.stages = stages_in(spec)
        local.layout = str(getattr(target, "layout", ""))
        local.session.note(printed, [])
        return local

    def start(self) -> Problem | None:
        """Builds a new instance; a Problem if that raises."""
        self.surroundings.listen()
        return self.asked(self.session.start).problem

    def forward(self, case: Case, in_place: bool = False) -> Answer:
        """The target's answer to a copy of the case, or to its numbers in the arrays of the call before."""
        answer = self.asked(self.session.forward, self.laid(case, in_place))
        self.costs.add("forward", case, answer.seconds)
        return answer

    def gradients(self, case: Case, cotangents: Cotangents, in_place: bool = False) -> Answer:
        """The target's gradients, in the same way."""
        given = {name: None if d is None else copy_array(d) for name, d in cotangents.items()}
        answer = self.asked(self.session.gradients, self.laid(case, in_place), given)
        self.costs.add("gradients", case, answer.seconds)
        return answer

    def laid(self, case: Case, in_place: bool) -> Case:
        """A copy of the case, as the target is given it."""
        own = copy_case(case)
        self.session.lay(own, in_place)
        return own

    def asked(self, do: Callable[..., dict[str, Any]], *arguments: Any) -> Answer:
        """What came of a request, and what was said along with it among the notes."""
        WATCH.runs(self.file)
        try:
            reply = self.surroundings.call(do, *arguments)
        except Unsound as unsound:
            return Answer(problem=Problem("raised", str(unsound)))
        self.notes.add(self.session.new_notes())
        return Answer.of(reply)

    def all_notes(self) -> list[str]:
        """The notes so far."""
        return [*self.notes, *self.costs.notes(self.capabilities)]

    def stop(self) -> None:
        """Puts this process's settings and signal handlers back."""
        self.surroundings.leave()


def copy_case(case: Case) -> Case:
    """A copy of the case, whose arrays lie in memory as those of the case do."""
    arrays = dict(case.arrays())
    described = [(name, array.dtype, array.shape) for name, array in arrays.items()]
    data = child.joined(arrays.values())
    buffer = child.aligned(len(data))
    buffer[...] = np.frombuffer(data, np.uint8)
    made = child.cut(buffer, described)
    for name, array in arrays.items():
        if layout := unusual(array):
            made[name] = child.rebuilt(made[name], *layout)
    counts: dict[str, Any] = {name: copy_array(array) for name, array in case.counts()}
    return replace(case.map(lambda name, _: made[name]), config=copy.copy(case.config), **counts)


def copy_array(array: np.ndarray) -> np.ndarray:
    """A copy of an array, with the same memory layout."""
    return child.rebuilt(array.copy("C"), *(unusual(array) or (None, True)))


def unusual(array: np.ndarray) -> tuple[tuple[int, ...] | None, bool] | None:
    """Strides and writeability of an array that is not plain; None for one that is."""
    if array.flags.c_contiguous and array.flags.writeable:
        return None
    return None if array.flags.c_contiguous else array.strides, bool(array.flags.writeable)
