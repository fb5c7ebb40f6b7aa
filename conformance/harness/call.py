"""What a target is given in one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from reference_rnn import Case
from strategies import layout_of, relaid

from .answer import Answer
from .load import Target

FORMS = ("time-major", "batch-first", "unbatched")


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a target.

    do          "forward" or "gradients";  cotangents: by name, None where one is not given
    number      of the call among those of its instance: the later one of two has the larger number
    measures    whether it is made only to see how far rounding moves the results of others
    in_place    whether its numbers are written into the arrays of the call before, as far as they lie alike: so does
                whoever trains a network
    """

    do: str
    case: Case
    cotangents: Mapping[str, np.ndarray | None] = field(default_factory=dict)
    number: int = 0
    measures: bool = False
    in_place: bool = False

    @property
    def form(self) -> str:
        """Which of the FORMS the case has."""
        return "unbatched" if self.case.unbatched else FORMS[getattr(self.case.config, "batch_first", False)]

    def make(self, target: Target) -> Answer:
        """Calls a target."""
        if self.do == "gradients":
            return target.gradients(self.case, self.cotangents, self.in_place)
        return target.forward(self.case, self.in_place)

    def arrays(self) -> Iterator[tuple[str, np.ndarray]]:
        """Name and array of everything that is given: parameters, x, states and cotangents."""
        yield from self.case.arrays()
        yield from ((name, array) for name, array in self.cotangents.items() if array is not None)

    def plain(self) -> Call:
        """This call with all arrays in C order and writeable."""
        cotangents = {name: None if d is None else relaid(d, "C") for name, d in self.cotangents.items()}
        return replace(self, case=self.case.map(lambda name, array: relaid(array, "C")), cotangents=cotangents)

    @property
    def is_plain(self) -> bool:
        """Whether all arrays are."""
        return all(layout_of(array) == "C" for _, array in self.arrays())

    @property
    def size(self) -> int:
        """How many bytes its arrays have."""
        return sum(array.nbytes for _, array in self.arrays())

    def same(self, other: Call) -> bool:
        """Whether another call is given the same, in the same memory layout; one NaN is like another."""
        if self is other:
            return True
        mine, theirs = self.case, other.case
        if (self.do, self.in_place, mine.config, mine.told) != (other.do, other.in_place, theirs.config, theirs.told):
            return False
        if mine.unbatched != theirs.unbatched:
            return False
        one, two = ({**dict(call.arrays()), **dict(call.case.counts())} for call in (self, other))
        return one.keys() == two.keys() and all(same_array(array, two[name]) for name, array in one.items())


def same_array(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays hold the same numbers, -0 and 0 told apart, in the same dtype and memory layout."""
    if (one.dtype, one.shape, layout_of(one)) != (other.dtype, other.shape, layout_of(other)):
        return False
    signs = [np.signbit(array) & (array == 0) for array in (one, other)]
    return bool(np.array_equal(one, other, equal_nan=True) and np.array_equal(*signs))
