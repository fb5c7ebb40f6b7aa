"""What a target of recurrences shows of itself: how far rounding goes in it, and which numbers must be finite.

Where nobody knows the equations, and double precision is not claimed, no bound can be derived. Two answers of a target
to one question are compared with its other answers then: to inputs one unit in the last place apart, in other modes, in
parts, with rows in another order. Whatever rounding does, it does there too. What is further off than that by BEYOND is
a mistake; and what is not finite is one where the same question has a finite answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from conformance.harness.answer import Answer
from conformance.harness.call import Call
from reference_rnn import RecurrenceCase, arithmetic, handed, rounded
from reference_rnn.bounds.arithmetic import SMALLEST_NORMAL
from reference_rnn.recurrences import USUAL

from .oracle import Failure, NotApplicable, fail
from .provenance import NumberPlace, Same
from .recurrence_runs import (
    Numbers,
    beginning,
    cotangents,
    generic,
    in_parts,
    multiple_of,
    numbers_of_run,
    other_modes,
    rows_turned,
    takes_parts,
)
from .recurrent_subject import UNIT, RecurrentSubject

Asking = Callable[[RecurrenceCase], Numbers]

ULPS = 2.0**10  # times what changes in the last place do
TRIES = 3  # of such changes
DRAWS = 16  # of them, where they alone decide
# Between a dtype and double precision, each step may lose as much again.
GROSS = {"float32": 2.0**12, "float16": 2.0**6, "bfloat16": 2.0**6}
# How much further apart two answers may be than the others: twice what `python benchmarks/evidence.py` sees at most, in
# large sums of logarithms, whose roundings are nearly the same for inputs an ulp apart.
BEYOND = 2 * 197.33
CALM = 2.0**-10  # of the largest number of a dtype: what is below that is not about to overflow
PARTS = ((0.3, 0.7), (0.0, 0.2), (0.8, 1.0))  # of the ranges of what goes in


@dataclass(frozen=True)
class FailedCalls:
    """The calls that a failure is about."""

    calls: tuple[Call, ...]


# ---------------------------------------------------------------- how far rounding goes


@dataclass(frozen=True)
class Far:
    """A number that is further off than rounding goes.

    name, at  which one;  apart  how far it is off;  shown  how far others are;  by  what these others are
    """

    name: str
    at: tuple[int, ...]
    apart: float
    shown: float
    by: str

    @property
    def room(self) -> float:
        """How far it may be off."""
        return BEYOND * self.shown

    def __str__(self) -> str:
        if not np.isfinite(self.apart):
            return "no rounding leads from one to the other"
        return f"that is {self.apart / self.shown:,.0f} times what {self.by}"


def far_off(
    target: RecurrentSubject, case: RecurrenceCase, ways: tuple[Asking, Asking], found: tuple[Numbers, Numbers],
    relation: str = "",
) -> Far | None:  # fmt: skip
    """A number that two ways to it give further apart than a target's other answers are; None where there is none.

    found     what the ways gave;  relation  how they are related, "modes", "rows", "split" or "gradients": what is
              judged does not excuse itself
    """
    room = {name: least(case, a, found[1][name]) for name, a in found[0].items()}
    apart = {name: distance(a, found[1][name]) for name, a in found[0].items()}
    far = {name: apart[name] > max(ULPS, BEYOND) * room[name] for name in apart}
    if not any(is_calm(numbers, target, case.config.dtype) for numbers in found):
        return None  # what has overflowed is added to others, or not, in some order
    shown, by = dict(room), dict.fromkeys(room, "one ulp in the inputs does")
    for seen, what in differences(target, case, ways, found, relation):
        for name in far.keys() & seen.keys():
            finite = np.isfinite(seen[name])
            if finite.shape == far[name].shape:  # one that is not finite beside these inputs may be so on them
                far[name] &= finite
            most = float(np.max(seen[name], where=finite, initial=0.0))
            if shown[name] < most and (not what or most <= BEYOND * shown[name]):  # a mistake excuses no other one
                shown[name], by[name] = most, what or by[name]
        if not any((apart[name][far[name]] > BEYOND * shown[name]).any() for name in far):
            return None
    off = {name: np.where(far[name], apart[name] / shown[name], 0.0) for name in far}
    name = max(off, key=lambda name: float(off[name].max(initial=0.0)))
    at = tuple(int(n) for n in np.unravel_index(off[name].argmax(), off[name].shape))
    return Far(name, at, float(apart[name][at]), shown[name], by[name])


def differences(
    target: RecurrentSubject, case: RecurrenceCase, ways: tuple[Asking, Asking], found: tuple[Numbers, Numbers],
    relation: str,
) -> Iterator[tuple[dict[str, np.ndarray], str]]:  # fmt: skip
    """How far apart other answers are, by name, and what they are answers to; nothing for inputs an ulp away."""
    for number in range(DRAWS):
        changed = perturb(case, number, zeros=True)
        for way, numbers in zip(ways, found):
            yield apart_from(numbers, target, partial(way, changed)), ""
    for mode in other_modes(target.capabilities, case) if relation != "modes" else ():
        yield apart_from(found[0], target, partial(ways[0], replace(case, mode=mode))), f"mode {mode} does"
    if relation == "gradients":
        return
    with target.measuring():
        plain = numbers_of_run(target, case)
    multiple = multiple_of(target, case)
    if relation != "split" and case.num_steps > multiple and takes_parts(target, case):
        cut = multiple * (case.num_steps // multiple // 2 or 1)
        yield apart_from(plain, target, partial(in_parts, target, case, (cut,))), "a split does"
    even = case.offsets is None and case.lengths is None
    if relation != "rows" and even and case.num_rows > 1:
        yield apart_from(plain, target, partial(rows_turned, target, case)), "another order of rows does"


def apart_from(numbers: Numbers, target: RecurrentSubject, ask: Callable[[], Numbers]) -> dict[str, np.ndarray]:
    """How far from some numbers those of another question are, by name."""
    with target.measuring():
        others = ask()
    return {name: distance(a, others[name]) for name, a in numbers.items()}


def least(case: RecurrenceCase, *arrays: np.ndarray) -> float:
    """How far rounding moves the largest of some numbers at least; of tiny ones, how far flushing to zero does."""
    return max(UNIT[case.config.dtype] * largest(*arrays), SMALLEST_NORMAL[case.config.dtype])


def sensitivity(target: RecurrentSubject, one: Asking, case: RecurrenceCase, a: Numbers) -> dict[str, float]:
    """How far changes in the last place of whatever is given move each result at most."""
    moved = dict.fromkeys(a, 0.0)
    for number in range(TRIES):
        for name, apart in apart_from(a, target, partial(one, perturb(case, number))).items():
            moved[name] = max(moved[name], float(np.max(apart, where=np.isfinite(apart), initial=0.0)))
    return moved


def perturb(case: RecurrenceCase, number: int, zeros: bool = False) -> RecurrenceCase:
    """The case with every number that is given replaced by one next to it, within its range if it lies there.

    zeros: whether those are replaced by a unit in the last place of what ends their range: what is next to them is too
    small to change the roundings of sums
    """
    draw, dtype = np.random.default_rng(number), case.config.dtype

    def moved(name: str, array: np.ndarray) -> np.ndarray:
        low, high = case.config.cell.ranges.get(name, USUAL)
        way = draw.choice([-1.0, 1.0], array.shape)
        if dtype == "bfloat16":  # which NumPy does not know
            near = rounded(array * (1 + way * 2 * UNIT[dtype]), dtype)
        else:
            near = np.nextafter(array, (way * np.inf).astype(array.dtype))
        if zeros:
            near = np.where(array == 0, (way * 2 * UNIT[dtype] * max(abs(low), abs(high))).astype(array.dtype), near)
        return np.where((array >= low) & (array <= high), np.clip(near, low, high).astype(array.dtype), near)

    return case.map(moved)


@np.errstate(all="ignore")
def distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How far apart two arrays are, elementwise; infinitely where one has a number and the other none."""
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    apart = np.where(same, 0.0, abs(a - b))
    return np.where(np.isnan(apart), np.inf, apart)


