"""Digits: results that were rounded to few decimal digits, as ``%f`` and ``%.6g`` print them.

A number is short if it is the nearest one of its dtype to a decimal of so many digits. Of results that are right few
are, so where all of them are short, it is no chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal

import numpy as np

from reference_rnn import PRECISION, rounded

from .probes import Arrays

# How a decimal of so many digits is written: those after the point, or those behind its first one that is not 0.
STYLES = {"decimal places": ("f", 0), "significant digits": ("e", 1)}
RARE = 1e-9  # a chance that is none
MANY = 8  # numbers that must be short: few may be constants of the target, like 0.1


@np.errstate(over="ignore")
def few_digits(answers: Iterable[tuple[Arrays, Arrays]], dtype: str) -> str | None:
    """How many digits some results have, in words, if these are too few for their dtype; what is right beside each."""
    numbers, right = distinct(answers)
    enough = digits_of(dtype)
    for digits in range(1, enough):
        for style in STYLES:
            if has(numbers, digits, style, dtype).all():
                apart = ~has(rounded(right, dtype).astype(np.float64), digits, style, dtype)
                inexact = [number for number in numbers[apart].tolist() if not exact(number, digits, style)]
                if len(inexact) >= MANY and chance(inexact, digits, style, dtype) < RARE:
                    return (
                        f"results have {digits} {style} only; where they are printed, "
                        f"{dtype} takes {enough} significant digits (%.{enough}g)"
                    )
    return None


def distinct(answers: Iterable[tuple[Arrays, Arrays]]) -> tuple[np.ndarray, np.ndarray]:
    """Every finite number once, and what would be right in the first of its places."""
    pairs = [(np.ravel(a), np.ravel(right[name])) for given, right in answers for name, a in given.items()
             if name in right and np.shape(right[name]) == np.shape(a)]  # fmt: skip
    given, expected = (np.concatenate([np.zeros(0), *side]) for side in zip(*pairs)) if pairs else np.zeros((2, 0))
    finite = np.isfinite(given) & np.isfinite(expected)
    numbers, at = np.unique(given[finite], return_index=True)
    return numbers, expected[finite][at]


def digits_of(dtype: str) -> int:
    """The significant digits that tell the numbers of a dtype apart."""
    return math.ceil(1 + PRECISION[dtype] * math.log10(2))


def decimal(number: float, digits: int, style: str) -> str:
    """The decimal of so many digits that is nearest to a number."""
    letter, first = STYLES[style]
    return f"{number:.{digits - first}{letter}}"


def has(numbers: np.ndarray, digits: int, style: str, dtype: str) -> np.ndarray:
    """Which numbers have no more digits than that."""
    decimals = np.array([float(decimal(number, digits, style)) for number in numbers.tolist()])
    return rounded(decimals, dtype) == numbers


def exact(number: float, digits: int, style: str) -> bool:
    """Whether a number is a decimal of so many digits itself: 0.25 may be one for other reasons, such as few bits."""
    return Decimal(decimal(number, digits, style)) == Decimal(number)


def chance(numbers: Iterable[float], digits: int, style: str, dtype: str) -> float:
    """How likely numbers are to be all that short: for each, how many of its size are."""
    found = 1.0
    for number in numbers:
        last = int(Decimal(decimal(number, digits, style)).as_tuple().exponent)
        found *= min(1.0, math.ulp(number) * 2.0 ** (53 - PRECISION[dtype]) / 10.0**last)
    return found
