"""Which earlier call changes an answer: the call that fails, made after one that differs from it in one thing alone.

What another thing does to the answer is what it is kept under, or what is left out of what it is kept under.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np

from conformance.claims.capabilities import COTANGENTS
from conformance.harness.answer import Answer
from conformance.harness.call import Call
from conformance.judging.call_sequences import ends_exchanged, groups, nudged, one_step_less, turned
from conformance.judging.counterexample import Bounds, Counterexample, is_beyond_room, optional_arrays, right
from conformance.judging.gradients import accepted_cotangents, cotangents
from conformance.judging.metamorphic import rows, steps, without_state
from conformance.judging.oracle import Failure, NotApplicable, NotRun, ordinal
from conformance.judging.subject import Subject
from conformance.judging.words import enumeration
from reference_rnn import Case, Cell, parameter_shapes, result_shapes, rounded
from strategies import layout_of, relaid
from strategies.forms import LENGTHS, PLAIN, WORDS, kind_of_lengths, of_kind
from strategies.shrink import size_of

from .asking import Bench, has_processes, is_copied, mapped
from .sizes import AXES, of_sizes, sizes_of

# By which shares numbers are another one's, where they are hardly that: np.allclose admits the last.
NUDGES = (2.0**-8, 2.0**-17)

HALF = 0.5  # a probability, or a bias
MOST = 4  # things that are named, of those of which any changes the answer
STEADY = 4  # times
# Lengths of four rows, and others: in another order; of the same sum, longest, shortest, or several of these.
FOUR = (
    (4, 1, 5, 3), (5, 4, 3, 1), (5, 3, 3, 2), (5, 1, 5, 2), (4, 3, 3, 3), (5, 1, 3, 3), (5, 5, 5, 1), (5, 2, 2, 2),
    (4, 1, 4, 2), (4, 2, 5, 3), (1, 1, 1, 1), (5, 5, 5, 5),
)  # fmt: skip
CHANCES = 8  # in which something is dropped once at least

Changes = Iterator[tuple[str, Case]]


class Way(NamedTuple):
    """Calls before one, made of another call; whether it then comes in their arrays; and this in words."""

    before: Callable[[Call, Call], list[Call]]
    in_place: bool
    words: str


AFTER = Way(lambda call, other: [other], False, "a call after one with {}, and the same else")
BETWEEN = Way(
    lambda call, other: [results(call), results(other)], False,
    "a call for gradients, made after one for its results and then for those of one with {}, and the same else",
)  # fmt: skip
WRITTEN = (
    Way(lambda call, other: [other], True, "a call written into the arrays of one with {}, and the same else"),
    Way(
        lambda call, other: [call, replace(other, in_place=True)], True,
        "a call made twice, with {} in its arrays in between",
    ),
)  # fmt: skip


def results(call: Call) -> Call:
    """The call for results alone."""
    return replace(call, do="forward", cotangents={})


class Earlier:
    """The last call of a failure, and others before it."""

    def __init__(self, bench: Bench, found: Counterexample) -> None:
        self.bench = bench
        self.alone = len(found.calls) == 1 and found.repeatable  # a new process was wrong without any call before
        number = found.about()[-1]
        *self.before, self.call = found.calls[: number + 1]
        self.plain = replace(self.call, in_place=False)
        self.expected = right(bench.subject, self.call)

    @np.errstate(all="ignore")
    def shows(self) -> bool:
        """Whether its last call is right alone, and wrong after the others.

        Where instances share what is kept, each gets a process of its own from then on, see Subject. So it is where
        no others are known: it was wrong after calls that had been forgotten.
        """
        subject = self.bench.subject
        if self.alone:
            return False
        for fresh in (False, True) if has_processes(subject) else (False,):
            subject.fresh = fresh
            apart = fresh or is_copied(subject)
            if (self.before or apart) and not self.wrong() and self.wrong_after_all():
                return True
        subject.fresh = False
        return False

    def wrong_after_all(self) -> bool:
        """Whether its last call is wrong after the others, where any are known."""
        return not self.before or self.wrong(*self.before, in_place=self.call.in_place)

    @np.errstate(all="ignore")
    def said(self) -> list[str]:
        """What the call before must be; nothing if none of these changes the answer. Raises NotRun, too."""
        if times := self.times():
            again = [self.times() for _ in range(self.repeats)]
            if times == 1 or set(again) != {times}:  # alone it was right
                return []
            return [self.added() or f"the same call gives other numbers the {ordinal(times)} time"]
        written = any(call.in_place for call in (*self.before, self.call))
        if written and not self.wrong(*(replace(call, in_place=False) for call in self.before)):
            return self.first_of(*WRITTEN)  # in arrays of its own each call is right
        recorded = [BETWEEN] if self.call.do == "gradients" else []
        return self.first_of(AFTER, *recorded, *WRITTEN)

    @np.errstate(all="ignore")
    def right_alone(self) -> bool:
        """Whether its last call is right alone, and there were others."""
        return not self.alone and bool(self.before) and not self.wrong()

    @np.errstate(all="ignore")
    def by_place(self) -> list[str]:
        """The same of calls that come in the arrays of others, where it was wrong by chance: by where arrays lay."""
        return self.first_of(*WRITTEN)

    def first_of(self, *ways: Way) -> list[str]:
        """What another call must be to change the answer, in the first way in which one does."""
        return next(filter(None, map(self.told, ways)), [])

    def told(self, way: Way) -> list[str]:
        """What another call must be to change the answer in one way."""
        showing, again, shown = [], [], None
        for words, other in self.others():
            if way.in_place and not self.takes_the_place_of(other):
                continue
            for answer in islice(self.wrong_after(way, other), 1):
                showing.append(words)
                shown = shown or other
                if other.case.config.dtype == self.call.case.config.dtype:  # else it is nearly the same one
                    theirs = right(self.bench.subject, other)
                    again.append(is_known(theirs) and not self.far(answer, theirs))
        if shown is None or not self.always(way, shown):
            return []
        becomes = "gets the answer of that one" if again and all(again) else "gets another answer"
        named = showing[:MOST] + ["something else"] * (len(showing) > MOST)
        return [f"{way.words.format(enumeration(named, last='or'))}, {becomes}"]

    def always(self, way: Way, other: Call) -> bool:
        """Whether another call changes the answer each time, and nothing else does: chance is no history.

        As often as there are calls left for it.
        """
        with suppress(NotRun):
            wrong = (any(True for _ in self.wrong_after(way, other)) for _ in range(self.repeats))
            return all(after and not self.wrong() for after in wrong)
        return True

    def wrong_after(self, way: Way, other: Call) -> Iterator[Answer | None]:
        """Its wrong answers after another call: of one try, or of several where that drops numbers by chance.

        After more calls each time: what is drawn may follow from how many there were.
        """
        before = way.before(self.plain, other)
        for times in range(1, 1 + (CHANCES if other.case.draws else 1)):
            answer = self.after(*before * times, in_place=way.in_place)
            if self.far(answer, self.expected):
                yield answer

    @property
    def repeats(self) -> int:
        """How often what is found is tried again; seldom where each time takes new processes."""
        return 1 if self.bench.subject.fresh else STEADY

    def times(self) -> int:
        """Which time in a row its answer is wrong; 0 if it is right as often as there were calls, all in all."""
        self.bench.restart()
        answers = (made(self.bench, self.plain) for _ in range(1 + len(self.before)))
        wrong = (time for time, answer in enumerate(answers, 1) if self.far(answer, self.expected))
        return next(wrong, 0)

    def added(self) -> str:
        """What of its answer is added to those of the calls before, if that is all that is wrong; else ""."""
        if self.call.in_place:
            return ""
        alike = (other for _, other in self.others() if other.do == self.call.do and same_shapes(other, self.call))
        wrong = next(filter(None, map(self.added_to, alike)), [])
        if not wrong:
            return ""
        kinds = list(dict.fromkeys(name.partition("_l")[0] for name in wrong))
        what = f"the gradient of {enumeration(kinds)}" if self.call.do == "gradients" else enumeration(wrong)
        return f"{what} is added to that of the calls before"

    def added_to(self, other: Call) -> list[str]:
        """The arrays of its answer that are wrong, if those of another call are added to them, once and twice."""
        theirs = right(self.bench.subject, other)
        found = [self.after(*[other] * times, in_place=False) for times in (1, 2)]
        wrong = [name for name, own in self.expected.items() if any(self.far(answer, {name: own}) for answer in found)]
        for times, answer in enumerate(found, 1):
            if self.far(answer, {name: summed(self.expected[name], theirs[name], times) for name in wrong}):
                return []
        return wrong

    def others(self) -> Iterator[tuple[str, Call]]:
        """Calls that differ from it in one thing, which is said."""
        subject, call = self.bench.subject, self.plain
        for words, case in changes(self.bench, call.case):
            if subject.takes(case):
                yield words, asked_with(self.bench, call, case)
        if call.do == "gradients":
            yield "no gradients", results(call)
            turned = {name: None if d is None else -d for name, d in call.cotangents.items()}
            yield "other cotangents", replace(call, cotangents=turned)
        elif subject.capabilities.gradients:
            yield "gradients", replace(call, do="gradients", cotangents=given(subject, call.case))

    def steady(self) -> Iterator[tuple[str, Call]]:
        """Those of them in which nothing is drawn."""
        return ((words, other) for words, other in self.others() if not other.case.draws)

    def after_each(self, others: Iterable[tuple[str, Call]]) -> Iterator[Answer | None]:
        """What a new instance answers to it after each of some calls, and after that one and itself."""
        for _, other in others:
            yield from (self.after(*before, in_place=False) for before in ((other,), (other, self.plain)))

    def with_other_layers(self) -> Iterator[Earlier]:
        """The same of a call like it that has one layer, or two where it has one itself, if that is taken."""
        yield from self.of_call({"L": 1 if self.plain.case.config.num_layers > 1 else 2})

    def with_four_rows(self) -> Iterator[Earlier]:
        """The same of a call like it of four rows that end at different steps, if it has rows that end.

        Of two rows lengths in another order have the same sum and the same longest one.
        """
        if self.bench.allowed.taken_apart(self.plain.case)[0].lengths is not None:
            yield from self.of_call({"N": 4, "T": 5}, FOUR[0])

    def of_call(self, sizes: Mapping[str, int], lengths: Sequence[int] | None = None) -> Iterator[Earlier]:
        """The same of a call like it of other sizes and lengths, if that is taken."""
        meant, form = self.bench.allowed.taken_apart(self.plain.case)
        case = of_sizes(self.bench, meant, form, sizes_of(meant) | dict(sizes))
        case = case if lengths is None or case.num_rows != len(lengths) else case.replace(lengths=np.array(lengths))
        if self.bench.subject.takes(case) and all(size_of(case, axis) == size for axis, size in sizes.items()):
            other = copy(self)
            other.call = other.plain = asked_with(self.bench, self.plain, case)
            other.expected = right(self.bench.subject, other.plain)
            yield other

    def of_other_lengths(self) -> Iterator[tuple[str, Call]]:
        """Calls of four rows with other lengths."""
        for lengths in FOUR[1:]:
            yield "other lengths", replace(self.plain, case=self.plain.case.replace(lengths=np.array(lengths)))

    def takes_the_place_of(self, other: Call) -> bool:
        """Whether it is the same call in another one's arrays: lengths would be of the type of those there."""
        kinds = {kind_of_lengths(call.case.lengths) for call in (self.call, other) if call.case.lengths is not None}
        return len(kinds) < 2

    def wrong(self, *before: Call, in_place: bool = False) -> bool:
        """Whether a new instance gives a wrong answer to it after some calls."""
        return self.far(self.after(*before, in_place=in_place), self.expected)

    def after(self, *before: Call, in_place: bool) -> Answer | None:
        """What a new instance answers to it after some calls; None for nothing."""
        self.bench.restart()
        for call in before:
            made(self.bench, call)
        return made(self.bench, replace(self.call, in_place=in_place))

    def far(self, answer: Answer | None, expected: Mapping[str, Bounds]) -> bool:
        """Whether an answer to it is not this one; where it has other shapes, it is not."""
        return answer is None or is_beyond_room(answer.arrays, expected, optional_arrays(self.call))


