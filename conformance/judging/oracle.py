"""How a result is judged: exactly where nothing can round, within balls elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NoReturn, TypeVar

import numpy as np

from conformance.harness.answer import DEATHS, Problem
from conformance.harness.call import Call
from conformance.harness.frame import KINDS
from reference_rnn import Arithmetic, Ball, Case, Result, anchored, forward
from strategies.integers import representable

from .provenance import Same
from .words import Side, about, contrast, show_both

T = TypeVar("T")
KEPT = 8.0  # by which factor an error may become smaller, in radii, while its case is made small
GROSS = 0.01  # of the largest expected number: what is wrong by more is large in any radii
HIDDEN = 2.0**-10  # of the largest error: what is smaller may be another mistake, and is not what is shown
SLACK = 32  # u of the numbers by which two runs of a relation may differ beyond their radii
SILENT = {*KINDS, "load", *DEATHS}  # sorts of failures by which a call has no answer
OWN = "own:"  # before the kind of a failure of results that came beside gradients, of the run recorded for these


class Failure(AssertionError):
    """A property does not hold.

    kind               tells failures of one sort from others while shrinking: the sort, and the array or the type of
                       the exception, as "value:h_n" and "raised:ValueError"
    about              the runs or answers that it is about; the last one of all if none is named
    name, at           the number that is wrong: its array and index, as the first of those calls gave it
    given, must, room  what it is, what it must be, and how far from that it may be; for two runs that do not
                       agree, must is the number of the other one
    largest            the largest number of the array that is expected; that number itself if it is not given
    same               which two numbers of the calls that it is about must be the same
    shows              what of the message is the same whenever a mistake is the same, beside the number that is wrong
    problem            why there is no answer, where that is what fails
    """

    def __init__(
        self, kind: str, message: str, about: tuple[Any, ...] = (), *, name: str = "", at: tuple[int, ...] = (),
        given: float | None = None, must: float | None = None, room: float | None = None, same: Same | None = None,
        shows: str = "", largest: float | None = None, problem: Problem | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.about = about
        self.name, self.at = name, at
        self.given, self.must, self.room = given, must, room
        self.same = same
        self.shows = shows
        self.largest = largest
        self.problem = problem

    @property
    def sort(self) -> str:
        """What sort of failure it is, whatever it is about."""
        return sort_of_kind(self.kind)

    def told_as(self, kind: str, message: str) -> Failure:
        """The failure as one of another kind, in other words."""
        return Failure(
            kind, message, self.about, name=self.name, at=self.at, given=self.given, must=self.must, room=self.room,
            same=self.same, shows=self.shows, largest=self.largest, problem=self.problem,
        )  # fmt: skip

    @property
    def error(self) -> float | None:
        """How far the number is from what it must be, infinitely if one of them is none; None if it is about none."""
        if self.given is None or self.must is None or self.room is None:
            return None
        error = abs(self.given - self.must)
        return math.inf if math.isnan(error) else error

    @property
    def scale(self) -> float:
        """The largest number that is expected."""
        return magnitude_of(self.must) if self.largest is None else self.largest

    def as_large_as(self, other: Failure, u: float) -> bool:
        """Whether it can be the same mistake by its size: not much less wrong than another failure, in radii.

        Two gross errors can, too, whatever their radii. Where one is about no number, nothing tells them apart.
        u: the unit roundoff of the dtype. Zeros do not round: an error beside nothing else is measured as if it stood
        beside numbers like those of the other failure.
        """
        error, least = self.error, other.error
        if error is None or least is None:
            return True
        scale = min(1.0, other.scale)
        if error > GROSS * max(self.scale, scale) and least > GROSS * other.scale:
            return True
        radius = self.radius(u)
        if self.scale < HIDDEN * scale:
            radius = max(radius, other.radius(u) * scale / other.scale)
        return error / radius >= least / other.radius(u) / KEPT

    def radius(self, u: float) -> float:
        """How far rounding may go: no less than the last place of what is expected."""
        return max(self.room or 0.0, u * magnitude_of(self.must), math.ulp(0.0))


def sort_of_kind(kind: str) -> str:
    """The sort of a kind of failures, whatever they are about."""
    return kind.removeprefix(OWN).partition(":")[0]


def is_silence(kind: str) -> bool:
    """Whether a call gave nothing that could be judged, or there was no instance to call, by the kind of a failure."""
    return sort_of_kind(kind) in SILENT


def magnitude_of(number: float | None) -> float:
    """The magnitude of a number; 0 for NaN and infinity."""
    return abs(number) if number is not None and math.isfinite(number) else 0.0


class NotApplicable(Exception):
    """A property says nothing about a case; the case does not count."""


class CaseRefused(NotApplicable):
    """The target refuses a case that it does not claim to take."""


class NotRun(Exception):
    """A property cannot be judged here; the message says what is missing."""


class CannotTell(NotRun):
    """The target says that it has no answer, by a way that is open to adapters alone; the message says why."""


def fail(kind: str, message: str, *about: Any, **number: Any) -> NoReturn:
    """The property does not hold.

    about: the runs or answers that show it, if it is not the last one alone;  number: what is wrong, see Failure
    """
    raise Failure(kind, message, about, **number)


def applicable(condition: bool) -> None:
    """The property says something about this case only if the condition is true."""
    if not condition:
        raise NotApplicable


def claimed(condition: bool) -> None:
    """The property says something about this target only if the condition is true."""
    if not condition:
        raise CaseRefused


def right_at_first(judge: Callable[..., T], *given: Any) -> T:
    """What ``judge`` returns; NotApplicable where it fails, since the case is wrong before anything is changed."""
    try:
        return judge(*given)
    except Failure:
        raise NotApplicable from None


@dataclass
class Run:
    """What the target made of a case: the numbers, and how far rounding may have moved them.

    misread  what was wrong with the shapes as they were returned
    bounds   computes the radii of all parts, when they are needed; None where every number is exact
    calls    those that gave the numbers; none where it is not the target that says what they are
    by       who gave them, if it is not the target that is judged
    changes  what was done to the numbers of the one call that gave them, in turn;  origin: these numbers
    unseen   the results that the target does not show: they are the reference's
    """

    case: Case
    result: Any  # a Result, or what reads like one
    arithmetic: Arithmetic
    bounds: Callable[[], Any]
    misread: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    by: str = ""
    origin: Any = None
    changes: tuple[Callable[[Any], Any], ...] = ()
    unseen: tuple[str, ...] = ()

    @cached_property
    def rad(self) -> Any:
        """The radius of every number: how far a correct implementation may be from the exact one.

        None where every number is exact in every order of summation.
        """
        return self.bounds()

    @property
    def rounds(self) -> bool:
        """Whether some number is rounded for certain, so that there are radii."""
        return self.case.config.cell != "RNN_RELU"

    def map(self, case: Case, change: Callable[[Any], Any]) -> Run:
        """The run that should have answered another case, its numbers and radii changed alike."""
        return Run(
            case, change(self.result), self.arithmetic, lambda: self.rad and change(self.rad), self.misread,
            self.calls, self.by, self.result if self.origin is None else self.origin, (*self.changes, change),
            self.unseen,
        )  # fmt: skip

    def like(self, result: Any, by: str = "") -> Run:
        """Other numbers for the same case, which rounding may move as far as these; they come from no call."""
        return Run(self.case, result, self.arithmetic, lambda: self.rad, by=by)

    def bounded_like(self, other: Run) -> Run:
        """This run with the radii of another one."""
        return replace(self, bounds=lambda: other.rad)

    def joined(self, result: Any, *parts: Run) -> Run:
        """A run of this case that was computed in parts, with the radii of this run."""
        calls = tuple(call for run in parts for call in run.calls)
        return Run(self.case, result, self.arithmetic, lambda: self.rad, calls=calls)


def free_bounds(case: Case, arithmetic: Arithmetic) -> Result | None:
    """The radii of a whole run; None where every number is exact."""
    if representable(case, arithmetic.bits):
        return None
    return forward(case, arithmetic).map(lambda name, ball: ball.rad)


@np.errstate(all="ignore")
def agree(one: Run, other: Run) -> None:
    """Both runs are the same, but for the rounding that each of them may have done."""
    for name, a in one.result.items():
        b = getattr(other.result, name)
        # a target that is wrong rounds around other numbers than the reference: that alone breaks no relation
        slack = SLACK * one.arithmetic.u * np.maximum(magnitudes(a), magnitudes(b))
        if np.array_equal(a, b, equal_nan=True) or (one.rounds and (abs(a - b) <= slack).all()):
            continue  # no need to know how far apart they might be
        for room in rooms(one, other, name, slack):
            near = (a == b) | (abs(a - b) <= room) | np.isinf(room) | (np.isnan(a) & np.isnan(b))
            if near.all():
                break
        else:
            at = first(witnesses(~near, a - b))
            disagree(one, other, name, at, float(room[at]))


def rooms(one: Run, other: Run, name: str, slack: np.ndarray) -> Iterator[np.ndarray]:
    """How far apart two runs may be: by what is known of one of them, which is often enough, then by all there is."""
    summed: Any = np.zeros(slack.shape)
    for run in (other, one):
        if run.rad:
            summed = summed + abs(getattr(run.rad, name))
            yield summed * (1 + 8 * run.arithmetic.u) + slack
    if not (one.rad or other.rad):
        yield summed


def disagree(one: Run, other: Run, name: str, at: tuple[int, ...], room: float) -> NoReturn:
    """Fails: the number at one place of two runs is not the same."""
    here, there = side(one, name, at), side(other, name, at)
    first, second = (one, here), (other, there)
    if not one.calls:
        first, second = second, first
    mine, factor = first[1], first[1].factor
    fail(
        f"disagree:{name}", contrast(here, there, room), one, other,
        name=origin_of(first[0], name, at)[0] if len(mine.calls) == 1 else "", at=mine.at, given=mine.value / factor,
        must=second[1].value / factor, room=room / abs(factor),
        largest=magnitudes(getattr(second[0].result, name)).max(initial=0.0) / abs(factor),
    )  # fmt: skip


def side(run: Run, name: str, at: tuple[int, ...]) -> Side:
    """A number of a run, as the call that gave it has it."""
    value = float(getattr(run.result, name)[at])
    if not run.calls:
        return Side(value, name, at, by=run.by)
    name, at, factor = origin_of(run, name, at)
    gradients = any(call.do == "gradients" for call in run.calls)
    return Side(value, f"the gradient of {name}" if gradients else name, at, run.calls, run.by, factor)


@np.errstate(all="ignore")
def origin_of(run: Run, name: str, at: tuple[int, ...]) -> tuple[str, tuple[int, ...], float]:
    """Where a number of a changed run stood before, and what it was multiplied by; as it is where that cannot be told.

    The changes are made once more, on the numbers 1, 2, 3, ... in the place of the results, on ones and on twos.
    """
    if not run.changes:
        return name, at, 1.0
    shapes = {part: value.shape for part, value in run.origin.items()}
    ends = dict(zip(shapes, np.cumsum([np.prod(shape, dtype=int) for shape in shapes.values()]).tolist()))

    def numbered(part: str, value: np.ndarray) -> np.ndarray:
        return np.arange(ends[part] - value.size + 1.0, ends[part] + 1).reshape(value.shape)

    changed = [run.origin.map(numbered), *(run.origin.map(lambda _, v, n=n: np.full(v.shape, n)) for n in (1.0, 2.0))]
    try:
        for change in run.changes:
            changed = [change(numbers) for numbers in changed]
    except Failure:  # a change that looks at its numbers
        return name, at, 1.0
    labels, ones, twos = changed
    factor = float(getattr(ones, name)[at])
    if getattr(twos, name)[at] != 2 * factor:  # a number that comes from elsewhere
        return name, at, 1.0
    label = float(getattr(labels, name)[at]) / factor if factor else 0.0
    for part, end in ends.items():
        if label.is_integer() and 0 < label <= end:
            values = getattr(run.origin, part)
            index = np.unravel_index(int(label) - 1 - end + values.size, values.shape)
            if np.array_equal(values[index] * factor, getattr(run.result, name)[at], equal_nan=True):
                return part, tuple(map(int, index)), factor
            break
    return name, at, 1.0


@np.errstate(all="ignore")
def steps_agree(run: Run) -> Result:
    """Each step of the top layer is the reference's step from the run's own previous state.

    Returns the balls, which tell what was void.
    """
    case = run.case
    hidden = "output" in run.unseen  # then there is nothing of its own to start from
    balls = forward(case, run.arithmetic) if hidden else anchored(case, run.result.output, run.arithmetic)
    if representable(case, run.arithmetic.bits):
        balls = balls.map(lambda name, ball: Ball(ball.mid, np.zeros(ball.shape), ball.arithmetic))
    for name, value in run.result.items():
        ball = getattr(balls, name)
        wrong = ~ball.contains(value)
        if name not in run.unseen and wrong.any():
            shown = witnesses(wrong, value - ball.mid)
            wrong_value(run, name, first_in_time(case, shown) if name == "output" else first(shown), ball)
    return balls


FAR = 64  # u; balls are computed beyond that, since they take several times as long


@np.errstate(all="ignore")
def is_far(result: Any, expected: Any, arithmetic: Arithmetic) -> bool:
    """Whether some number is so far from what is expected that its ball must be looked at."""
    for name, array in result.items():
        must = getattr(expected, name)
        room = FAR * arithmetic.u * max(1.0, abs(must).max(initial=0.0))
        if not (abs(array - must) <= room).all():
            return True
    return False


@np.errstate(all="ignore")
def within(run: Run, balls: Result, names: tuple[str, ...] = ("output", "h_n", "c_n")) -> None:
    """Every number lies in its ball."""
    for name, value in run.result.items():
        ball = getattr(balls, name)
        wrong = ~ball.contains(value)
        if name in names and name not in run.unseen and wrong.any():
            wrong_value(run, name, first(witnesses(wrong, value - ball.mid)), ball)


def wrong_value(run: Run, name: str, at: tuple[int, ...], ball: Any) -> NoReturn:
    """Fails: a number lies outside its ball."""
    value, must, given = float(getattr(run.result, name)[at]), ball[at], index_in_answer(run, name, at)
    text = message(name, given, value, must) + place(run.case, name, at)
    fail(
        f"value:{name}", text, run, name=name, at=given, given=value, must=float(must.mid), room=float(must.rad),
        largest=magnitudes(ball.mid).max(initial=0.0),
    )  # fmt: skip


def index_in_answer(run: Run, name: str, at: tuple[int, ...]) -> tuple[int, ...]:
    """Where a number of a run stands in the array that the target gave."""
    return origin_of(run, name, at)[1]


def magnitudes(array: np.ndarray) -> np.ndarray:
    """The magnitudes of the numbers; 0 for NaN and infinity, which no rounding leads to and back."""
    return np.where(np.isfinite(array), abs(array), 0.0)


def message(name: str, at: tuple, value: Any, ball: Any) -> str:
    """What a number is and what it must be, with as many digits as tell them apart."""
    is_, must = show_both(value, ball.mid)
    return f"{name}{list(at)} is {is_}, must be {must} {about(ball.rad)}"


@np.errstate(all="ignore")
def witnesses(wrong: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Of the wrong elements those that may be shown: none whose error is small beside the largest finite one."""
    apart = abs(errors)
    largest = np.max(apart, where=wrong & np.isfinite(apart), initial=0.0)
    return wrong & ~(apart < HIDDEN * largest)


