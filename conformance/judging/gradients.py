"""How gradients are called for and judged: like results, by the names of the arrays they belong to."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from conformance.claims.capabilities import COTANGENTS
from conformance.harness.answer import Answer
from conformance.harness.call import Call
from reference_rnn import Arithmetic, Ball, Case, Result, forward, gradients, result_shapes, rounded
from strategies.cases import own_hidden_biases
from strategies.integers import FINEST, representable
from strategies.values import DENSE, cut

from .oracle import (
    OWN,
    Failure,
    Run,
    applicable,
    claimed,
    fail,
    first,
    index_in_answer,
    magnitudes,
    steps_agree,
    witnesses,
)
from .subject import Subject
from .words import about, number_text, show_both

# Nothing rounds: what is left of a ball is the choice that a kink of ReLU leaves.
EXACT = Arithmetic(u=0.0, ua=0.0, eta=0.0, largest=np.inf, kt=0.0, ks=0.0)
WIDTH = 2.0**-8  # of central differences


class Gradients:
    """Gradients by the names of the arrays they belong to; reads like a Result."""

    def __init__(self, arrays: Mapping[str, Any]) -> None:
        self.arrays = dict(arrays)

    def __getattr__(self, name: str) -> Any:
        if name == "arrays" or name not in self.arrays:
            raise AttributeError(name)
        return self.arrays[name]

    def items(self) -> Iterator[tuple[str, Any]]:
        """Name and value of each gradient."""
        yield from self.arrays.items()

    def map(self, change: Callable[[str, Any], Any]) -> Gradients:
        """The result of ``change(name, value)`` on every gradient."""
        return Gradients({name: change(name, value) for name, value in self.items()})

    def only(self, names: Iterable[str]) -> Gradients:
        """The gradients with these names."""
        return Gradients({name: self.arrays[name] for name in names if name in self.arrays})

    def moved(self, case: Case, move: Callable[[Case], Case]) -> Gradients:
        """What moves the arrays of a case moves their gradients in the same way."""
        moved = move(case.map(lambda name, array: self.arrays.get(name, np.zeros(array.shape))))
        return Gradients({name: array for name, array in moved.arrays() if name in self.arrays})


def cotangents(case: Case, table: str = "uniform") -> dict[str, Any]:
    """Numbers for d_output, d_h_n and, for LSTM, d_c_n, in the shapes of the results; the same for the same sizes."""
    seed = 7 * case.num_steps + case.config.hidden_size
    return {
        f"d_{name}": rounded(cut(table, DENSE, seed, salt, shape.sizes), case.config.dtype)
        for salt, (name, shape) in enumerate(result_shapes(case).items())
    }


def accepted_cotangents(target: Subject, d: Mapping[str, Any]) -> dict[str, Any]:
    """The cotangents that a target takes, by name."""
    return {name: array for name, array in d.items() if name in target.capabilities.cotangents}


def require_all_cotangents(target: Subject) -> None:
    """The property says something only about targets that take every cotangent."""
    claimed(set(COTANGENTS) <= set(target.capabilities.cotangents))


def exact_cotangents(target: Subject, case: Case) -> dict[str, Any]:
    """Integers small enough for every number on the way back to be exact; NotApplicable where there are none."""
    bits = target.arithmetic(case).bits
    claimed(bits > FINEST)  # else there is no room for the sums of a gradient
    applicable(representable(case, bits))
    d = accepted_cotangents(target, cotangents(case, "signs"))
    # the same walk with nothing but positive numbers adds up all magnitudes that may ever meet in one sum
    positive = case.map(lambda name, array: abs(np.nan_to_num(array)) + name.startswith("bias"))
    reached = gradients(positive, **{name: abs(array) for name, array in d.items()})
    largest = max(float(array.max(initial=0.0)) for array in reached.values())
    applicable(largest * 2**FINEST < 2**bits)
    return d


def gradient_answer(target: Subject, case: Case, d: Mapping[str, Any]) -> Answer:
    """The answer of the target's ``gradients``; every cotangent has its place, also that of a c_n that is not there."""
    return target.gradients(case, {name: d.get(name) for name in COTANGENTS})


def gradient_run(target: Subject, case: Case, d: Mapping[str, Any]) -> Run:
    """The target's gradients; raises Failure if one is missing or has another shape than its array."""
    return as_run(target, case, d, gradient_answer(target, case, d))