def after_others(bench: Bench, found: Counterexample) -> list[Answer | None]:
    """What new instances answer to the last call of a failure after others like it, and again. Raises NotRun.

    To one with another number of layers, too, and where rows end to one of four rows. Other calls are those in which
    nothing is drawn: what they leave is no chance.
    """
    earlier = Earlier(bench, found)
    given = [answer for one in (earlier, *earlier.with_other_layers()) for answer in one.after_each(one.steady())]
    return given + [answer for one in earlier.with_four_rows() for answer in one.after_each(one.of_other_lengths())]


def same_shapes(one: Call, other: Call) -> bool:
    """Whether two calls have arrays of the same shapes."""
    shapes = [{name: array.shape for name, array in call.arrays()} for call in (one, other)]
    return shapes[0] == shapes[1] and one.case.config == other.case.config


def summed(own: Bounds, theirs: Bounds, times: int) -> Bounds:
    """What a number must be to which another one was added so often, and how far it may be from that.

    Each addition rounds, too, by less than its parts may be off.
    """
    (mid, rad), (other, room) = own, theirs
    return mid + times * other, 2 * (rad + times * room)


def made(bench: Bench, call: Call) -> Answer | None:
    """The target's answer to a call; None for nothing. Raises NotRun."""
    bench.count_a_call()
    bench.subject.record.anew = False
    try:
        return bench.subject.make(call.do, call.case, call.cotangents, call.in_place)
    except (Failure, NotApplicable):
        return None