def largest(*arrays: np.ndarray) -> float:
    """The largest finite magnitude."""
    return max(float(np.max(abs(a), where=np.isfinite(a), initial=0.0)) for a in arrays)


# ---------------------------------------------------------------- what must be finite


def check_finite(target: RecurrentSubject) -> None:
    """Fails where a call of the check that is going on gave a number that is not finite and must be.

    Where nobody can tell, it notes what has to be claimed for that.
    """
    for call, answer in list(target.record.made):
        if call.measures or answer.problem or not all(np.isfinite(array).all() for _, array in call.arrays()):
            continue
        numbers = numbers_of(answer)
        if not all(np.isfinite(a).all() for a in numbers.values()):
            decide(target, call, numbers)
            return


def decide(target: RecurrentSubject, call: Call, numbers: dict[str, np.ndarray]) -> None:
    """Whether numbers of a call that are not finite may be so: fails where they may not, notes what nobody can tell."""
    case: Any = call.case
    claims, cell = target.capabilities, case.config.cell
    name = next(name for name, a in numbers.items() if not np.isfinite(a).all())
    at = tuple(np.argwhere(~np.isfinite(numbers[name]))[0].tolist())
    mode = f" in mode {case.mode}" if case.mode else ""
    shown = f"the gradient of {name}" if call.do == "gradients" else name
    sentence = f"in {case.config.dtype}{mode} {shown}{list(at)} is {numbers[name][at]:.9g}"
    others = list(other_answers(target, call))
    for where, ask in others:
        begun = target.record.count
        with target.measuring():
            found = steady(target, case, ask, name, at)
        if found is not None:
            beyond = [own for own, _ in target.record.made if own.number >= begun][:1]
            room = GROSS.get(case.config.dtype, ULPS) * least(case, found[name])
            places = NumberPlace(0, name, at), NumberPlace(1, name, at)
            fail(
                f"nonfinite:{name}", f"{sentence}, {where} {found[name][at]:.9g}", FailedCalls((call, *beyond)),
                same=Same(places, room) if beyond and call.do == "forward" else None,
            )  # fmt: skip
    for own, array in numbers.items():
        if array.size and not np.isfinite(array).any() and is_never_finite(target, call, own):
            of = f"the gradient of {own}" if call.do == "gradients" else own
            fail(
                f"nonfinite:{own}",
                f"all of {of} is no finite number, whatever goes in: {sentence}",
                FailedCalls((call,)),
            )
    unsaid = [own for own, _ in case.arrays() if own not in cell.ranges]
    if not others and not unsaid and is_in_range(case):
        rest = {own: a for own, a in numbers.items() if own != name}
        if call.do == "forward":
            rest = {own: a for own, a in rest.items() if own in cell.states and name in cell.outputs}
        if rest and is_calm(rest, target, case.config.dtype, root=2):  # of which squares do not overflow either
            listed = f"{' and '.join(rest)} {'is' if len(rest) == 1 else 'are'} finite"
            fail(f"nonfinite:{name}", f"{sentence}, but {listed}, and all that goes in lies in its range",
                 FailedCalls((call,)))  # fmt: skip
    if "float64" in claims.dtypes:
        return  # which says that it overflows
    remedies = ["float64", *([] if others else ["another mode"])]
    remedies += [f"the ranges of {' and '.join(unsaid)}"] if unsaid and not others else []
    which = f"{', '.join(remedies[:-1])} or {remedies[-1]}" if remedies[1:] else remedies[0]
    target.suspect(f"nonfinite {name}", f"{sentence}; nobody can tell whether that is right: claim {which} as well")


