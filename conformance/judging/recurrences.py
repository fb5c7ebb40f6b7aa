"""Recurrences as properties see them: asked by name, and compared where nobody knows the equations.

How near is near enough then. No bound can be derived, so the verdict is taken in double precision, on numbers that
single precision has too. Two results disagree if they differ by more than 2**10 times what changes of one unit in the
last place of whatever is given cause, and if that difference is not smaller by 2**16 than it is in single precision:
rounding is by 2**29, and a mistake is not. A target without double precision fails on exact statements only; what else
looks wrong is a suspicion, which the report mentions and which counts as nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from conformance.claims.allowed import sequences
from conformance.claims.capabilities import Capabilities
from conformance.harness.answer import Answer
from conformance.harness.call import Call
from conformance.harness.load import Target
from reference_rnn import Handed, RecurrenceCase, handed, handed_shapes
from reference_rnn.recurrences import shapes_of

from .coverage import recurrent
from .judgement import Refused, fail
from .properties import Property
from .readings import guess
from .subject import Subject

SHRINKS = 2.0**-16  # what rounding does at least, from single to double precision
ULPS = 2.0**10  # times what changes in the last place do
TRIES = 3  # of such changes
# The same for what equations allow, where they are spelt in another way; of few digits, fewer are rounded away.
SPELT = {"float64": ULPS, "float32": ULPS, "float16": 2.0**4, "bfloat16": 2.0**4}
UNIT = {"float64": 2.0**-53, "float32": 2.0**-24, "float16": 2.0**-11, "bfloat16": 2.0**-8}

Numbers = Mapping[str, np.ndarray]
Asking = Callable[[RecurrenceCase], Numbers]


@dataclass(frozen=True)
class StateProperty(Property):
    """A statement about recurrences; ``draws`` are fields of Sequences."""

    def missing(self, capabilities: Capabilities) -> list[str]:
        """The capabilities that the property needs and the target does not claim."""
        if not capabilities.recurrences:
            return ["a recurrence"]
        needs = [need for need in self.needs if not CLAIMS.get(need, lambda c, n=need: c.claims(n))(capabilities)]
        return list(dict.fromkeys(needs))

    def allowed(self, capabilities: Capabilities) -> Any:
        """The cases that the property is about and the target claims to run."""
        return sequences(capabilities, **self.draws)

    def random_cases(self, count: int) -> int:
        """How many random cases it is judged on, of so many of a profile."""
        return max(round(self.share * count / 2), min(count, 10))  # a case is dearer, and covering ones are as many

    def covering(self, allowed: Any, number: int) -> Any:
        """The covering cases, whatever the seed."""
        return allowed.covering(number)


# What a property may need besides the names of claims.
CLAIMS: dict[str, Callable[[Capabilities], bool]] = {
    "equations": lambda c: any(own.step is not None for own in c.recurrences),
    "modes": lambda c: len(c.modes) > 1,
    "heads": lambda c: any(own.heads for own in c.recurrences),
    "float64": lambda c: "float64" in c.dtypes,
}


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


@dataclass(frozen=True)
class Asked:
    """The calls that a failure is about."""

    calls: tuple[Call, ...]


class RecurrentSubject(Subject):
    """Calls a target of recurrences and reads its answers."""

    def takes(self, case: Any) -> bool:
        """Whether the target claims to run a case of this kind."""
        return case.config.dtype in self.capabilities.dtypes and case.config.cell in self.capabilities.recurrences

    def __call__(self, case: Any) -> Any:
        """The target's numbers for a case; raises Failure if there are none, or they have other shapes."""
        answer = self.answer(case)
        call = self.record.call_of(answer) or Call("forward", case)
        must = handed_shapes(case)
        for name in answer.arrays.keys() - must.keys():
            fail("array", f"forward returned {name!r}, must return {', '.join(must)}")
        for name, shape in must.items():
            if name not in answer.arrays:
                fail("array", f"{name} is missing, must be an array of shape {shape}")
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
        kinds = {"d_outputs": case.config.cell.outputs, "d_states": case.config.cell.states}
        asked = {f"{kind}.{name}": cotangents.get(name) for kind, names in kinds.items() for name in names}
        if not self.takes(case):
            raise Refused
        answer = self.make("gradients", case, asked)
        must = {name: shape for name, shape in shapes_of(case).items() if name in dict(case.arrays())}
        for name, shape in must.items():
            if name not in answer.arrays:
                fail("array", f"the gradient of {name} is missing, must be an array of shape {shape}")
            given = answer.arrays[name].shape
            if given != shape.sizes:
                fail(f"shape:{name}", f"the gradient of {name} has shape {given}, must be {shape} like {name}")
        return {name: np.asarray(answer.arrays[name], np.float64) for name in must}

    def covered(self, case: Any) -> list[str]:
        """The areas that a case exercises."""
        return [name for name, area in recurrent(self.capabilities).items() if area.covers(case)]

    def right(self, call: Call) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """What a call must give by the equations, and how far from that each number may be; nothing without them."""
        order = self.order(call.case)
        if call.do != "forward" or call.case.config.cell.step is None or order != "steps":
            return {}
        return {name: (ball.mid, np.nan_to_num(ball.rad, nan=np.inf)) for name, ball in self.balls(call.case).items()}

    def balls(self, case: Any) -> Handed:
        """The results by the equations, with what rounding may do to them step by step."""
        return handed(case, self.arithmetic(case))

    def order(self, case: Any) -> str:
        """In which order the target claims to compute a case."""
        return self.capabilities.order if case.mode is None else self.capabilities.modes[case.mode].order

    def suspect(self, sentence: str) -> None:
        """Notes what looks wrong, once."""
        if sentence not in self.suspected:
            self.suspected.append(sentence)