def is_wrong(bench: Bench, call: Call) -> bool | None:
    """Whether a new instance gives a wrong answer to a call, or none; None where nobody can know of all. Raises NotRun.

    What cannot be known is what depends on chance, on NaN, or on a sum that may overflow.
    """
    expected = right(bench.subject, call)
    bench.restart()
    answer = made(bench, call)
    if answer is None or is_beyond_room(answer.arrays, expected, optional_arrays(call)):
        return True
    return False if is_known(expected) else None


def is_known(expected: Mapping[str, Bounds]) -> bool:
    """Whether each number of an answer is known, which may depend on chance, on NaN, or on a sum that may overflow."""
    return not any((room == np.inf).any() for _, room in expected.values())


def asked_with(bench: Bench, call: Call, case: Case) -> Call:
    """The call with another case, and with other cotangents where those that it has do not fit."""
    if call.do != "gradients":
        return replace(call, case=case)
    layouts = {name: layout_of(array) for name, array in call.cotangents.items() if array is not None}
    d: dict[str, np.ndarray | None] = dict(call.cotangents)
    if result_shapes(case) != result_shapes(call.case):
        d = {name: array if d.get(name) is not None else None for name, array in given(bench.subject, case).items()}
    return replace(call, case=case, cotangents={
        name: None if array is None else relaid(array.astype(case.x.dtype), layouts.get(name, "C"))
        for name, array in d.items()
    })  # fmt: skip


