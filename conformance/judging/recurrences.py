"""Recurrences as properties see them: asked by name, and compared where nobody knows the equations.

How near is near enough then. No bound can be derived, so the verdict is taken in double precision, on numbers that
single precision has too. Two results disagree if they differ by more than 2**10 times what changes of one unit in the
last place of whatever is given cause, and if that difference is not smaller by 2**16 than it is in single precision:
rounding is by 2**29, and a mistake is not. Without double precision what the target shows of itself decides, see
evidence; in 16 bits that is too little, and what looks wrong is a note, which counts as nothing.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from conformance.claims.allowed import sequences
from conformance.claims.capabilities import Capabilities
from reference_rnn import RecurrenceCase
from strategies.cases import BLOCK_SIZE

from .evidence import GROSS, ULPS, Asking, FailedCalls, check_finite, distance, far_off, largest, sensitivity
from .oracle import CaseRefused, fail, first, witnesses
from .properties import Property
from .provenance import NumberPlace, Same
from .recurrence_runs import Numbers
from .recurrent_subject import UNIT, Given, RecurrentSubject
from .subject import Subject

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
        """Judges a case, then that each answer was finite; raises CaseRefused where no such case is claimed."""
        if not isinstance(subject, RecurrentSubject) or not subject.takes(case):
            raise CaseRefused
        super().judge(subject, case)
        check_finite(subject)

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


def same_bits(one: Given, other: Given, kept: Callable[[str, np.ndarray], np.ndarray] = lambda name, a: a) -> None:
    """Both results are the same numbers, in what is kept of each array."""
    for name, a in one.numbers.items():
        a, b = kept(name, a), kept(name, other.numbers[name])
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        if not same.all():
            at = tuple(np.argwhere(~same)[0].tolist())
            places = (
                NumberPlace(0, name, index_in_run(one, name, kept, at)),
                NumberPlace(1, name, index_in_run(other, name, kept, at)),
            )
            text = f"{name}{list(at)} is {a[at]:.9g} on A and {b[at]:.9g} on B"
            fail(f"bits:{name}", text, one, other, same=Same(places))


def index_in_run(
    run: Given, name: str, kept: Callable[[str, np.ndarray], np.ndarray], at: tuple[int, ...]
) -> tuple[int, ...]:
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