def numbers_of(answer: Answer) -> dict[str, np.ndarray]:
    """The arrays of an answer in double precision."""
    return {name: np.asarray(array, np.float64) for name, array in answer.arrays.items()}


def other_answers(target: RecurrentSubject, call: Call) -> Iterator[tuple[str, Asking]]:
    """Who else answers the question of a call, and how it is asked: other modes, double precision, the equations."""
    case: Any = call.case
    for mode in other_modes(target.capabilities, case):
        yield f"in mode {mode}", partial(ask_again, target, call, mode=mode)
    if case.config.dtype != "float64" and "float64" in target.capabilities.dtypes:
        yield "in double precision", partial(ask_again, target, call, dtype="float64")
    if call.do == "forward" and case.config.cell.step is not None:
        yield "by the equations", lambda c: {name: np.asarray(a) for name, a in handed(c).items()}


def ask_again(
    target: RecurrentSubject, call: Call, case: RecurrenceCase, mode: str | None = None, dtype: str = ""
) -> Numbers:
    """The numbers of a call like another one, for a case that has other numbers, or is in another mode or dtype."""
    case = replace(case, mode=mode or case.mode).in_dtype(dtype or case.config.dtype)
    if not target.takes(case):
        raise NotApplicable
    stored, given = case.config.numpy_dtype, call.cotangents.items()
    return numbers_of(target.make(call.do, case, {n: None if d is None else d.astype(stored) for n, d in given}))


