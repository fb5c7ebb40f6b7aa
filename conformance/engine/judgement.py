"""How a result is judged: exactly where nothing can round, within balls elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn

import numpy as np

from reference_rnn import Arithmetic, Ball, Case, Result, anchored, forward
from strategies.integers import representable


class Failure(AssertionError):
    """A property does not hold. ``kind`` tells failures of one sort from others while shrinking."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


class NotApplicable(Exception):
    """A property says nothing about a case; the case does not count."""


class Refused(NotApplicable):
    """The target refuses a case that it does not claim to take."""


class NotRun(Exception):
    """A property cannot be judged here; the message says what is missing."""


def fail(kind: str, message: str) -> NoReturn:
    """The property does not hold."""
    raise Failure(kind, message)


def applicable(condition: bool) -> None:
    """The property says something about this case only if the condition is true."""
    if not condition:
        raise NotApplicable


def claimed(condition: bool) -> None:
    """The property says something about this target only if the condition is true."""
    if not condition:
        raise Refused


@dataclass
class Run:
    """What the target made of a case: the numbers, and how far rounding may have moved them.

    misread  what was wrong with the shapes as they were returned
    bounds   computes the radii of all parts, when they are needed; None where every number is exact
    """

    case: Case
    result: Any  # a Result, or what reads like one
    arithmetic: Arithmetic
    bounds: Callable[[], Any]
    misread: tuple[str, ...] = ()

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
        return Run(case, change(self.result), self.arithmetic, lambda: self.rad and change(self.rad), self.misread)


def free_bounds(case: Case, arithmetic: Arithmetic) -> Result | None:
    """The radii of a whole run; None where every number is exact."""
    if representable(case):
        return None
    return forward(case, arithmetic).map(lambda name, ball: ball.rad)


@np.errstate(all="ignore")
def agree(one: Run, other: Run) -> None:
    """Both runs are the same, but for the rounding that each of them may have done."""
    for name, a in one.result.items():
        b = getattr(other.result, name)
        # a target that is wrong rounds around other numbers than the reference: that alone breaks no relation
        slack = 32 * one.arithmetic.u * np.maximum(size(a), size(b))
        if np.array_equal(a, b, equal_nan=True) or (one.rounds and (abs(a - b) <= slack).all()):
            continue  # no need to know how far apart they might be
        room = sum((abs(getattr(run.rad, name)) for run in (one, other) if run.rad), np.zeros(a.shape))
        if one.rad or other.rad:
            room = room * (1 + 8 * one.arithmetic.u) + slack
        near = (a == b) | (abs(a - b) <= room) | np.isinf(room) | (np.isnan(a) & np.isnan(b))
        if not near.all():
            at = first(~near)
            fail(
                f"disagree:{name}",
                f"{name}{list(at)} is {show_both(a[at], b[at])}; rounding explains {apart(room[at])}",
            )


@np.errstate(all="ignore")
def steps_agree(run: Run) -> Result:
    """Each step of the top layer is the reference's step from the run's own previous state.

    Returns the balls, which tell what was void.
    """
    case = run.case
    balls = anchored(case, run.result.output, run.arithmetic)
    if representable(case):
        balls = balls.map(lambda name, ball: Ball(ball.mid, np.zeros(ball.shape), ball.arithmetic))
    for name, value in run.result.items():
        ball = getattr(balls, name)
        wrong = ~ball.contains(value)
        if wrong.any():
            at = first_in_time(case, wrong) if name == "output" else first(wrong)
            fail(f"value:{name}", message(name, at, value[at], ball[at]) + place(case, name, at))
    return balls


@np.errstate(all="ignore")
def within(run: Run, balls: Result, names: tuple[str, ...] = ("output", "h_n", "c_n")) -> None:
    """Every number lies in its ball."""
    for name, value in run.result.items():
        ball = getattr(balls, name)
        wrong = ~ball.contains(value)
        if name in names and wrong.any():
            at = first(wrong)
            fail(f"value:{name}", message(name, at, value[at], ball[at]) + place(run.case, name, at))


def size(array: np.ndarray) -> np.ndarray:
    """The magnitudes of the numbers; 0 for what is none: no rounding leads to NaN or infinity and back."""
    return np.where(np.isfinite(array), abs(array), 0.0)


def message(name: str, at: tuple, value: Any, ball: Any) -> str:
    """What a number is and what it must be, with as many digits as tell them apart."""
    is_, must = show(value), show(ball.mid)
    if is_ == must:
        is_, must = repr(float(value)), repr(float(ball.mid))
    room = f"+/- {ball.rad:.1e}" if ball.rad else "exactly"
    return f"{name}{list(at)} is {is_}, must be {must} {room}"


def show(value: Any) -> str:
    """A number for people: short, but with all digits where it is an integer."""
    value = float(value)
    return f"{value:g}" if value == int_or_none(value) and abs(value) < 1e6 else f"{value:.7g}"


def show_both(a: Any, b: Any) -> str:
    """Two numbers for people, with as many digits as tell them apart."""
    one, other = show(a), show(b)
    return f"{one} one way and {other} the other" if one != other else f"{one} one way and {b - a:.1e} more the other"


def int_or_none(value: float) -> int | None:
    """The integer that a finite number is nearest to."""
    return round(value) if np.isfinite(value) else None


def apart(room: Any) -> str:
    """How large a difference may be, in words."""
    return f"a difference of {room:.1e}" if room else "no difference here: every number is exact"


def first(wrong: np.ndarray) -> tuple[int, ...]:
    """The index of the first true element."""
    return tuple(int(i) for i in np.argwhere(wrong)[0])


def first_in_time(case: Case, wrong: np.ndarray) -> tuple[int, ...]:
    """The index of the wrong element that the network computed earliest."""
    return min(map(tuple, np.argwhere(wrong).tolist()), key=lambda at: (when(case, at), at))


def when(case: Case, at: tuple) -> int:
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
        number = ordinal(when(case, at) + 1)
        if config.bidirectional:
            direction = "reverse" if unit >= config.state_size else "forward"
            return f"; it is the {number} step of the {direction} direction"
        return f"; it is the {number} step"
    layer, reverse = divmod(at[0], config.num_directions)
    direction = f", {'reverse' if reverse else 'forward'} direction" if config.bidirectional else ""
    return f"; it is the final state of layer {layer}{direction}"


def ordinal(number: int) -> str:
    """first, second, third, 4th, ..."""
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")


def void_layers(balls: Result, case: Case) -> Iterator[int]:
    """The layers whose balls are so wide that they verify nothing."""
    h_n = balls.h_n
    D = case.config.num_directions
    for layer in range(case.config.num_layers):
        final = h_n[layer * D : layer * D + D]
        values, radii = [final.mid], [final.rad]
        if layer == case.config.num_layers - 1:
            values, radii = [balls.output.mid], [balls.output.rad]
        scale = max((abs(v).max(initial=0.0) for v in values), default=0.0)
        widest = max((r.max(initial=0.0) for r in radii), default=0.0)
        if widest > min(2**14 * balls.output.arithmetic.u, 0.25) * scale > 0:
            yield layer
