"""Recurrences as properties see them: asked by name, and compared where nobody knows the equations.

How near is near enough then. No bound can be derived, so the verdict is taken in double precision, on numbers that
single precision has too. Two results disagree if they differ by more than 2**10 times what changes of one unit in the
last place of whatever is given cause, and if that difference is not smaller by 2**16 than it is in single precision:
rounding is by 2**29, and a mistake is not. Without double precision what the target shows of itself decides, see
evidence; in 16 bits that is too little, and what looks wrong is a note, which counts as nothing.
"""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np

from conformance.claims.allowed import sequences
from conformance.claims.capabilities import Capabilities
from conformance.harness.answer import Answer
from conformance.harness.call import Call
from conformance.harness.load import Target
from reference_rnn import Handed, RecurrenceCase, handed, handed_shapes
from reference_rnn.recurrences import shapes_of
from strategies.cases import BLOCK_SIZE

from .coverage import recurrent
from .evidence import GROSS, ULPS, UNIT, Asking, FailedCalls, distance, far_off, finite, largest, sensitivity
from .judgement import Refused, fail, first, witnesses
from .places import Lost, Marks, Place, Same, followed
from .properties import Property
from .readings import guess
from .subject import Subject
from .ways import Numbers

SHRINKS = 2.0**-16  # what rounding does at least, from single to double precision
# Times what changes in the last place do, where equations are spelt in another way; of few digits, fewer are rounded
# away.
SPELT = {"float64": ULPS, "float32": ULPS, "float16": 2.0**4, "bfloat16": 2.0**4}


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

    def judge(self, subject: Subject, case: Any) -> None:
        """Judges a case, if the target claims to run such; then whether all that it was asked for may be as it is."""
        if not isinstance(subject, RecurrentSubject) or not subject.takes(case):
            raise Refused
        super().judge(subject, case)
        finite(subject)

    def random_cases(self, count: int) -> int:
        """How many random cases it is judged on, of so many of a profile."""
        return max(round(self.share * count / 2), min(count, 10))  # a case is dearer, and covering ones are as many

    def covering(self, allowed: Any, number: int) -> Any:
        """The covering cases, whatever the seed."""
        return allowed.covering(number)

    def completion(self, allowed: Any, number: int) -> Any:
        """Random cases: none is void in its middle, since a step is anchored or short."""
        generator = random.Random(number)
        return (allowed.from_block(generator.randbytes(BLOCK_SIZE)) for _ in itertools.count())


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
            raise Refused
        plain = {name: None if d is None else np.array(d, order="C") for name, d in asked.items()}
        answer = self.make("gradients", self.asked(case), plain)
        must = {name: shape for name, shape in shapes_of(case).items() if name in dict(case.arrays())}
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
        """What is called meanwhile shows how far rounding goes, and is judged by nobody."""
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


def same_bits(one: Given, other: Given, kept: Callable[[str, np.ndarray], np.ndarray] = lambda name, a: a) -> None:
    """Both results are the same numbers, in what is kept of each array."""
    for name, a in one.numbers.items():
        a, b = kept(name, a), kept(name, other.numbers[name])
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        if not same.all():
            at = tuple(np.argwhere(~same)[0].tolist())
            places = Place(0, name, index(one, name, kept, at)), Place(1, name, index(other, name, kept, at))
            text = f"{name}{list(at)} is {a[at]:.9g} on A and {b[at]:.9g} on B"
            fail(f"bits:{name}", text, one, other, same=Same(places))


def index(run: Given, name: str, kept: Callable[[str, np.ndarray], np.ndarray], at: tuple[int, ...]) -> tuple[int, ...]:
    """Where in an array of a run the number is that stands at an index in what is kept of it."""
    shape = run.numbers[name].shape
    counted = kept(name, np.arange(run.numbers[name].size, dtype=np.float64).reshape(shape))
    return tuple(int(n) for n in np.unravel_index(int(counted[at]), shape))


