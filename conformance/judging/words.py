"""Numbers in words, and which of two is which: of what array of which call, or who else says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

import numpy as np

from conformance.harness.call import Call


def number_text(value: Any) -> str:
    """A number for people: short, but with all digits where it is an integer."""
    value = float(value)
    return f"{value:g}" if value == int_or_none(value) and abs(value) < 1e6 else f"{value:.7g}"


def int_or_none(value: float) -> int | None:
    """The integer that a finite number is nearest to."""
    return round(value) if np.isfinite(value) else None


def show_both(a: float, b: float) -> tuple[str, str]:
    """Two numbers for people, with as many digits as tell them apart."""
    one, other = number_text(a), number_text(b)
    return (one, other) if one != other else (repr(float(a)), repr(float(b)))


def about(room: float) -> str:
    """How far from a number one may be, in words."""
    return f"+/- {room:.1e}" if room else "exactly"


def enumeration(names: Sequence[str], last: str = "and") -> str:
    """a, b and c."""
    return f" {last} ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def letter(number: int) -> str:
    """A, B, ... Z, A1, B1, ... for the calls that a failure is about."""
    turn, number = divmod(number, len(ascii_uppercase))
    return ascii_uppercase[number] + (str(turn) if turn else "")


@dataclass(frozen=True)
class Side:
    """One of two numbers that should be the same.

    calls  those that gave it;  by: who did, if it is not the target that is judged
    what   the array, as "h_n" or "the gradient of x";  at: the index that it has there
    factor what it was multiplied by to be compared
    """

    value: float
    what: str
    at: tuple[int, ...]
    calls: tuple[Call, ...] = ()
    by: str = ""
    factor: float = 1.0

    @property
    def element(self) -> str:
        """The number as an element of its array."""
        times = "" if self.factor == 1 else "minus " if self.factor == -1 else f"{self.factor:g} times "
        return f"{times}{self.what}{list(self.at)}"


def contrast(one: Side, other: Side, room: float) -> str:
    """How two numbers that should be the same differ, and by how much rounding lets them."""
    if not one.calls and not one.by:
        one, other = other, one
    a, b = show_both(one.value, other.value)
    if not other.calls and not other.by:
        return f"{one.element} is {a}, must be {b} {about(room)}"
    explained = f"a difference of {room:.1e}" if room else "no difference here: every number is exact"
    calls = distinct_calls((*one.calls, *other.calls))
    where = [on(side, calls) for side in (one, other)]
    if not one.by and not other.by and where[0] > where[1]:  # A before B
        one, other, a, b, where = other, one, b, a, where[::-1]
    second = b if one.element == other.element else f"{other.element} is {b}"
    return f"{one.element} is {a}{where[0]} and {second}{where[1]}; rounding explains {explained}"


def on(side: Side, calls: Sequence[Call]) -> str:
    """Who gave a number, or on which of several calls it was given."""
    if side.by:
        return f" by {side.by}"
    letters = [letter(calls.index(call)) for call in distinct_calls(side.calls)]
    together = " together" if len(letters) > 1 else ""
    return f" on {' and '.join(letters)}{together}" if len(calls) > 1 else ""


def distinct_calls(calls: Iterable[Call]) -> list[Call]:
    """Calls in the order in which they were made, each once."""
    return sorted(dict.fromkeys(calls), key=lambda call: call.number)
