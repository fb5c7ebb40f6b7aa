"""Whether gradients are proportional to the cotangents: asked with the same ones, by powers of two larger and smaller.

Such a factor changes no digit. So where it does, gradients are clipped, or kept in a format that is too narrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from conformance.judging.gradients import gradient_run
from conformance.judging.words import show
from reference_rnn import Case

from .asking import Bench
from .earlier import given
from .influence import built

SMALLER, LARGER = (2.0**-8, 2.0**-16, 2.0**-24), (2.0**8, 2.0**16, 2.0**24)
ENOUGH = 2.0**-6  # of a number: rounding is far below it in every dtype
SEVERAL = {"T": 3, "N": 2, "I": 3, "H": 3, "L": 1}

Gradients = Mapping[str, np.ndarray]


@np.errstate(all="ignore")
def scale(bench: Bench) -> list[str]:
    """What becomes of gradients that are large, or small; nothing if they keep to their cotangents. Raises NotRun."""
    claims = bench.subject.capabilities
    if not claims.gradients or bench.dtype == "float16":  # which has no room for such factors
        return []
    case = next(filter(None, (built(bench, SEVERAL | {"D": directions}) for directions in (1, 2))), None)
    if case is None:
        return []
    once = asked(bench, case, 1)
    found = {factor: asked(bench, case, factor) for factor in (*SMALLER, *LARGER)}
    return [sentence for factors in (LARGER, SMALLER) for sentence in told(once, found, factors)]


def asked(bench: Bench, case: Case, factor: float) -> Gradients:
    """The gradients with cotangents that are as many times as large, divided by that."""
    bench.count_a_call()
    cotangents = {name: (factor * array).astype(array.dtype) for name, array in given(bench.subject, case).items()}
    found = gradient_run(bench.subject, case, cotangents).result.arrays
    return {name: array / factor for name, array in found.items()}


def told(once: Gradients, found: Mapping[float, Gradients], factors: Sequence[float]) -> Iterator[str]:
    """What becomes of some gradients with larger, or smaller cotangents."""
    off = [name for name, array in once.items() if not all(close(found[factor][name], array) for factor in factors)]
    if not off:
        return
    which = "gradients" if len(off) == len(once) else f"gradients of {', '.join(off)}"
    if factors is SMALLER:
        yield f"small {which} are wrong, right where cotangents are larger"
        return
    *_, before, last = (np.concatenate([(found[f][name] * f).ravel() for name in off]) for f in factors)
    beyond = abs(last[last != 0])
    if np.isfinite(last).all() and np.allclose(beyond, beyond.max()):
        yield f"{which} do not grow with the cotangents: no number of them is larger than {show(beyond.max())}"
    elif np.isfinite(last).all() and np.isclose(norm(last), norm(before)):
        yield f"{which} do not grow with the cotangents: their norm is never larger than {show(norm(last))}"
    else:
        yield f"large {which} are wrong, right where cotangents are smaller"


def norm(array: np.ndarray) -> float:
    """The Euclidean norm of all numbers."""
    return float(np.sqrt(np.square(array, dtype=np.float64).sum()))


def close(array: np.ndarray, other: np.ndarray) -> bool:
    """Whether two gradients are the same, but for rounding."""
    return bool(np.isclose(array, other, rtol=ENOUGH, atol=ENOUGH * abs(other).max(initial=0)).all())