def first(wrong: np.ndarray) -> tuple[int, ...]:
    """The index of the first true element."""
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def steps_right(run: Run) -> Run:
    """The run, if it is right: raises Failure like ``steps_agree``."""
    steps_agree(run)
    return run


def first_in_time(case: Case, wrong: np.ndarray) -> tuple[int, ...]:
    """The index of the wrong element that the network computed earliest."""
    return min(map(tuple, np.argwhere(wrong).tolist()), key=lambda at: (steps_before(case, at), at))


def steps_before(case: Case, at: tuple) -> int:
    """How many steps of its direction come before an element of output."""
    t, row, unit = step_row_unit(case, at)
    reverse = unit >= case.config.state_size
    return int(case.row_lengths[row]) - 1 - t if reverse else t


def step_row_unit(case: Case, at: tuple) -> tuple[int, int, int]:
    """Step, row and unit of an index of output, in every layout."""
    if case.unbatched:
        return at[0], 0, at[1]
    return (at[1], at[0], at[2]) if case.config.batch_first else at


def place(case: Case, name: str, at: tuple) -> str:
    """Where in the network an element is, in words."""
    config = case.config
    if name == "output":
        t, row, unit = step_row_unit(case, at)
        if t >= case.row_lengths[row]:
            return f"; row {row} has ended after {case.row_lengths[row]} steps"
        number = ordinal(steps_before(case, at) + 1)
        if config.bidirectional:
            direction = "reverse" if unit >= config.state_size else "forward"
            return f"; it is the {number} step of the {direction} direction"
        return f"; it is the {number} step"
    layer, reverse = divmod(at[0], config.num_directions)
    direction = f", {'reverse' if reverse else 'forward'} direction" if config.bidirectional else ""
    return f"; it is the final state of layer {layer}{direction}"


