"""Proportion: arrays of which each number is what it must be times one factor, as of a mean that must be a sum.

The factor is a number, or a size, its root, or one over these: which it is shows in answers of several sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from reference_rnn import Case
from reference_rnn.case import kind_of

from .probes import Answered

ENOUGH = 2.0**-6  # of a factor: rounding is far below it in every dtype
CLEAR = 64.0  # times what rounding may do: numbers that tell a factor
FEWEST = 3  # answers with several such numbers

SIZES: dict[str, Callable[[Case], float]] = {
    "N": lambda case: case.num_rows,
    "T": lambda case: case.num_steps,
    "T*N": lambda case: case.num_steps * case.num_rows,
    "the sum of the lengths": lambda case: case.row_lengths.sum(),
    "H": lambda case: case.config.hidden_size,
    "I": lambda case: case.config.input_size,
    "the number of layers": lambda case: case.config.num_layers,
    "the number of directions": lambda case: case.config.num_directions,
}
POWERS = {"times {}": 1.0, "divided by {}": -1.0, "times the root of {}": 0.5, "divided by the root of {}": -0.5}


class Seen(NamedTuple):
    """The factor of an array of an answer; several: whether it is that of more than one number."""

    case: Case
    name: str
    factor: float
    several: bool

    @property
    def kind(self) -> str:
        """The name, of a parameter without its layer and direction."""
        return kind_of(self.name) if self.name in self.case.parameters else self.name


class Factor(NamedTuple):
    """What arrays of one kind are times what they must be; always: whether in all answers."""

    words: str
    always: bool

    def told(self, kinds: Sequence[str], of: str, when: Callable[[], str]) -> str:
        """In a sentence about these arrays."""
        many = len(kinds) > 1
        must = "what they must be" if many else "what it must be"
        what = f"the {of}{'s' * many} of {', '.join(kinds)}" if of else ", ".join(kinds)
        said = f"{what} {'are' if many else 'is'} {self.words.format(must)}"
        if self.always:
            return said
        where = when()
        return f"{said}, in some calls: {where}" if where else f"{said}, in some calls"


@np.errstate(all="ignore")
def proportion(answered: Sequence[Answered], when: Callable[[], str] = str, of: str = "") -> list[str]:
    """By which factors arrays are wrong, if that is all that is wrong in some answers; else nothing.

    when: in which calls it is wrong, in words, if that can be found;  of: what of the arrays, if not these themselves
    """
    seen = [one for answer in answered for one in factors(answer)]
    alike: dict[Factor, list[str]] = {}
    for kind in dict.fromkeys(one.kind for one in seen if not is_near(one.factor, 1)):
        found = factor_of([one for one in seen if one.kind == kind])
        if found is None:
            return []
        alike.setdefault(found, []).append(kind)
    return [found.told(kinds, of, when) for found, kinds in alike.items()]


def factors(answer: Answered) -> Iterator[Seen]:
    """What each array of an answer is times what it must be, nothing where all is zero.

    NaN where it is no multiple, infinity where it is NaN and must be zero.
    """
    for name, given in (answer.given or {}).items():
        right = answer.expected.get(name, np.zeros(0))
        if given.shape != right.shape:
            yield Seen(answer.probe.case, name, np.nan, False)
            continue
        finite = np.where(np.isfinite(right), right, 0.0)
        clear = abs(finite) > CLEAR * np.broadcast_to(answer.room.get(name, np.inf), right.shape)
        factor = float((given * finite)[clear].sum() / np.square(finite[clear]).sum()) if clear.any() else 1.0
        if answer.close(name, given, right).all():
            factor = 1.0
        elif not right.any() and np.isnan(given).all():
            factor = np.inf  # times zero, as the mean of nothing
        elif not answer.close(name, given / factor, right).all():
            factor = np.nan
        if clear.any() or not np.isfinite(factor):
            yield Seen(answer.probe.case, name, factor, clear.sum() > 1)


@np.errstate(all="ignore")
def factor_of(seen: Sequence[Seen]) -> Factor | None:
    """What the factor of arrays of one kind is; None if nothing gives it."""
    wrong = [one for one in seen if not is_near(one.factor, 1)]
    if sum(one.several for one in wrong) < FEWEST:
        return None
    usual = float(np.median([one.factor for one in wrong if one.several]))
    if all(is_near(one.factor, usual) for one in wrong):
        return Factor(f"{usual:.3g} times {{}}", len(wrong) == len(seen))
    for size, size_of in SIZES.items():
        for words, power in POWERS.items():
            if all(is_near(one.factor, np.float64(size_of(one.case)) ** power) for one in seen):
                return Factor(f"{{}} {words.format(size)}", True)
    return None


def is_near(factor: float, other: float) -> bool:
    """Whether two factors are the same, but for rounding."""
    return factor == other or bool(np.isfinite(other) and abs(factor - other) <= ENOUGH * abs(other))