def agree(
    target: RecurrentSubject, case: RecurrenceCase, one: Asking, other: Asking, told: str = "", right: str = "",
    relation: str = "",
) -> None:  # fmt: skip
    """Two ways to the same numbers lead to the same, but for rounding.

    told      what they are, for the message;  right: instead, who gives the second numbers, as in "the equations give"
    relation  between them, see far_off

    Both are asked in double precision, where that is claimed, and then in the dtype of the case; again, with other
    numbers and in single precision, only where they differ.
    """
    wide = case.in_dtype("float64") if "float64" in target.capabilities.dtypes else case
    begun = len(target.record.made)
    a, b = one(wide), other(wide)
    calls = FailedCalls(tuple(call for call, _ in list(target.record.made)[begun:]))
    dtype = wide.config.dtype
    coarsest = max(UNIT[dtype], UNIT[target.capabilities.state_dtype or dtype])
    more = coarsest / UNIT[dtype]  # of states that are handed on in a narrower dtype
    apart = {name: distance(a[name], b[name]) for name in a}
    near = {name: ULPS * coarsest * largest(a[name], b[name]) for name in a}

    def differ(name: str, at: tuple[int, ...], room: float, how: str) -> NoReturn:
        ways = [lambda way=way: way(wide)[name][at] for way in (one, other)]
        fail(
            f"disagree:{name}", f"{sentence(name, at)}; {how}", calls, name=name, at=at, given=float(a[name][at]),
            must=float(b[name][at]), room=room, same=target.follow(ways, room, dtype), largest=largest(b[name]),
        )  # fmt: skip

    def sentence(name: str, at: tuple[int, ...]) -> str:
        both = f"{a[name][at]:.9g}, {right}" if right else f"{a[name][at]:.9g} and"
        return f"{opening(told)}{name}{list(at)} is {both} {b[name][at]:.9g}"

    wrong = [name for name in a if not (apart[name] <= near[name]).all()]
    if wrong and dtype == "float32" and more == 1 and target.capabilities.arithmetic == "strict":
        if far := far_off(target, wide, (one, other), (a, b), relation):
            differ(far.name, far.at, far.room, str(far))
        return
    if wrong:
        moved = sensitivity(target, one, wide, a)
        near = {name: max(near[name], ULPS * more * moved[name]) for name in a}
        wrong = [name for name in a if not (apart[name] <= near[name]).all()]
    if wrong:
        name = wrong[0]
        at = first(witnesses(~(apart[name] <= near[name]), apart[name]))
        if dtype != "float64":
            who = f"in {dtype} nobody can tell whether that is rounding: claim float64 as well"
            target.suspect(name, f"{sentence(name, at)}; {who}")
            return
        if "float32" in target.capabilities.dtypes and more == 1:
            narrow = case.in_dtype("float32")
            with target.measuring():
                coarse = distance(one(narrow)[name], other(narrow)[name])
            if apart[name][at] <= SHRINKS * np.nanmax(coarse, initial=0.0):
                return
        differ(name, at, near[name], f"changing the inputs in their last place moves it by {moved[name]:.1e}")
    if dtype != case.config.dtype:
        for way in (one, other):
            alike_in_double(target, case, way, a, told)


def opening(told: str) -> str:
    """How a message begins, if there is something to begin with."""
    return f"{told}: " if told else ""


def alike_in_double(target: RecurrentSubject, case: RecurrenceCase, way: Asking, right: Numbers, told: str) -> None:
    """A way gives in the dtype of the case what double precision gives, but for grossly more than rounding does."""
    dtype = case.config.dtype
    coarsest = max(dtype, target.capabilities.state_dtype or dtype, key=UNIT.__getitem__)
    u = UNIT[coarsest]
    begun = len(target.record.made)
    given = way(case)
    made = list(target.record.made)[begun:]
    results = [answer.arrays for call, answer in made if call.do == "forward"]
    if not all(np.isfinite(arrays[name]).all() for arrays in results for name in case.config.cell.states):
        return  # where a state overflows, a number that an output makes of it may be finite, and any
    calls = FailedCalls(tuple(call for call, _ in made))
    apart = {name: distance(given[name], right[name]) for name in right}
    near = {name: GROSS[coarsest] * u * largest(right[name]) for name in right}
    if all((apart[name] <= near[name]).all() for name in right):
        return
    moved = sensitivity(target, way, case, given)
    for name in right:
        far = np.isfinite(apart[name])  # else one is no number: whether it may be so, is asked of each call
        far &= apart[name] > max(near[name], GROSS[coarsest] * u / UNIT[dtype] * moved[name])
        if far.any():
            at = first(witnesses(far, apart[name]))
            narrow, double = f"{given[name][at]:.9g}", f"{right[name][at]:.9g}"
            said = f"{opening(told)}in {dtype} {name}{list(at)} is {narrow}, in double precision {double}"
            how = f"changing the inputs in their last place moves it by {moved[name]:.1e}"
            fail(f"narrow:{name}", f"{said}; {how}", calls)


def spelt_otherwise(target: RecurrentSubject, case: RecurrenceCase, run: Given) -> dict[str, float]:
    """How much further from the equations' numbers those may be that are computed by other equations for the same.

    S - k (k^T S) is (I - k k^T) S: what cancels, and where, a bound of one spelling does not know of the other.
    """
    dtype = case.config.dtype
    moved = sensitivity(target, lambda c: target(c).numbers, case, run.numbers)
    u = max(UNIT[dtype], UNIT[target.capabilities.state_dtype or dtype])  # states may be handed on in a narrower one
    return {name: SPELT[dtype] * max(moved[name] * u / UNIT[dtype], u * largest(a)) for name, a in run.numbers.items()}
