"""Where numbers come from: which call of the target gave them.

A property of recurrences puts results together in its own way: it cuts, turns, joins, and hands states on. To follow a
number through all that, it is done once more with marks in place of results: whole numbers, each another one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from reference_rnn import RecurrenceCase, handed_shapes

FIRST = 65  # larger than what cases hold


class Lost(Exception):
    """A number cannot be followed: no call gave it, or not alone."""


@dataclass(frozen=True)
class NumberPlace:
    """One number that a call gave: the number of the call, the name of the array, the index."""

    call: int
    name: str
    at: tuple[int, ...]


@dataclass(frozen=True)
class Same:
    """Two numbers of some calls that must be the same.

    room    how far they may be apart
    handed  a call, the name of a state, and the earlier call that returned this state, for each that was handed on
    """

    places: tuple[NumberPlace, NumberPlace]
    room: float = 0.0
    handed: tuple[tuple[int, str, int], ...] = ()

    def among(self, numbers: Sequence[int]) -> Same:
        """The place with calls numbered anew: ``numbers[n]`` in place of n."""
        one, other = (NumberPlace(numbers[place.call], place.name, place.at) for place in self.places)
        return Same((one, other), self.room, tuple((numbers[to], name, numbers[by]) for to, name, by in self.handed))


class Marks:
    """The results of calls that are not made; most: the largest whole number that survives being handed on."""

    def __init__(self, most: float) -> None:
        self.most = most
        self.count = FIRST
        self.results: list[dict[str, np.ndarray]] = []
        self.handed: list[tuple[int, str, int]] = []

    def answer(self, case: RecurrenceCase) -> dict[str, np.ndarray]:
        """Marks as the numbers of a case, by name. Raises Lost where there are too many."""
        for name, state in case.states.items():
            for number, result in enumerate(self.results):
                if state is not None and state.size and np.array_equal(state, result[name]):
                    self.handed.append((len(self.results), name, number))
        made = {}
        for name, shape in handed_shapes(case).items():
            size = math.prod(shape.sizes)
            made[name] = np.arange(self.count, self.count + size, dtype=np.float64).reshape(shape.sizes)
            self.count += size
        if self.count > self.most:
            raise Lost
        self.results.append(made)
        return made

    def place(self, mark: float, since: int) -> NumberPlace:
        """Which of the calls, from ``since`` on, gave a mark. Raises Lost where none did."""
        for number, result in list(enumerate(self.results))[since:]:
            for name, array in result.items():
                for at in np.argwhere(array == mark).tolist():
                    return NumberPlace(number, name, tuple(at))
        raise Lost


def followed(marks: Marks, ways: Sequence[Callable[[], float]], room: float) -> Same | None:
    """The places of the numbers that two ways lead to, one after the other; None if one is lost."""
    places = []
    try:
        for way in ways:
            since = len(marks.results)
            places.append(marks.place(way(), since))
    except Lost:
        return None
    return Same((places[0], places[1]), room, tuple(marks.handed))
