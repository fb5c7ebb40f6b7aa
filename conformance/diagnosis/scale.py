"""What becomes of numbers that are small or large: a call is asked again with some that are so many times as large.

Gradients are proportional to the cotangents, and a power of two changes no digit: where it does, gradients are clipped,
or kept in a format that is too narrow. And where small results are zero, something takes them for nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial

import numpy as np

from conformance.judging.gradients import gradient_run
from conformance.judging.words import number_text
from reference_rnn import Case, gradients

from .asking import Bench
from .earlier import given
from .influence import built

USUAL = (1.0, 2.0**-4, 2.0**-8)  # cotangents, times those of a case
SMALLER, LARGER = (2.0**-8, 2.0**-16, 2.0**-24), (2.0**8, 2.0**16, 2.0**24)
ENOUGH = 2.0**-6  # of a number: rounding is far below it in every dtype
SEVERAL = {"T": 3, "N": 2, "I": 3, "H": 3, "L": 1}
ONE = SEVERAL | {"T": 1}

HALVINGS = range(48)  # of what goes in
FEW = 3  # numbers, at least

Gradients = Mapping[str, np.ndarray]


@np.errstate(all="ignore")
def vanishing(bench: Bench) -> list[str]:
    """Up to which size results are zero that must not be, if larger ones are right; else nothing. Raises NotRun."""
    case = built(bench, ONE | {"D": 1}) or built(bench, ONE | {"D": 2})
    if case is None:
        return []
    lost, kept = np.zeros(0), np.zeros(0)
    for halvings in HALVINGS:
        small = case.map(partial(smaller, times=2.0**-halvings))
        given, (right, room) = bench.ask(small), bench.ball(small)
        wrong, gone = abs(given - right) > room, given == 0
        if (wrong & ~gone).any():
            return []
        lost, kept = np.append(lost, abs(right[wrong])), np.append(kept, abs(right[~gone]))
    if lost.size < FEW or kept.size < FEW or lost.max() >= kept.min():
        return []
    return [f"results of up to {lost.max():.2g} are zero, none of {kept.min():.2g} or more"]


def smaller(name: str, array: np.ndarray, times: float) -> np.ndarray:
    """What goes in, smaller, and no biases."""
    factor = 0.0 if name.startswith("bias") else times if name in ("x", "h_0", "c_0") else 1.0
    return (factor * array).astype(array.dtype)


@np.errstate(all="ignore")
def scale(bench: Bench) -> list[str]:
    """What becomes of gradients that are large, or small; nothing if they keep to their cotangents. Raises NotRun.

    Nor if they are wrong with cotangents as they usually are, and with smaller ones: then it is not size that tells.
    """
    claims = bench.subject.capabilities
    if not claims.gradients or bench.dtype == "float16":  # which has no room for such factors
        return []
    case = next(filter(None, (built(bench, SEVERAL | {"D": directions}) for directions in (1, 2))), None)
    if case is None:
        return []
    d = {name: array for name, array in given(bench.subject, case).items() if array is not None}
    right = gradients(case, **d)  # type: ignore[arg-type]
    for usual in USUAL:
        once = asked(bench, case, d, usual)
        if all(close(array, right[name]) for name, array in once.items()):
            break
    else:
        return []
    found = {factor: asked(bench, case, d, usual * factor) for factor in (*SMALLER, *LARGER)}
    small, large = (
        [name for name, array in once.items() if not all(close(found[f][name], array) for f in factors)]
        for factors in (SMALLER, LARGER)
    )
    beyond = [[usual * f * found[f][name] for name in large] for f in LARGER[-2:]]
    said = [of_large(called(large, once), [once[name] for name in large], *beyond)] if large else []
    if small:
        said.append(f"small {called(small, once)} are wrong, right where cotangents are larger")
    return said


def asked(bench: Bench, case: Case, d: Mapping[str, np.ndarray], factor: float) -> Gradients:
    """The gradients of a new instance with cotangents that are as many times as large, divided by that."""
    bench.restart()
    bench.count_a_call()
    cotangents = {name: (factor * array).astype(array.dtype) for name, array in d.items()}
    found = gradient_run(bench.subject, case, cotangents).result.arrays
    return {name: array / factor for name, array in found.items()}


def called(names: Sequence[str], all_of: Collection[str]) -> str:
    """Some gradients in words."""
    return "gradients" if len(names) == len(all_of) else f"gradients of {', '.join(names)}"


def of_large(which: str, usual: Sequence[np.ndarray], before: Sequence[np.ndarray], last: Sequence[np.ndarray]) -> str:
    """What becomes of some gradients with larger cotangents, the more so the later they come.

    A norm is what bounds them where they are those of usual cotangents times a number.
    """
    beyond = np.concatenate([abs(array[array != 0]) for array in last])
    if np.isfinite(beyond).all() and beyond.size:
        norms = [norm(array) for array in last]
        one, one_before, right = ([np.concatenate([a.ravel() for a in all])] for all in (last, before, usual))
        bounded = f"{which} do not grow with the cotangents"
        if np.allclose(beyond, beyond.max()):
            return f"{bounded}: no number of them is larger than {number_text(beyond.max())}"
        if np.allclose(norms, norms[0]) and same(last, before) and parallel(last, usual):
            return f"{bounded}: the norm of each is never larger than {number_text(norms[0])}"
        if same(one, one_before):
            bound = f"the norm of all of them is never larger than {number_text(norm(one[0]))}"
            return f"{bounded}: {bound if parallel(one, right) else 'something is cut off on the way back'}"
    return f"large {which} are wrong, right where cotangents are smaller"


def same(arrays: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    """Whether arrays have the norms of others."""
    return np.allclose([norm(array) for array in arrays], [norm(array) for array in others])


def parallel(arrays: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> bool:
    """Whether each array is another one times a number."""
    return all(close(array / norm(array), other / norm(other)) for array, other in zip(arrays, others))


def norm(array: np.ndarray) -> float:
    """The Euclidean norm of all numbers."""
    return float(np.sqrt(np.square(array, dtype=np.float64).sum()))


def close(array: np.ndarray, other: np.ndarray) -> bool:
    """Whether two gradients are the same, but for rounding."""
    return bool(np.isclose(array, other, rtol=ENOUGH, atol=ENOUGH * abs(other).max(initial=0)).all())
