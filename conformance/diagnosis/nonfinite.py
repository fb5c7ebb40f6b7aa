"""What a NaN in x reaches that it must not: other rows, or steps before it."""

from __future__ import annotations

from functools import partial

import numpy as np

from conformance.judging.words import enumeration
from reference_rnn import Case

from .asking import Bench, flat
from .influence import ONE, built

SIZES = ONE | {"T": 3, "N": 3, "H": 2}  # the smallest in which a step has others on both sides, and a row, too


@np.errstate(all="ignore")
def reached(bench: Bench) -> list[str]:
    """What numbers that must be finite are not, where one of x is none; nothing if all are. Raises NotRun."""
    case = built(bench, SIZES | {"D": 1}) or built(bench, SIZES | {"D": 2})
    if case is None or not bench.subject.capabilities.nonfinite:
        return []
    found: dict[str, None] = {}
    for step, row in np.ndindex(*case.x.shape[:2]):
        found |= dict.fromkeys(beyond(bench, case.map(partial(without_a_number, (step, row))), step, row))
    return [f"a NaN in x reaches {enumeration(list(found))}"] if found else []


def without_a_number(at: tuple[int, int], name: str, array: np.ndarray) -> np.ndarray:
    """x without a number in one row of one step; other arrays as they are."""
    if name != "x":
        return array
    array = array.copy()
    array[at] = np.nan
    return array


def beyond(bench: Bench, case: Case, step: int, row: int) -> list[str]:
    """What a NaN in one row of one step reaches that must be finite."""
    bench.restart()
    bench.count_a_call()
    given, must = bench.subject(case).result, bench.forward(case)
    found = []
    wrong = {name: np.isnan(array) & ~np.isnan(getattr(must, name)) for name, array in given.items()}
    if any(np.delete(each, row, axis=1).any() for each in wrong.values()):
        found.append("other rows")
    if wrong["output"][:step, row].any():
        found.append("steps before it")
    if not found and flat(given.map(lambda name, array: wrong[name])).any():
        found.append("what does not read it")
    return found
