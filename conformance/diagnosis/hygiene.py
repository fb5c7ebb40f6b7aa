"""What a call does beside giving numbers: another dtype, arrays that it changes, memory that results share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from conformance.harness.answer import Answer
from conformance.harness.call import Call
from conformance.judging.counterexample import Counterexample
from conformance.judging.metamorphic import steps, with_padding
from conformance.judging.words import enumeration
from strategies import layout_of, relaid

from .asking import Bench
from .earlier import Earlier, asked_with, made
from .when import rule_about

STATES = ("h_0", "c_0", "d_h_n", "d_c_n")  # and what has their shape
NUMBERS = np.array([0.5, -0.25, 0.75])  # none of which is 0 or 1
ABOUT = ("dtypes", "unchanged", "own memory", "answer")  # what a failure demands, where this may be why


Habit = tuple[list[str], list[tuple[str, str]]]  # what a call changes, and what shares memory with what


def hygiene(bench: Bench, found: Counterexample) -> list[str]:
    """What the call that a failure is about does beside giving numbers, and when; nothing if it does nothing.

    Nor if the failure is about numbers: then that is not why it fails. Raises NotRun.
    """
    if found.demand not in ABOUT:
        return []
    number = found.about()[-1]
    call = writeable(replace(found.calls[number], in_place=False))
    said = []
    for kind, sentence in (traces(bench, call) or {}).items():

        def does(bench: Bench, other: Call, kind: str = kind) -> bool | None:
            found = traces(bench, other) if other.do == call.do else None
            return None if found is None else kind in found

        rule = rule_about(bench, [call], does)
        said.append(f"{sentence}, {rule}" if rule else sentence)
    return said


def traces(bench: Bench, call: Call) -> dict[str, str] | None:
    """What a new instance does beside giving numbers when a call is made twice, in words, by the kind of it.

    None where it does not answer.
    """
    answers = in_turn(bench, call, call)
    found: dict[str, str] = {}
    for answer in answers:
        found = said_of(answer, call) | found
    return found if answers else None


def in_turn(bench: Bench, *calls: Call) -> list[Answer]:
    """What a new instance answers to some calls, one after the other, as far as it does."""
    bench.restart()
    return [answer for answer in (made(bench, call) for call in calls) if answer]


def habits(bench: Bench, found: Counterexample) -> list[list[Habit]]:
    """What a target does beside giving numbers in the call that a failure is about, and in others like it.

    Such as ask for the same, and differ in one thing, or have arrays that cannot be written to, or that a usual mistake
    leaves as they are. Each is made twice; and once behind one of more rows, which needs a larger buffer.
    Nothing where an array is changed in all of those that should leave it as it is: then nobody knows what it becomes.
    Raises NotRun.
    """
    number = found.about()[-1]
    earlier = Earlier(bench, found)
    call = writeable(replace(found.calls[number], in_place=False))
    others = {words: writeable(other) for words, other in earlier.steady() if other.do == call.do}
    read_only = laid(call, partial(relaid, layout="read-only"))
    asked = [in_turn(bench, one, one) for one in (call, *others.values(), read_only)]
    asked.append(in_turn(bench, others.get("a larger N", call), call))
    left = set()
    for one in left_alone(bench, call):
        asked.append(in_turn(bench, one, one))
        left |= unchanged(one, asked[-1])
    if not {name for answers in asked for answer in answers for name in answer.changed} <= left:
        return []
    return [[(sorted(answer.changed), sorted(answer.shared)) for answer in answers] for answers in asked]


def left_alone(bench: Bench, call: Call) -> Iterator[Call]:
    """Calls like one in which an array is already what it may become: without steps, which change no state.

    With rows in falling order and a padding of zeros; with biases b_hh of zero beside other numbers; and with states
    and cotangents of zeros.
    """
    meant, form = bench.allowed.taken_apart(call.case)
    falling = np.arange(meant.num_rows, 0, -1).clip(max=meant.num_steps)
    others = [form.ask(case) for case in (steps(meant, 0, 0), with_padding(meant.replace(lengths=falling), 0.0))]
    yield from (asked_with(bench, call, case) for case in others if bench.subject.takes(case))
    yield of_numbers(call, but=lambda name: name.startswith("bias_hh"))
    yield of_numbers(call, but=lambda name: name in STATES)


def of_numbers(call: Call, but: Callable[[str], bool]) -> Call:
    """The call with other numbers, but for some arrays, which are zero."""

    def other(name: str, array: np.ndarray) -> np.ndarray:
        return np.resize(np.zeros(1) if but(name) else NUMBERS, array.shape).astype(array.dtype)

    cotangents = {name: None if d is None else other(name, d) for name, d in call.cotangents.items()}
    return replace(call, case=call.case.map(other), cotangents=cotangents)


def unchanged(call: Call, answers: Sequence[Answer]) -> set[str]:
    """The arrays of a call, other than of zeros, that none of some answers to it says are changed; none without any."""
    changed = {name for answer in answers for name in answer.changed}
    given = {**dict(call.arrays()), "lengths": call.case.row_lengths}
    return {name for name, array in given.items() if array.any() and name not in changed} if answers else set()


def said_of(answer: Answer, call: Call) -> dict[str, str]:
    """What an answer shows of that."""
    config = call.case.config
    usual = {config.dtype, str(config.numpy_dtype), None}
    found = {}
    for dtype in dict.fromkeys(dtype for dtype in answer.dtypes.values() if dtype not in usual):
        names = named(call, [name for name, its in answer.dtypes.items() if its == dtype])
        found["dtype"] = (
            f"{enumeration(names)} {'have' if len(names) > 1 else 'has'} dtype {dtype}, must be {config.dtype}"
        )
    if answer.changed:
        found["changed"] = (
            f"{enumeration(answer.changed)} {'are' if len(answer.changed) > 1 else 'is'} changed by the call"
        )
    if answer.shared:
        (name,), other = named(call, [answer.shared[0][0]]), answer.shared[0][1]
        found["shared"] = f"{name} shares memory with {other}"
    return found


def named(call: Call, results: Sequence[str]) -> list[str]:
    """Results as they are called: a gradient by what it is the gradient of."""
    given = dict(call.case.arrays()) if call.do == "gradients" else {}
    return [f"the gradient of {name}" if name in given else name for name in results]


def writeable(call: Call) -> Call:
    """The call with arrays that can be written to, those that could not be in C order."""
    return laid(call, lambda array: relaid(array, "C") if layout_of(array) == "read-only" else array)


def laid(call: Call, change: Callable[[np.ndarray], np.ndarray]) -> Call:
    """The call with each array changed."""
    cotangents = {name: None if d is None else change(d) for name, d in call.cotangents.items()}
    return replace(call, case=call.case.map(lambda _, array: change(array)), cotangents=cotangents)