def ordinal(number: int) -> str:
    """first, second, third, 4th, ... 11th, ... 21st, ..."""
    end = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}{end}")


def void_layers(balls: Result, case: Case) -> Iterator[int]:
    """The layers whose balls are so wide that they verify nothing."""
    h_n = balls.h_n
    D = case.config.num_directions
    for layer in range(case.config.num_layers):
        final = h_n[layer * D : layer * D + D]
        values, radii = [final.mid], [final.rad]
        if layer == case.config.num_layers - 1:
            values, radii = [balls.output.mid], [balls.output.rad]
        if balls.output.arithmetic.order == "log":  # units without logarithms are not judged, the others are
            radii = [r[np.isfinite(r)] if np.isfinite(r).any() else r for r in radii]
        scale = max((abs(v).max(initial=0.0) for v in values), default=0.0)
        widest = max((r.max(initial=0.0) for r in radii), default=0.0)
        if widest > widest_told(balls.output.arithmetic) * scale > 0:
            yield layer


def widest_told(arithmetic: Arithmetic) -> float:
    """The radius, as a share of the largest number beside it, beyond which a ball says nothing."""
    return min(2**14 * arithmetic.coarsest, 0.25)


def narrow(ball: Ball) -> np.ndarray:
    """Of which numbers of an array the ball says something."""
    return ball.rad <= widest_told(ball.arithmetic) * magnitudes(ball.mid).max(initial=0.0)


def is_void(ball: Ball) -> bool:
    """Whether the ball of some number says nothing, where not all of them are zero."""
    return bool(ball.mid.any()) and not narrow(ball).all()


def verifies(ball: Ball) -> bool:
    """Whether the ball of some number other than zero says something."""
    return bool((narrow(ball) & (ball.mid != 0)).any())
