"""The target as properties see it that are about recurrences: asked by name, with what it gave by name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from conformance.harness.answer import Answer
from conformance.harness.call import Call
from conformance.harness.load import Target
from reference_rnn import Handed, RecurrenceCase, handed, handed_shapes
from reference_rnn.recurrences import shapes_of

from .coverage import recurrent
from .oracle import CaseRefused, fail
from .provenance import Lost, Marks, Same, followed
from .shape_recovery import guess
from .subject import Subject

UNIT = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}


@dataclass(frozen=True)
class Given:
    """What the target made of a case: its numbers by name, and the call that gave them."""

    case: RecurrenceCase
    numbers: dict[str, np.ndarray]
    answer: Answer
    calls: tuple[Call, ...] = ()

    @property
    def handed(self) -> Handed:
        """The numbers as outputs and states."""
        cell = self.case.config.cell
        return Handed(*({name: self.numbers[name] for name in names} for names in (cell.outputs, cell.states)))


class RecurrentSubject(Subject):
    """Calls a target of recurrences and reads its answers.

    marks  what stands in place of results while a number is followed: then no call is made
    """

    marks: Marks | None = None

    def takes(self, case: Any) -> bool:
        """Whether the target claims to run a case of this kind."""
        claims = self.capabilities
        mode = case.mode in claims.modes if claims.modes else case.mode is None
        return mode and case.config.dtype in claims.dtypes and case.config.cell in claims.recurrences

    def asked(self, case: Any) -> Any:
        """A case as the target is asked it: in plain memory, however it was made."""
        return case.map(lambda _, array: np.array(array, order="C"))

    def __call__(self, case: Any) -> Any:
        """The target's numbers for a case; raises Failure if there are none, or they have other shapes."""
        if self.marks is not None:
            return Given(case, self.marks.answer(case), Answer())
        answer = self.answer(case)
        call = self.record.call_of(answer) or Call("forward", case)
        must = handed_shapes(case)
        for name in answer.arrays.keys() - must.keys():
            outputs = ", ".join(case.config.cell.outputs)
            fail(f"surplus:{name}", f"forward returned an output {name!r}; the outputs are: {outputs}")
        for name, shape in must.items():
            if name not in answer.arrays:
                fail(f"missing:{name}", f"{name} is missing, must be an array of shape {shape}")
            given = answer.arrays[name].shape
            if given != shape.sizes:
                fail(
                    f"shape:{name}",
                    f"{name} has shape {given}, must be {shape}{guess(answer.arrays[name], shape.sizes)}",
                )
        numbers = {name: np.asarray(answer.arrays[name], np.float64) for name in must}
        return Given(case, numbers, answer, (call,))

    def slopes(self, case: RecurrenceCase, cotangents: Mapping[str, np.ndarray | None]) -> dict[str, np.ndarray]:
        """The target's gradients by name; cotangents: of outputs and states by their names."""
        if self.marks is not None:
            raise Lost  # they are added up
        kinds = {"d_outputs": case.config.cell.outputs, "d_states": case.config.cell.states}
        asked = {f"{kind}.{name}": cotangents.get(name) for kind, names in kinds.items() for name in names}
        if not self.takes(case):
            raise CaseRefused
        plain = {name: None if d is None else np.array(d, order="C") for name, d in asked.items()}
        answer = self.make("gradients", self.asked(case), plain)
        must = {name: shape for name, shape in shapes_of(case).items() if name in dict(case.arrays())}
        must = {name: shape for name, shape in must.items() if self.capabilities.has_gradient(name)}
        for name, shape in must.items():
            if name not in answer.arrays:
                fail(f"missing:{name}", f"the gradient of {name} is missing, must be an array of shape {shape}")
            given = answer.arrays[name].shape
            if given != shape.sizes:
                fail(f"shape:{name}", f"the gradient of {name} has shape {given}, must be {shape} like {name}")
        return {name: np.asarray(answer.arrays[name], np.float64) for name in must}

    def covered(self, case: Any) -> list[str]:
        """The areas that a case exercises."""
        return [name for name, area in recurrent(self.capabilities).items() if area.covers(case)]

    def right(self, call: Call) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """What a call must give by the equations, and how far from that each number may be; nothing without them."""
        case: Any = call.case
        if call.do != "forward" or case.config.cell.step is None:
            return {}
        if not self.bounded(case):  # nobody knows how far from these it may be
            return {name: (mid, np.full(mid.shape, np.inf)) for name, mid in handed(case).items()}
        return {name: (ball.mid, np.nan_to_num(ball.rad, nan=np.inf)) for name, ball in self.balls(case).items()}

    def balls(self, case: Any) -> Handed:
        """The results by the equations, with what rounding may do to them in the order in which they are computed.

        Where that is not step by step, the recurrence has to be linear.
        """
        order = self.order(case)
        return handed(case, replace(self.arithmetic(case), order=order, decays=order in ("scan", "chunks")))

    def bounded(self, case: Any) -> bool:
        """Whether there are such balls."""
        cell = case.config.cell
        return cell.step is not None and (self.order(case) == "steps" or cell.linear)

    def order(self, case: Any) -> str:
        """In which order the target claims to compute a case."""
        return self.capabilities.order if case.mode is None else self.capabilities.modes[case.mode].order

    def follow(self, ways: Sequence[Callable[[], float]], room: float, dtype: str) -> Same | None:
        """Which numbers of which calls two ways lead to; None if they cannot be followed.  dtype: of the calls"""
        handed_on = max(UNIT[dtype], UNIT[self.capabilities.state_dtype or dtype])
        self.marks = Marks(1 / handed_on)
        try:
            return followed(self.marks, ways, room)
        finally:
            self.marks = None

    @contextlib.contextmanager
    def measuring(self) -> Iterator[None]:
        """Marks all calls made in this context as measuring rounding: none of them is judged."""
        self.measures = True
        try:
            yield
        finally:
            self.measures = False

    def suspect(self, about: str, sentence: str) -> None:
        """Notes what looks wrong and nobody can tell, the first time of all that is about the same."""
        self.suspected.setdefault(about, sentence)


def subject_of(target: Target) -> Subject:
    """The target as properties see it: of layers of cells, or of recurrences."""
    return RecurrentSubject(target) if target.capabilities.recurrences else Subject(target)
