"""A failure with what the target was given that shows it, and what would have been right."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from conformance.harness.answer import Answer
from conformance.harness.call import Call
from reference_rnn import Case, forward, gradients, result_shapes
from reference_rnn.case_text import cotangents_expression
from strategies import layout_of
from strategies.cases import own_hidden_biases

from .oracle import OWN, SILENT, Failure
from .provenance import Same
from .recurrent_subject import RecurrentSubject
from .subject import Subject
from .words import letter

# What must be true of the calls of a counterexample.
DEMANDS = {
    "numbers": "every number of every result is within its room of what is expected",
    "bits": "the compared calls give the same bits",
    "shapes": "results have the shapes of what is expected",
    "dtypes": "results have the dtype of the case",
    "unchanged": "nothing that is passed in is changed",
    "own memory": "results share no memory with what was passed in or with earlier results",
    "answer": "the last call returns its results",
    "same": "two numbers of the compared calls are the same, but for the room that they have",
    "property": "none of these: only the property itself can tell",
}
# What failures of each sort break: those that are not here break the property alone.
SORTS = {
    "value": "numbers", "disagree": "numbers", "padding": "numbers", "leak": "numbers",
    "mask": "numbers", "gradient": "numbers", "slope": "numbers", "bits": "bits", "shape": "shapes",
    "missing": "shapes", "surplus": "shapes", "dtype": "dtypes", "changed": "unchanged", "shared": "own memory",
    **dict.fromkeys(SILENT, "answer"),
}  # fmt: skip
# Of one array, and of several.
MEMORY = {
    "F": ("is Fortran-ordered", "are Fortran-ordered"),
    "strided": ("is strided, with gaps in memory", "are strided, with gaps in memory"),
    "negative": ("lies backwards in memory", "lie backwards in memory"),
    "wide": ("is cut out of a wider array", "are cut out of wider arrays"),
    "columns": ("is cut out of one with more columns", "are cut out of some with more columns"),
    "tall": ("is cut out of a longer, Fortran-ordered array", "are cut out of longer, Fortran-ordered arrays"),
    "read-only": ("is read-only", "are read-only"),
}

Bounds = tuple[np.ndarray, np.ndarray]  # what each number must be, and how far from that it may be


@dataclass(frozen=True)
class Counterexample:
    """A failure, and what shows it.

    case        what the property was judged on, from which it made its calls
    calls       what a new instance was given, in turn; none of them can be left out
    before      how many of these come before the property is judged, which makes the others itself
    compared    which of these the failure is about
    expected    for each call: what is right, by the names of its results; nothing where nobody can know
    demand      one of DEMANDS
    repeatable  whether a fresh process failed on it too; None where nobody has tried
    target      its name
    same        which numbers must be the same, where that is demanded
    """

    property: str
    message: str
    kind: str
    case: Case
    calls: tuple[Call, ...] = ()
    before: int = 0
    compared: tuple[int, ...] = ()
    expected: tuple[Mapping[str, Bounds], ...] = ()
    demand: str = "property"
    repeatable: bool | None = None
    target: str = ""
    same: Same | None = None

    def is_beside_gradients(self) -> bool:
        """Whether it is about the results that came beside gradients, and not about these."""
        return self.kind.startswith(OWN)

    def about(self) -> tuple[int, ...]:
        """The numbers of the calls that the failure is about: of the last one where that had no answer."""
        return self.compared or (len(self.calls) - 1,)

    def cases(self) -> list[Case]:
        """What the calls that the failure is about were given; the case itself where they are not known."""
        return [self.calls[number].case for number in self.compared] or [self.case]


def counterexample(
    property: str, case: Case, failure: Failure, subject: Subject, made: Sequence[tuple[Call, Answer]], before: int
) -> Counterexample:
    """What shows a failure: these calls with their answers, the first ones before the property was judged."""
    calls = [call for call, _ in made]
    about = subject.record.calls_of(failure.about)
    compared = tuple(number for number, call in enumerate(calls) if call in about)
    beside = compared if failure.kind.startswith(OWN) else ()
    expected = [right(subject, replace(c, do="forward") if n in beside else c) for n, c in enumerate(calls)]
    demand = SORTS.get(failure.sort, "property")
    if demand == "numbers" and not any(
        is_beyond_room(made[number][1].arrays, expected[number], optional_arrays(made[number][0]))
        for number in compared
    ):
        demand = "numbers" if write_demanded(failure, calls, compared, expected) else "property"
    same = None
    if failure.same:
        asked = [call for one in failure.about for call in one.calls]
        demand, same = "same", failure.same.among([calls.index(call) for call in asked])
    return Counterexample(
        property, failure.message, failure.kind, case, tuple(calls), before, compared, tuple(expected), demand,
        same=same,
    )  # fmt: skip


def optional_arrays(call: Call) -> Collection[str]:
    """What an answer need not have: gradients of a bias where the other holds all there is, and results beside them.

    Whoever does not return these results any more returns none that are wrong.
    """
    if call.do != "gradients":
        return ()
    beside = result_shapes(call.case) if isinstance(call.case, Case) else ()
    return [*(name for name, _ in call.case.arrays() if name.startswith("bias_hh")), *beside]


def write_demanded(
    failure: Failure, calls: list[Call], compared: tuple[int, ...], expected: list[dict[str, Bounds]]
) -> bool:
    """Writes what the property demanded of one number in the place of what is usual; False if it does not say."""
    if not failure.name or failure.must is None or failure.room is None:
        return False
    call = getattr(failure.about[0], "calls", calls)[0]
    number = calls.index(call) if call in calls else compared[0]
    if failure.name not in expected[number]:
        return False
    mid, rad = expected[number][failure.name]
    mid[failure.at], rad[failure.at] = failure.must, failure.room
    return True


@np.errstate(all="ignore")
def right(subject: Subject, call: Call) -> dict[str, Bounds]:
    """What a call must give, by name, and how far from that each number may be.

    Infinitely far where it is not this that tells: what depends on chance, on NaN, or on a sum that may overflow.
    """
    if isinstance(subject, RecurrentSubject):
        return subject.right(call)
    case = call.case
    known, random = case.replace(dropout=0.0) if case.draws else case, case.draws and case.config.num_layers > 1
    found = gradient_bounds(subject, known, call) if call.do == "gradients" else result_bounds(subject, known)
    expected = {}
    for name, bounds in found:
        mid, rad = (np.array(array, np.float64, order="C") for array in bounds)
        rad[np.isnan(rad) | ~np.isfinite(mid)] = np.inf
        if name.startswith("bias_hh") and call.do == "gradients":
            rad[own_hidden_biases(case.config, subject.capabilities.biases) == 0] = np.inf
        if random:
            lowest = case.config.num_directions if name in ("h_n", "c_n") and call.do == "forward" else 0
            rad[lowest:] = np.inf
        expected[name] = mid, rad
    return expected


def result_bounds(subject: Subject, case: Case) -> Iterator[tuple[str, Bounds]]:
    """Yields each claimed result: its name, its numbers, and how far a right answer may be from each."""
    bounds = subject.free_bounds(case)
    for name, mid in forward(case).items():
        if name not in subject.capabilities.outputs:
            continue
        yield name, (mid, abs(getattr(bounds, name)) if bounds else np.zeros(mid.shape))


def gradient_bounds(subject: Subject, case: Case, call: Call) -> Iterator[tuple[str, Bounds]]:
    """The gradients of a case, in the same way."""
    balls = gradients(case, **dict(call.cotangents), arithmetic=subject.arithmetic(case))  # type: ignore[arg-type]
    for name, ball in balls.items():
        if not subject.capabilities.has_gradient(name):
            continue
        yield name, (ball.mid, abs(ball.rad)) if hasattr(ball, "rad") else (ball, np.zeros(ball.shape))


@np.errstate(all="ignore")
def is_beyond_room(
    arrays: Mapping[str, np.ndarray], expected: Mapping[str, Bounds], optional: Collection[str] = ()
) -> bool:
    """Whether some number is further than its room from what it must be, or is not there.

    Axes of size 1 too many or too few are looked through.
    """
    for name, (mid, rad) in expected.items():
        value = arrays.get(name)
        if value is None and name in optional:
            continue
        if value is None or np.squeeze(value).shape != np.squeeze(mid).shape:
            return True
        if not near(np.asarray(value, np.float64).reshape(mid.shape), (mid, rad)).all():
            return True
    return False


@np.errstate(all="ignore")
def near(value: np.ndarray, bounds: Bounds) -> np.ndarray:
    """Elementwise: is a number within its room of what it must be, or are both none?"""
    mid, rad = bounds
    return (value == mid) | (abs(value - mid) <= rad) | (rad == np.inf) | (np.isnan(value) & np.isnan(mid))


def call_lines(found: Counterexample) -> list[str]:
    """The calls in lines of text, as they stand below the message: expressions, and what else matters about them."""
    if not found.calls:
        return [f"smallest case: {found.case!r}"]
    shown = without_measuring(found)
    lines = []
    for label, call, times in labels_and_counts(shown):
        repeated = f", {times} times" if times > 1 else ""
        lines += [f"{label}: {call.case!r}{repeated}", *(f"  {note}" for note in notes(call))]
    measuring = len(found.calls) - len(shown.calls)
    if measuring:
        lines.append(f"(and {measuring} more that {'measures' if measuring == 1 else 'measure'} rounding)")
    return lines


def without_measuring(found: Counterexample) -> Counterexample:
    """The counterexample without the calls that only measure rounding."""
    kept = [n for n, call in enumerate(found.calls) if not call.measures or n in found.compared]
    calls, compared = tuple(found.calls[n] for n in kept), tuple(map(kept.index, found.compared))
    return replace(found, calls=calls, compared=compared)


def labels_and_counts(found: Counterexample) -> Iterator[tuple[str, Call, int]]:
    """Each call with what it is called, and how often it is made in a row."""
    at = 0
    for run in group_repeats(found.calls):
        numbers = range(at, at + len(run))
        letters = [letter(found.compared.index(n)) for n in numbers if n in found.compared and len(found.compared) > 1]
        if len(run) > len(letters):
            when = "smallest case" if len(found.calls) == 1 else "then" if at else "first"
            yield when, run[0], len(run) - len(letters)
        if letters:
            yield " and ".join(letters), run[0], 1
        at += len(run)


def group_repeats(calls: Sequence[Call]) -> list[list[Call]]:
    """The calls in groups of those that follow one another and are the same."""
    groups: list[list[Call]] = []
    for call in calls:
        if groups and groups[-1][0].same(call):
            groups[-1].append(call)
        else:
            groups.append([call])
    return groups


def notes(call: Call) -> list[str]:
    """What else a call is given, and how its arrays lie in memory."""
    given = []
    if call.in_place:
        given.append("these numbers are written into the arrays of the call before")
    if call.do == "gradients":
        given.append(f"its gradients, with {cotangents_expression(call.cotangents)}")
    layouts: dict[str, list[str]] = {}
    arrays = dict(call.arrays())
    if call.case.lengths is not None and layout_of(call.case.lengths) != "C":
        arrays["lengths"] = call.case.lengths
    for name, array in arrays.items():
        if array.size and layout_of(array) != "C":
            layouts.setdefault(layout_of(array), []).append(name)
    for layout, names in layouts.items():
        everything = "every array" if len(names) == len(arrays) > 1 else ", ".join(names)
        text = MEMORY[layout][len(names) > 1 and everything != "every array"]
        given.append(f"{everything} {text}")
    return given