def steady(
    target: RecurrentSubject, case: RecurrenceCase, ask: Asking, name: str, at: tuple[int, ...]
) -> Numbers | None:
    """The numbers of another answer, if none is about to overflow, there and an ulp beside, and that one hardly moves.

    One that moves by half of what it is may stand beside a number that there is none of, as 1 / x beside 1 / 0.
    """
    try:
        found = ask(case)
        for numbers in (found, *(ask(perturb(case, number)) for number in range(TRIES))):
            room = abs(found[name][at]) / 2 + ULPS * least(case, found[name])
            if not is_calm(numbers, target, case.config.dtype) or abs(numbers[name][at] - found[name][at]) > room:
                return None
    except (Failure, NotApplicable):
        return None
    return found


def is_calm(numbers: Numbers, target: RecurrentSubject, dtype: str, root: int = 1) -> bool:
    """Whether all numbers are finite, and none is about to overflow; root: neither is this power of one."""
    most = CALM * min(arithmetic(own).largest for own in (dtype, target.capabilities.state_dtype or dtype))
    return all(bool((abs(a) < most ** (1 / root)).all()) for a in numbers.values())


def is_never_finite(target: RecurrentSubject, call: Call, name: str) -> bool:
    """Whether no number of a result is finite after as few steps as there may be, whatever goes in."""
    case: Any = call.case
    along = case.config.cell.outputs if call.do == "forward" else case.config.cell.inputs
    if "steps" in target.capabilities.sizes and name not in along:
        return False  # after many steps it may have overflowed
    for part in PARTS:
        first = generic(beginning(target, case), 3, part)
        own = cotangents(first)
        given = {key: None if d is None else own[key.partition(".")[2]] for key, d in call.cotangents.items()}
        try:
            with target.measuring():
                found = ask_again(target, replace(call, cotangents=given), first)
        except (Failure, NotApplicable):
            return False
        if np.isfinite(found[name]).any():
            return False
    return True


def is_in_range(case: RecurrenceCase) -> bool:
    """Whether all that goes in lies in its range."""
    bounds = case.config.cell.ranges
    return all(
        bool(((array >= low) & (array <= high)).all())
        for name, array in case.arrays() for low, high in [bounds.get(name, USUAL)]
    )  # fmt: skip