def recorded_run(target: Subject, case: Case, d: Mapping[str, Any]) -> tuple[Run, Run | None]:
    """The target's gradients, and the results of the run that they were taken from; None if it keeps them to itself."""
    answer = gradient_answer(target, case, d)
    return as_run(target, case, d, answer), own_results(target, case, answer)


def own_results(target: Subject, case: Case, answer: Answer) -> Run | None:
    """The results that came beside the gradients: of the very run that was recorded for them.

    Another run of the same target may round differently, anywhere within the balls: many have kernels of their own
    for inference. Raises Failure if only some of the results came.
    """
    names = [name for name in result_shapes(case) if name in target.capabilities.outputs]
    arrays = {name: answer.arrays[name] for name in names if name in answer.arrays}
    if "output" not in names or not arrays:
        return None
    if missing := [name for name in names if name not in arrays]:
        said = f"{', '.join(arrays)} came beside the gradients, but not {', '.join(missing)}"
        fail(f"{OWN}missing:{missing[0]}", said)
    with beside_gradients():
        return target.read(case, replace(answer, arrays=arrays))


def own_steps_agree(own: Run) -> None:
    """What came beside the gradients is as right as any result: they are judged from it."""
    with beside_gradients():
        steps_agree(own)


@contextlib.contextmanager
def beside_gradients() -> Iterator[None]:
    """Failures in this block are about results that came beside gradients, and say so."""
    try:
        yield
    except Failure as failure:
        raise failure.told_as(OWN + failure.kind, f"beside the gradients, {failure.message}") from None


def as_run(target: Subject, case: Case, d: Mapping[str, Any], answer: Answer) -> Run:
    """The gradients in an answer as a run."""
    found, asked = {}, target.asked(case)
    own = own_hidden_biases(case.config, target.capabilities.biases)
    for name, array in asked.arrays():
        if not target.capabilities.has_gradient(name):
            continue
        value = target.shaped(answer, name, array.shape) if name in answer.arrays else None
        if value is None and not expected_from(target, case, name):
            value = np.zeros(array.shape)
        if value is None or value.shape != array.shape:
            said = "is missing" if value is None else f"has shape {value.shape}"
            fail(f"shape:{name}", f"the gradient of {name} {said}, must be {array.shape} like {name}", answer)
        found[name] = np.asarray(value, dtype=np.float64)
        if name.startswith("bias_hh"):  # where one bias holds all there is, the other has no gradient of its own
            found[name] = found[name] * own
    allowed = target.arithmetic(case)

    def bounds() -> Any:
        balls = gradients(case, **d, arithmetic=allowed)
        return Gradients({name: ball.rad for name, ball in balls.items()})

    calls = (target.record.call_of(answer) or Call("gradients", asked, d),)
    return target.meant(Run(asked, Gradients(found), allowed, bounds, calls=calls, by=target.by), case)


def expected_from(target: Subject, case: Case, name: str) -> bool:
    """Whether a target must have a gradient for an array: where one bias holds all there is, not for the other."""
    if not target.capabilities.has_gradient(name):
        return False
    return bool(not name.startswith("bias_hh") or own_hidden_biases(case.config, target.capabilities.biases).any())


@np.errstate(all="ignore")
def gradients_within(target: Subject, run: Run, case: Case, d: Mapping[str, Any], **options: Any) -> dict[str, Ball]:
    """Every gradient lies in its ball; these are returned.

    The ball of one pass for all results is looked at first, since it costs least: it lies in the one that decides.
    options: of ``reference_rnn.gradients``
    """
    options = {"arithmetic": run.arithmetic} | options
    for one_pass in (True, False):
        balls = gradients(case, **d, **options, one_pass=one_pass)
        wrong = outside(target, run, balls)
        if not wrong:
            return {name: balls[name] for name in run.result.arrays}
    name, elements = next(iter(wrong.items()))
    ball, value = balls[name], run.result.arrays[name]
    at = first(witnesses(elements, value - ball.mid))
    mid, rad, place = float(ball[at].mid), float(ball[at].rad), index_in_answer(run, name, at)
    is_, must = show_both(value[at], mid)
    text = f"the gradient of {name}{list(place)} is {is_}, must be {must} {about(rad)}"
    fail(
        f"gradient:{name}", text, run, name=name, at=place, given=float(value[at]), must=mid, room=rad,
        largest=magnitudes(ball.mid).max(initial=0.0),
    )  # fmt: skip


