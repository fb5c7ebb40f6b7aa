"""What a call must have to be wrong: one that is, asked again with one thing as it usually is.

A fast path is taken in one dtype, for one memory layout, without biases, for several rows: without that it is right.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from conformance.harness.call import Call
from conformance.judging.counterexample import MEMORY, Counterexample
from conformance.judging.history import one_step_less
from conformance.judging.transforms import rows, with_padding
from conformance.judging.words import listed
from reference_rnn import Case, parameter_shapes
from strategies import layout_of, relaid
from strategies.forms import LENGTHS, WORDS
from strategies.shrink import size_of, without

from .asking import Bench
from .earlier import asked_with, is_wrong, of_dtype
from .sizes import AXES, of_sizes

MORE = range(3)  # by how much larger cases are on which it is tried, with numbers that have no zeros
LARGE = 4  # numbers beyond that are seldom needed to show what is wrong
GIVEN, ENDS, NO_STEPS = "with lengths", "where a row has fewer than T steps", "where a row has no steps"
# What goes without saying where one of these is said.
IMPLIED_BY = {
    GIVEN: (WORDS["all_lengths"], ENDS, NO_STEPS, *LENGTHS.values()),
    WORDS["all_lengths"]: tuple(LENGTHS.values()),
    ENDS: (NO_STEPS,),
}

Changed = tuple[str, list[Call]]  # what a call has, in words, and calls without it


@np.errstate(all="ignore")
def conditions(bench: Bench, found: Counterexample, others: Collection[Counterexample]) -> list[str]:
    """What makes a call of a counterexample wrong, by its numbers: without any of it, it is right; else nothing.

    It is said where it is so for other numbers and sizes, too, and where calls of the others have it. Raises NotRun.
    """
    call = wrong_call(bench, found)
    if call is None:
        return []
    needed = [words for words, calls in changes(bench, call) if right(bench, calls)]
    if not needed:
        return []
    again = [one for one in likewise(bench, call) if is_wrong(bench, one)]
    again += filter(None, (wrong_call(bench, other) for other in others))
    for one in again:
        changed = dict(changes(bench, one))
        needed = [words for words in needed if right(bench, changed.get(words, []))]
    needed = [words for words in needed if not set(IMPLIED_BY.get(words, ())) & set(needed)]
    return [f"wrong only {listed(needed)}"] if needed and again else []


def wrong_call(bench: Bench, found: Counterexample) -> Call | None:
    """The first call that a failure is about to which a new instance gives a wrong answer; None if that is none."""
    calls = (replace(found.calls[number], in_place=False) for number in found.compared)
    return next((call for call in calls if is_wrong(bench, call)), None)


def right(bench: Bench, calls: Sequence[Call]) -> bool:
    """Whether each of some calls can be made, and gets a right answer."""
    return bool(calls) and all(bench.subject.takes(call.case) and is_wrong(bench, call) is False for call in calls)


def likewise(bench: Bench, call: Call) -> Iterator[Call]:
    """Calls like one, with other numbers, and of larger sizes."""
    meant, form = bench.allowed.taken_apart(call.case)
    for more in MORE:
        sizes = {axis: size_of(meant, axis) + more * (axis in "TIH") for axis in AXES}
        sizes["N"] += 0 if form.unbatched else more
        case = of_sizes(bench, meant, form, sizes)
        if bench.subject.takes(case):
            yield asked_with(bench, call, case)


def changes(bench: Bench, call: Call) -> Iterator[Changed]:
    """Each thing that a call has and need not have, with calls that do not have it."""
    meant, form = bench.allowed.taken_apart(call.case)
    for name in form.names():
        plainer = replace(form, **{name: type(getattr(form, name))()})
        shorter = [form.ask(one_step_less(meant))] if name == "all_lengths" else []
        cases = [plainer.ask(meant), *shorter]
        yield WORDS.get(name) or LENGTHS[form.lengths], [asked_with(bench, call, case) for case in cases]
    if call.case.lengths is not None:
        without_lengths = replace(form, all_lengths=False, lengths="").ask(meant.replace(lengths=None))
        yield GIVEN, [asked_with(bench, call, without_lengths)]
    for words, cases in others(bench, meant):
        yield words, [asked_with(bench, call, form.ask(case)) for case in cases]
    for name, array in call.arrays():
        if array.size and layout_of(array) != "C":
            yield f"where {name} {MEMORY[layout_of(array)][0]}", [with_plain(call, name)]


def with_plain(call: Call, name: str) -> Call:
    """The call with one of its arrays in C order, and writeable."""
    case = call.case.map(lambda other, array: relaid(array, "C") if other == name else array)
    d = {other: relaid(array, "C") if other == name else array for other, array in call.cotangents.items()}  # type: ignore[arg-type]
    return replace(call, case=case, cotangents=d)


def others(bench: Bench, case: Case) -> Iterator[tuple[str, list[Case]]]:
    """What a case has beside its form, with cases that do not have it."""
    config, claims = case.config, bench.subject.capabilities
    dtypes = [dtype for dtype in claims.dtypes if dtype != config.dtype]
    if dtypes:
        yield f"in {config.dtype}", [of_dtype(case, dtype) for dtype in dtypes]
    if not config.bias:
        zeros = {
            name: case.parameters.get(name, np.zeros(shape.sizes, config.numpy_dtype))
            for name, shape in parameter_shapes(replace(config, bias=True)).items()
        }
        yield "without biases", [case.replace(bias=True, parameters=zeros)]
    if config.bidirectional:
        yield "in two directions", [without(case, "D", 1)]
    if config.num_layers > 1:
        yield "with more than one layer", [without(case, "L", 1, config.num_layers - 1)]
    if case.num_rows > 1:
        yield "with more than one row", [rows(case, [row]) for row in range(case.num_rows)]
    if case.lengths is not None:
        if (case.row_lengths < case.num_steps).any():
            yield ENDS, [case.replace(lengths=np.full(case.num_rows, case.num_steps))]
        if case.num_steps and 0 in case.row_lengths:
            yield NO_STEPS, [case.replace(lengths=np.maximum(case.row_lengths, 1))]
        if not np.isfinite(case.x).all() and np.isfinite(with_padding(case, 0).x).all():
            yield "with NaN or infinity in the padding", [with_padding(case, 0)]
    if case.training and config.dropout == 1:
        yield "in training with p = 1", [case.replace(dropout=0.0)]
    if any((abs(array) > LARGE).any() for _, array in case.arrays()):
        yield f"with numbers beyond {LARGE}", [case.map(lambda _, array: relaid(cut(array), layout_of(array)))]


def cut(array: np.ndarray) -> np.ndarray:
    """The numbers, those that are large as large as is usual."""
    return np.clip(array, -LARGE, LARGE)