def subject_of(target: Target) -> Subject:
    """The target as properties see it: of layers of cells, or of recurrences."""
    return RecurrentSubject(target) if target.capabilities.recurrences else Subject(target)


def same_bits(one: Given, other: Given, kept: Callable[[str, np.ndarray], np.ndarray] = lambda name, a: a) -> None:
    """Both results are the same numbers, in what is kept of each array."""
    for name, a in one.numbers.items():
        a, b = kept(name, a), kept(name, other.numbers[name])
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        if not same.all():
            at = tuple(np.argwhere(~same)[0].tolist())
            fail(f"bits:{name}", f"{name}{list(at)} is {a[at]:.9g} on A and {b[at]:.9g} on B", one, other)


def agree(target: RecurrentSubject, case: RecurrenceCase, one: Asking, other: Asking, told: str) -> None:
    """Two ways to the same numbers lead to the same, but for rounding; told: what they are, for the message.

    Both are asked once in double precision; again, with other numbers and in single precision, only where they differ.
    """
    wide = "float64" in target.capabilities.dtypes
    case = case.in_dtype("float64") if wide else case
    begun = len(target.record.made)
    a, b = one(case), other(case)
    asked = Asked(tuple(call for call, _ in list(target.record.made)[begun:]))
    apart = {name: distance(a[name], b[name]) for name in a}
    u = UNIT[case.config.dtype]
    near = {name: ULPS * u * largest(a[name], b[name]) for name in a}
    if all((apart[name] <= near[name]).all() for name in a):
        return
    moved = sensitivity(one, case, a)
    near = {name: np.maximum(near[name], ULPS * moved[name]) for name in a}
    wrong = [name for name in a if not (apart[name] <= near[name]).all()]
    if not wrong:
        return
    name = wrong[0]
    at = tuple(np.argwhere(~(apart[name] <= near[name]))[0].tolist())
    said = f"{told}: {name}{list(at)} is {a[name][at]:.9g} and {b[name][at]:.9g}"
    if not wide:
        target.suspect(
            f"{said}; in {case.config.dtype} nobody can tell whether that is rounding: claim float64 as well"
        )
        return
    if "float32" in target.capabilities.dtypes:
        narrow = case.in_dtype("float32")
        coarse = distance(one(narrow)[name], other(narrow)[name])
        if apart[name][at] <= SHRINKS * np.nanmax(coarse, initial=0.0):
            return
    how = f"changes in the last place of what is given move it by {float(np.max(moved[name], initial=0.0)):.1e}"
    fail(f"disagree:{name}", f"{said}; {how}", asked)


@np.errstate(all="ignore")
def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How far apart two arrays are, elementwise; infinitely where one has a number and the other none."""
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    apart = np.where(same, 0.0, abs(a - b))
    return np.where(np.isnan(apart), np.inf, apart)


def largest(*arrays: np.ndarray) -> float:
    """The largest finite magnitude."""
    return max(float(np.max(abs(a), where=np.isfinite(a), initial=0.0)) for a in arrays)


def sensitivity(one: Asking, case: RecurrenceCase, a: Numbers) -> dict[str, float]:
    """How far changes in the last place of whatever is given move each result at most."""
    draw, moved = np.random.default_rng(0), dict.fromkeys(a, 0.0)
    toward = {name: draw.choice([-1.0, 1.0], (TRIES, *array.shape)) for name, array in case.arrays()}
    for number in range(TRIES):
        way = {name: np.inf * signs[number] for name, signs in toward.items()}
        changed = case.map(lambda name, array, way=way: np.nextafter(array, way[name].astype(array.dtype)))  # type: ignore[misc]
        found = one(changed)
        for name in a:
            apart = distance(a[name], found[name])
            moved[name] = max(moved[name], float(np.max(apart, where=np.isfinite(apart), initial=0.0)))
    return moved


def spelt_otherwise(target: RecurrentSubject, case: RecurrenceCase, run: Given) -> dict[str, float]:
    """How much further from the equations' numbers those may be that are computed by other equations for the same.

    S - k (k^T S) is (I - k k^T) S: what cancels, and where, a bound of one spelling does not know of the other.
    """
    dtype = case.config.dtype
    moved = sensitivity(lambda c: target(c).numbers, case, run.numbers)
    return {name: SPELT[dtype] * max(moved[name], UNIT[dtype] * largest(a)) for name, a in run.numbers.items()}


def carried(case: RecurrenceCase, states: Mapping[str, np.ndarray], claims: Capabilities) -> dict[str, np.ndarray]:
    """Final states as they are handed to the next call."""
    dtype = case.config.numpy_dtype if claims.state_dtype is None else np.dtype(claims.state_dtype)
    return {name: states[name].astype(dtype) for name in case.config.cell.states}


def refused(condition: bool) -> None:
    """The property says nothing about this target if the condition is true."""
    if condition:
        raise Refused


def with_states(case: RecurrenceCase, states: Mapping[str, np.ndarray | None]) -> RecurrenceCase:
    """The same case with other states."""
    return replace(case, states={name: states[name] for name in case.config.cell.states})