def given(subject: Subject, case: Case) -> dict[str, np.ndarray | None]:
    """The cotangents that a target takes, as it is asked with a case; each has its place."""
    found = accepted_cotangents(subject, cotangents(case))
    return {name: found.get(name) for name in COTANGENTS}


def changes(bench: Bench, case: Case) -> Changes:
    """Cases that differ from one in one thing, and what that is."""
    meant, form = bench.allowed.taken_apart(case)
    for words, other in (*other_arrays(meant, bench.unit), *other_sizes(bench, meant), *other_options(bench, meant)):
        yield words, form.ask(other)
    yield from other_forms(bench, case)


def other_arrays(case: Case, unit: float) -> Changes:
    """Cases with other numbers in the arrays of one kind, in another order, or hardly others at all; unit: roundoff."""
    for kind, names in groups(case).items():
        if any(dict(case.arrays())[name].any() for name in names):
            yield f"other {kind}", turned(*names)(case)
    exchanged = {name: ends_exchanged(array) for name, array in case.parameters.items()}
    yield "the same parameters in another order", mapped(case, exchanged)
    yield "other last parameters", with_another_end(case)
    for share in (*NUDGES, math.sqrt(unit) / 4):
        yield f"numbers larger by a share of {share:.1g}", nudged(case, share, dict(case.arrays()))


def with_another_end(case: Case) -> Case:
    """The case with another last number in each parameter."""
    changed = {name: array.copy() for name, array in case.parameters.items()}
    for array in changed.values():
        array.flat[-1:] += 1
    return mapped(case, changed)