def outside(target: Subject, run: Run, balls: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Where gradients are not in their balls, by the names of the arrays of which some are not."""
    own = own_hidden_biases(run.case.config, target.capabilities.biases)
    wrong = {name: ~balls[name].contains(value) for name, value in run.result.items()}
    wrong = {name: w & (own > 0) if name.startswith("bias_hh") else w for name, w in wrong.items()}
    return {name: w for name, w in wrong.items() if w.any()}


def gradients_right(target: Subject, case: Case, d: Mapping[str, Any]) -> Run:
    """The target's gradients; raises Failure if one is not in its ball."""
    run = gradient_run(target, case, d)
    gradients_within(target, run, case, d)
    return run


def sum_of_runs(runs: Sequence[Run]) -> Run:
    """The sum of some gradients of one case, and of what rounding may have done to them."""

    @np.errstate(all="ignore")  # they may have overflowed
    def summed(parts: Sequence[Any]) -> Gradients:
        return Gradients({name: sum(part.arrays[name] for part in parts) for name, _ in parts[0].items()})

    return Run(
        runs[0].case, summed([r.result for r in runs]), runs[0].arithmetic, lambda: summed([r.rad for r in runs]),
        calls=tuple(call for run in runs for call in run.calls),
    )  # fmt: skip


def chain_parts(earlier: Run, later: Run, whole: Run) -> Run:
    """The gradients of two parts of a run, one after the other, as those of the whole."""

    @np.errstate(all="ignore")
    def of(name: str, value: np.ndarray) -> np.ndarray:
        if name == "x":
            return np.concatenate([value, later.result.x])
        return value if name in ("h_0", "c_0") else value + getattr(later.result, name)

    return whole.joined(earlier.result.map(of), earlier, later)


@np.errstate(all="ignore")
def slope_agrees(target: Subject, case: Case, d: Mapping[str, Any]) -> None:
    """Along one direction through all arrays, the target's results change as its gradients say.

    Curvature is what the reference says it is; rounding may do what balls allow.
    """
    dtype, own = case.config.dtype, own_hidden_biases(case.config, target.capabilities.biases)

    salts = {name: salt for salt, (name, _) in enumerate(case.arrays())}

    def stepped(sign: int) -> Case:
        def change(name: str, array: np.ndarray) -> np.ndarray:
            if name not in run.result.arrays:
                return array
            direction = cut("plus-minus", DENSE, 3, salts[name], array.shape)
            direction = direction * own if name.startswith("bias_hh") else direction
            return rounded(array + sign * WIDTH * direction, dtype)

        return case.map(change)

    run = gradient_run(target, case, d)  # what was not given has no gradient, and stays
    ahead, behind = stepped(1), stepped(-1)
    exact = gradients(case, **d)
    way = {name: a.astype(float) - b for (name, a), (_, b) in zip(ahead.arrays(), behind.arrays())}
    here = [target(ahead), target(behind)]
    there = [forward(ahead), forward(behind)]
    applicable(all(one.rad is not None for one in here))
    change = loss(here[0].result, d) - loss(here[1].result, d)
    said = sum(float((array * way[name]).sum()) for name, array in run.result.items())
    curved = abs(
        loss(there[0], d) - loss(there[1], d) - sum(float((array * way[name]).sum()) for name, array in exact.items())
    )
    room = sum(loss(one.rad, {name: abs(array) for name, array in d.items()}) for one in here)
    with np.errstate(invalid="ignore"):  # an unbounded gradient along no step at all: no number, not applicable
        room += sum(float((array * abs(way[name])).sum()) for name, array in run.rad.items())
    applicable(bool(np.isfinite(room)))
    if not abs(change - said) <= 2 * curved + room:
        fail(
            "slope",
            f"a small step changes the loss by {number_text(change)}, the gradients say {number_text(said)}; "
            f"curvature and rounding explain a difference of {2 * curved + room:.1e}",
            run,
            *here,
        )


def loss(result: Result, d: Mapping[str, np.ndarray]) -> float:
    """The sum of all results, each times its cotangent."""
    return sum(float((array * d[f"d_{name}"]).sum()) for name, array in result.items() if f"d_{name}" in d)