def other_sizes(bench: Bench, case: Case) -> Changes:
    """Cases of one size more or less."""
    sizes = {axis: size_of(case, axis) for axis in AXES}
    for axis in AXES:
        if axis == "N" and sizes["N"]:
            yield "a larger N", rows(case, [*range(sizes["N"]), 0])
        elif axis != "N":
            yield f"a larger {axis} and other numbers", of_sizes(bench, case, PLAIN, sizes | {axis: sizes[axis] + 1})
    if sizes["N"] > 1:
        yield "a smaller N", rows(case, [*range(sizes["N"] - 1)])
    if sizes["T"] > 1:
        yield "a smaller T", steps(case, 0, sizes["T"] - 1)


def other_options(bench: Bench, case: Case) -> Changes:
    """Cases of another dtype or cell, of other lengths, or without what need not be given."""
    claims = bench.subject.capabilities
    if claims.lengths and case.num_steps > 1 and case.num_rows:
        yield "other lengths", one_step_less(case)
        if len(set(case.row_lengths)) > 1:
            yield "lengths in another order", case.replace(lengths=np.roll(case.row_lengths, 1))
            yield "other lengths, the longest alike", case.replace(lengths=0 * case.row_lengths + max(case.row_lengths))
        if (moved := one_step_moved(case.row_lengths)) is not None:
            yield "other lengths of the same sum", case.replace(lengths=moved)
    if case.h_0 is not None and any(state.any() for state in (case.h_0, case.c_0) if state is not None):
        yield "states of zeros", without_state(case)
    if case.config.bias and claims.claims("no_bias"):
        kept = {name: array for name, array in case.parameters.items() if not name.startswith("bias")}
        yield "no biases", case.replace(bias=False, parameters=kept)
    if not case.config.bias:
        yield "biases", bench.given(with_biases(case))
    for dtype in claims.dtypes:
        if dtype != case.config.dtype:
            yield f"dtype {dtype}", of_dtype(case, dtype)
    for cell in claims.cells:
        if cell != case.config.cell and (other := of_cell(case, cell)) is not None:
            yield f"cell {cell}", other


def one_step_moved(lengths: np.ndarray) -> np.ndarray | None:
    """The lengths with the longest row a step shorter, and the shortest a step longer; None where they stay the same.

    >>> one_step_moved(np.array([4, 1])), one_step_moved(np.array([2, 1]))
    (array([3, 2]), None)
    """
    moved = np.array(lengths)
    moved[np.argmax(moved)] -= 1
    moved[np.argmin(lengths)] += 1
    return None if sorted(moved) == sorted(lengths) or len(lengths) < 2 else moved


def with_biases(case: Case) -> Case:
    """The case with biases, each of them a half."""
    shapes = parameter_shapes(replace(case.config, bias=True))
    biases = {name: np.full(shape.sizes, HALF, case.x.dtype) for name, shape in shapes.items()}
    return case.replace(bias=True, parameters=biases | case.parameters)


def of_cell(case: Case, cell: Cell) -> Case | None:
    """The case as one of another cell; None where that has other parameters, states or options."""
    try:
        config = replace(case.config, cell=cell)
    except ValueError:  # it has no projections, say
        return None
    alike = parameter_shapes(config) == parameter_shapes(case.config) and config.num_states == case.config.num_states
    return case.replace(cell=cell) if alike else None


def of_dtype(case: Case, dtype: str) -> Case:
    """The case in another dtype, with its numbers rounded, in the same memory layouts."""
    other = case.replace(dtype=dtype)
    return other.map(lambda name, array: relaid(rounded(array.astype(float), dtype), layout_of(array)))


def other_forms(bench: Bench, case: Case) -> Changes:
    """The same case asked in another form, or in training, with the same p of dropout if it has one."""
    if bench.subject.capabilities.dropout and case.config.num_layers > 1:
        p = case.config.dropout or HALF
        if case.training:
            yield "no training", case.replace(training=False)
            yield "another p of dropout", case.replace(dropout=HALF * p)
        else:
            yield f"dropout p = {p:g} in training", case.replace(dropout=p, training=True)
    for name, words in WORDS.items():
        if name in bench.allowed.forms:
            other = replace(PLAIN, **{name: True}).ask(case)  # type: ignore[arg-type]
            if other is not case:
                yield f"a form: {words}", other
    if case.lengths is not None:
        for kind, words in LENGTHS.items():
            if kind_of_lengths(case.lengths) != kind:
                yield words.removeprefix("with "), case.replace(lengths=of_kind(case.row_lengths, kind))
